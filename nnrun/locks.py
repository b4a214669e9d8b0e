"""Who writes alone, and folders that are filled under another name, by locks that a process loses when it dies.

What is locked is a file that is open for writing: over NFS a folder is locked for this machine alone.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from nnrun.errors import DataError, UsageError
from nnrun.files import refuse_closed, regular
from nnrun.machine.posix import try_lock

ATTEMPTS = 10
SECONDS_UNTIL_ABANDONED = 24 * 3600
ENDING = ".lock"  # of the file beside a folder that is being filled, which has its name else


class NoLocksError(UsageError):
    """A disk gives no locks."""


def take_lock(path: Path) -> FileIO | None:
    """The file, open and locked, which is made where there is none; None if somebody else has its lock.

    UsageError in a closed folder; NoLocksError on a disk that gives none, where two could write at once unnoticed.
    """
    refuse_closed(path.parent)
    file = FileIO(path, "a", opener=regular)
    try:
        if lock_exclusively(file.fileno()):
            return file
    except OSError as error:
        file.close()
        why = "two processes could write there at once, and a copy on another disk would do"
        raise NoLocksError(f"{path.parent}: {error.strerror}; {why}") from error
    file.close()
    return None


def lock_exclusively(descriptor: int, attempts: int = ATTEMPTS) -> bool:
    """Take the lock of an open file; False if somebody has it, OSError where the disk gives none.

    Readers who ask for a status hold it too, for an instant: wait for them.
    """
    for _ in range(attempts):
        if try_lock(descriptor, exclusive=True):
            return True
        time.sleep(0.02)
    return False


@contextmanager
def filling(root: Path, beginning: str) -> Iterator[Path]:
    """A new folder so named for the block to fill and rename; what is left of it is removed at the end.

    It is held by the lock of a file beside it, which is there first and goes last: folders whose lock nobody holds were
    left by killed processes. `drop_abandoned` removes these, which takes as long as there is much in `root`. OSError
    where the disk gives no locks.
    """
    with _held(root, beginning) as lock:
        folder = lock.with_suffix("")
        try:
            folder.mkdir()
            yield folder
        finally:
            _drop(lock)


@contextmanager
def _held(root: Path, beginning: str) -> Iterator[Path]:
    """A new file, locked; another process may remove it in the instant before, and then it is another one."""
    while True:
        lock = root / f"{beginning}{secrets.token_hex(8)}{ENDING}"
        with FileIO(lock, "x+") as file:
            try:
                is_ours = lock_exclusively(file.fileno()) and lock.exists()  # who removes it holds it until it is gone
            except OSError:
                lock.unlink()
                raise
            if is_ours:
                yield lock
                return


def drop_abandoned(root: Path, beginning: str) -> None:
    """Remove folders so named whose lock nobody holds; what has none beside it is none of these, and goes in a day."""
    found = {*root.glob(f"{beginning}*")}
    for lock in (path for path in found if path.suffix == ENDING):
        with suppress(OSError, DataError), FileIO(lock, "r+", opener=regular) as file:
            if try_lock(file.fileno(), exclusive=True):
                _drop(lock)
    for folder in (path for path in found if path.suffix != ENDING and path.with_suffix(ENDING) not in found):
        with suppress(OSError):  # another process has just finished or removed it
            if time.time() - folder.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _drop(lock: Path) -> None:
    """Remove a folder and then its lock, by which the next process finds what could not be removed."""
    folder = lock.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        if not folder.exists():
            lock.unlink()
