"""What was worked out is kept beside the run, if its folder may be written to."""

from __future__ import annotations

from nnrun.runs.rundir import RunDir
from nnrun.text import wrapped


def keep(run: RunDir, file: str, content: str) -> list[str]:
    """Write a file of the run; where that cannot be, the lines that say so, as what was worked out is worth telling."""
    try:
        run.write(file, content)
    except OSError as error:
        return wrapped(f"{run.path / file}: cannot be written ({error.strerror}), so this is not kept", "note     ")
    return []
