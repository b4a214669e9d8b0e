"""A text file, for as long as each line is a row and no quote stands in it: machine code reads its plain numbers.

`csv_file.py` says what a file means. What is read here comes to the same there; it reads the columns in which a piece
has more than plain numbers, and goes on where lines are no longer rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import numpy as np

from nnrun.compiled.cell_reader import STRANGE, WHOLE, Bytes, Read, reader
from nnrun.data.files.cells import Told
from nnrun.data.files.content import Content, Framed, Plain
from nnrun.data.files.dialect import UTF8, Dialect
from nnrun.data.files.layout import DELIMITERS
from nnrun.data.files.table import reads_as_number
from nnrun.data.files.text_file import open_binary
from nnrun.data.files.values import Array, Indices
from nnrun.machine.threads import beside

if TYPE_CHECKING:
    import pandas as pd


LEAST = 1 << 24  # bytes of a file, from which on it pays to compile the code
_BLOCK, _ROOM = 1 << 18, 1 << 22  # bytes that are read together, and for which there is room at first
_READERS = 2  # threads
_LINE_END = ord("\n")
_ENCODINGS = (*UTF8, "cp1252", "latin-1")  # in which plain cells are the same bytes


Others = Callable[[bytes, Sequence[str], bool], "tuple[pd.DataFrame, Told] | None"]


class PlainRows:
    """The rows of a file behind `above` lines, for as long as they are plain; `raw` are the names as they stand there.

    `others` reads the text, in UTF-8, of columns that are more than plain numbers, knowing their names and whether
    these are the first rows; it gives None if that takes all columns. After the walk `rows` is the number of rows,
    `offset` the byte behind them, and `at_end` says that there are no more.
    """

    def __init__(
        self, path: Path, dialect: Dialect, names: Sequence[str], raw: Sequence[str], above: int, others: Others
    ) -> None:
        self.rows = self.offset = 0
        self.at_end = False
        self._path, self._dialect, self._names, self._raw, self._above = path, dialect, names, raw, above
        self._others = others

    def pieces(self, rows: int | None) -> Iterator[tuple[Content, Told]]:
        """Pieces of so many rows, or one of all for None, and notices on each."""
        if not self._may_be_plain():
            return
        with open_binary(self._path) as handle:
            head = [handle.readline() for _ in range(self._above)]
            above = handle.tell()
            read = self._reader(head, handle.readline(_ROOM))
            if read is None:
                return
            handle.seek(above)
            pieces = _pieces(handle, rows, above)
            for found, stop in beside(partial(self._content, read), pieces, _READERS):
                if found is None:
                    return
                self.rows, self.offset = self.rows + len(found[0]), stop
                yield found
        self.at_end = self.rows > 0

    def _may_be_plain(self) -> bool:
        """Whether plain numbers mean what they say: none is a missing value, nor are they the names once more."""
        reading, mark = self._dialect.reading, self._dialect.layout.delimiter
        return (
            len(self._names) > 1
            and mark in DELIMITERS
            and mark != self._dialect.decimal
            and self._dialect.encoding in _ENCODINGS
            and not reading.missing
            and not (self._raw and all(not name or reads_as_number(name) for name in self._raw))
        )

    def _reader(self, head: Sequence[bytes], first: bytes) -> Read | None:
        """Machine code, if the lines above and the first row show that it can read them.

        For a small file it must be there already, and spare this process pandas: that takes four times as long to load.
        """
        if any(line.count(b"\r") != line.endswith(b"\r\n") for line in head):  # a line end of another kind
            return None
        if self._path.stat().st_size >= LEAST:
            return reader()
        plain = f"0123456789+-eE\r\n{self._dialect.delimiter}{self._dialect.decimal}".encode()
        return None if first.translate(None, plain) else reader(compiling=False)

    def _content(self, read: Read, piece: _Piece) -> tuple[tuple[Content, Told] | None, int]:
        """The rows of a piece with notices on them, if all are plain, and the byte behind it."""
        text, names = self._dialect.reading.text, self._names
        strange = np.array([name in text for name in names])
        found = read(piece.text, piece.rows, self._dialect.delimiter, self._dialect.decimal, strange)
        if found is None:
            return None, piece.stop
        rows = np.arange(piece.start, piece.start + piece.rows)
        columns: dict[str, Array] = {
            name: column.astype(np.int64) if kind == WHOLE else column
            for name, column, kind in zip(names, found.numbers, found.kinds, strict=True)
            if kind != STRANGE
        }
        if len(columns) == len(names):
            return (Plain(columns, rows), Told([], {})), piece.stop
        with_others = self._with_others(columns, found.rest.tobytes(), rows)
        return with_others, piece.stop

    def _with_others(self, columns: Mapping[str, Array], rest: bytes, rows: Indices) -> tuple[Content, Told] | None:
        """Columns of numbers and those in the lines of `rest` together, if these are rows, and what is told of them."""
        import pandas as pd

        others = [name for name in self._names if name not in columns]
        if self._dialect.encoding not in UTF8:
            rest = rest.decode(self._dialect.encoding).encode()
        found = None if self._has_names(rest, others) else self._others(rest, others, rows[0] == 0)
        if found is None or len(found[0]) != len(rows):
            return None
        read, told = found
        both = {name: read[name].array if name in others else columns[name] for name in self._names}
        return Framed(pd.DataFrame(both, rows, copy=False)), told

    def _has_names(self, rest: bytes, others: Sequence[str]) -> bool:
        """Whether a line of these columns could be their names once more."""
        if len(self._raw) != len(self._names):
            return False
        raw = [self._raw[place] for place, name in enumerate(self._names) if name in others]
        mark = re.escape(self._dialect.delimiter)
        return re.search(f"{mark} *".join(map(re.escape, raw)).encode(), rest) is not None


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
    """The bytes at the beginning of an array with room for more of them."""
    larger = np.empty(room, np.uint8)
    larger[: len(text)] = text
    return larger
