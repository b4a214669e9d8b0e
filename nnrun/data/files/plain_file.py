"""A large text file, for as long as nothing but plain numbers stands in it, which machine code reads.

`csv_file.py` says what a file means. What is read here comes to the same there, and where that is in doubt, at the
first cell that is more than digits, it reads on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import numpy as np

from nnrun.compiled.cell_reader import Bytes, Read, reader
from nnrun.data.files.chunks import beside
from nnrun.data.files.dialect import Dialect
from nnrun.data.files.layout import DELIMITERS
from nnrun.data.files.table import reads_as_number
from nnrun.data.files.text_file import open_binary

if TYPE_CHECKING:
    import pandas as pd


LEAST = 1 << 24  # bytes of a file, from which on it pays to load the code
FEWEST = 1 << 16  # cells of a piece
_BLOCK, _ROOM = 1 << 18, 1 << 22  # bytes that are read together, and for which there is room at first
_READERS = 2  # threads
_LINE_END = ord("\n")
_ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "latin-1")  # in which plain cells are the same bytes


class PlainRows:
    """The rows of a file behind `above` lines, for as long as they are plain; `raw` are the names as they stand there.

    After the walk `rows` is their number, `offset` the byte behind them, and `at_end` says that there are no more.
    """

    def __init__(self, path: Path, dialect: Dialect, names: Sequence[str], raw: Sequence[str], above: int) -> None:
        self.rows = self.offset = 0
        self.at_end = False
        self._path, self._dialect, self._names, self._raw, self._above = path, dialect, names, raw, above

    def frames(self, rows: int | None) -> Iterator[pd.DataFrame]:
        """Pieces of so many rows, or one of all for None; the index counts the rows."""
        if not self._may_be_plain() or (rows is not None and rows * len(self._names) < FEWEST):
            return
        read = reader()
        if read is None:
            return
        with open_binary(self._path) as handle:
            head = [handle.readline() for _ in range(self._above)]
            if any(line.count(b"\r") != line.endswith(b"\r\n") for line in head):  # a line end of another kind
                return
            pieces = _pieces(handle, rows, sum(map(len, head)))
            for frame, stop in beside(partial(self._frame, read), pieces, _READERS):
                if frame is None:
                    return
                self.rows, self.offset = self.rows + len(frame), stop
                yield frame
        self.at_end = self.rows > 0

    def _may_be_plain(self) -> bool:
        """Whether plain numbers mean what they say: none is text, or a missing value, or the name of a column."""
        reading, mark = self._dialect.reading, self._dialect.layout.delimiter
        return (
            self._path.stat().st_size >= LEAST
            and len(self._names) > 1
            and mark in DELIMITERS
            and mark != self._dialect.decimal
            and self._dialect.encoding in _ENCODINGS
            and not reading.missing
            and not reading.text.intersection(self._names)
            and not (self._raw and all(not name or reads_as_number(name) for name in self._raw))
        )

    def _frame(self, read: Read, piece: _Piece) -> tuple[pd.DataFrame | None, int]:
        """The rows of a piece if they are plain, and the byte behind it."""
        import pandas as pd

        mark, point = self._dialect.delimiter, self._dialect.decimal
        found = read(piece.text, piece.rows, len(self._names), mark, point)
        if found is None:
            return None, piece.stop
        columns = {
            name: column.astype(np.int64) if whole else column
            for name, column, whole in zip(self._names, *found, strict=True)
        }
        return pd.DataFrame(columns, pd.RangeIndex(piece.start, piece.start + piece.rows), copy=False), piece.stop


class _Piece(NamedTuple):
    """Some lines, how many, the number of the first row, and the byte of the file behind them."""

    text: Bytes
    rows: int
    start: int
    stop: int


def _pieces(handle: BinaryIO, rows: int | None, offset: int) -> Iterator[_Piece]:
    """Whole lines, so many, the last piece fewer; line ends are counted while the processor's cache has the bytes."""
    text, filled, found, start = np.empty(_ROOM, np.uint8), 0, 0, 0
    while size := cast(BufferedIOBase, handle).readinto(text[filled : filled + _BLOCK].data):
        ends = text[filled : filled + size] == _LINE_END
        filled, count = filled + size, int(np.count_nonzero(ends))
        while rows is not None and found + count >= rows:
            last = int(np.flatnonzero(ends)[rows - found - 1])
            rest = text[filled - len(ends) + last + 1 : filled]
            offset += filled - len(rest)
            yield _Piece(text[: filled - len(rest)], rows, start, offset)
            text, filled, ends = _with_room(rest, len(text)), len(rest), ends[last + 1 :]
            found, count, start = 0, count - (rows - found), start + rows
        found += count
        if filled + _BLOCK > len(text):
            text = _with_room(text[:filled], 2 * len(text))
    if filled:
        if text[filled - 1] != _LINE_END:
            text[filled] = _LINE_END
            filled, found = filled + 1, found + 1
        yield _Piece(text[:filled], found, start, offset + filled)


def _with_room(text: Bytes, room: int) -> Bytes:
    """The same bytes at the beginning of an array for more of them."""
    larger = np.empty(room, np.uint8)
    larger[: len(text)] = text
    return larger
