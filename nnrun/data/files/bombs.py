"""Small files that unpack to more than any table of their size: refused before they fill memory or hours."""

from __future__ import annotations

import gzip
from pathlib import Path

from nnrun.errors import DataError

HARMLESS = 1 << 28  # bytes; below them anything may be unpacked
MOST_TIMES = 400  # its size that a file may unpack to; tables come to some 50, a file of one byte repeated to 1,000
LONGEST_LINE = 1 << 24  # bytes
MOST_FIELDS = 1 << 21


def check_unpacked(path: Path, packed: int, unpacked: int, cure: str) -> None:
    """Raise DataError, ending with the cure, if a part of the file unpacks to too many bytes for its own."""
    if unpacked > HARMLESS and unpacked > MOST_TIMES * packed:
        raise DataError(f"{path}: unpacks to more than {MOST_TIMES} times its size, as no table does; {cure}")


class Unpacked(gzip.GzipFile):
    """A gzipped file whose bytes are counted as they are read; raises DataError when they are too many."""

    def __init__(self, path: Path) -> None:
        self._packed, self._path, self._count = path.open("rb"), path, 0
        super().__init__(fileobj=self._packed, mode="rb")

    def read(self, size: int | None = -1) -> bytes:
        """Bytes, at most so many."""
        return self._counted(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        """Bytes of one block, at most so many."""
        return self._counted(super().read1(size))

    def _counted(self, data: bytes) -> bytes:
        self._count += len(data)
        cure = "if it is sound, unpack it and name the unpacked file"
        check_unpacked(self._path, self._packed.tell(), self._count, cure)
        return data

    def close(self) -> None:
        """The packed file too."""
        super().close()
        self._packed.close()
