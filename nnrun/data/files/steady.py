"""Whether a file is still the one that it was, as its walks open it anew and have to see the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnrun.errors import DataError


def identity_of(path: Path) -> list[int]:
    """What changes with the contents of a file: its size, times and number; OSError where it is not there."""
    status = path.stat()  # no program can set the time of the last change of any kind, as it can that of the contents
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


class Steady:
    """A file that is to stay as it is from now on."""

    def __init__(self, path: Path) -> None:
        self._path, self._known = path, _known(path)

    @contextmanager
    def read(self) -> Iterator[None]:
        """Raise DataError where the file is another one before or after this than it was at first."""
        self._check()
        try:
            yield
        except DataError:
            self._check()  # what is wrong with half of a file is beside the point
            raise
        self._check()

    def _check(self) -> None:
        if _known(self._path) != self._known:
            raise DataError(f"{self._path}: the file was changed or replaced while it was read; run the command again")


def _known(path: Path) -> list[int] | None:
    try:
        return identity_of(path)
    except OSError:
        return None
