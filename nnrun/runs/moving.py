"""Data of a run that lies elsewhere now: how commands say what to do, and how its new place is written into the run.

One command is for runs of every kind: `nnrun resume RUN --set data.source=FILE`. The file is known by its checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nnrun.config.dump import dump_sections
from nnrun.config.load import Loaded
from nnrun.data.files.sources import source_files
from nnrun.errors import DataError
from nnrun.files import sealed_text
from nnrun.installation import as_options, command, elsewhere, key_of
from nnrun.runs.finding import search_of, trained_with
from nnrun.runs.rundir import RESOLVED, RunDir
from nnrun.runs.stored import StoredRun

SOURCE = "data.source"
ANOTHER = "the same rows packed or saved anew are another file"


def if_gone(loaded: Loaded, error: DataError) -> DataError:
    """The error, with the command that says where the data lies now, if this is a run's and files of it are gone."""
    run = _run_of(loaded.path)
    given = [key_of(setting) for setting in loaded.overrides]
    keys = [key for key in _gone(loaded) if not any(f"{key}.".startswith(f"{named}.") for named in given)]
    if run is None or not keys:
        return error
    again = command("resume", run.id, *as_options([f"{key}=FILE" for key in keys]), *elsewhere(run.path.parent))
    return DataError(f"{error} (if it was moved: `{again}`)")


@contextmanager
def told_if_gone(run: StoredRun) -> Iterator[None]:
    """Errors of what reads the data of a run say what to do if it is gone."""
    try:
        yield
    except DataError as error:
        raise if_gone(run.loaded(), error) from None


def _run_of(path: Path | None) -> RunDir | None:
    """What is resumed: the run whose resolved.yaml this is, or the search or run that this one belongs to."""
    run = RunDir(path.resolve().parent) if path and path.name == RESOLVED else None
    return (search_of(run) or trained_with(run)) if run and run.exists else None


def _gone(loaded: Loaded) -> Iterator[str]:
    data = loaded.config.data
    for part, file in source_files(data).items():
        with suppress(OSError):  # a folder that is closed
            if not file.exists():
                yield SOURCE if isinstance(data.source, str) else f"{SOURCE}.{part}"


def names_source(setting: str) -> bool:
    """Whether a setting says where data lies, and nothing else."""
    key = key_of(setting)
    return key == SOURCE or key.startswith(f"{SOURCE}.")


def only_source(settings: Sequence[str]) -> bool:
    """Whether there are settings, and all of them say where data lies."""
    return bool(settings) and all(map(names_source, settings))


def other_data(run: RunDir) -> DataError:
    """Why what only may find its data again does not take the rows that were named."""
    why = f"the data there is not what it began with; {SOURCE} may only name where it lies"
    return DataError(f"{run.id}: {why}, and {ANOTHER}")


def trained_on_other_data(run: StoredRun, anew: str = "train anew") -> DataError:
    """Why what needs the very rows of a run does nothing with those that its data holds by now."""
    return DataError(f"{run.name}: the data is no longer what this run was trained on; {anew}")


def move_source(run: RunDir, settings: Sequence[str]) -> None:
    """Write into a run where its data lies now, and into all runs in it, as their own data is read again.

    The rows are known to be the same.
    """
    files = run.path.rglob(run.resolved.name)
    for path in sorted(files, key=lambda path: -len(path.parts)):  # its own last, so that it can be done again
        one = RunDir(path.parent)
        config = StoredRun(one).loaded(settings).config
        one.write(RESOLVED, sealed_text(dump_sections(config.resolved())))
