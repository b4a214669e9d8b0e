"""A disk without room, or another shortage: it ends what trains, which goes on when there is room again.

It is no trial's fault, and the next ones would meet it too, so it ends a search.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnrun.errors import NnrunError, ShortageError, system_words
from nnrun.installation import command
from nnrun.runs.rundir import RunDir

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(ShortageError):
    """A worker had no room; says which file it was about to write."""


def shortage(error: BaseException) -> str | None:
    """What there is no more of, or which file had no room, in words; None where it is another error."""
    if isinstance(error, ShortageError):
        return str(error)
    for each in (error, error.__cause__):  # the first that is one knows the name of the file
        if isinstance(each, OSError) and each.errno in DISK_FULL:
            return system_words(each)
    return None


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Say of a full disk, or another shortage, how what lies at `run` goes on once there is room."""
    try:
        yield
    except Exception as error:
        if (words := shortage(error)) is None:
            raise
        going_on = command("resume", str(run))
        raise NnrunError(f"{words}; what is finished is kept, and `{going_on}` goes on with it") from error


@contextmanager
def training(run: RunDir) -> Iterator[None]:
    """Hold a run while training it, and say of a full disk how it goes on."""
    with run.locked(), resumable(run.path):
        yield
