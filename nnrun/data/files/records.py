"""The records of a text file, each with the line that it begins on."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from nnrun.data.files.dialect import Dialect
from nnrun.data.files.layout import COMMENT, SPACE, split_spaces
from nnrun.errors import DataError
from nnrun.text import shown

_BLOCK = 1 << 18  # characters that are looked at together
_LINE_END = ord("\n")
_LONGEST_FIELD = 1 << 24  # characters; a quote that is never closed must not swallow the whole of a large file
_TOO_FEW = "add the missing fields (an unknown value is an empty field between {})"
_TOO_MANY = "put quotes around a value that contains {}"
_NO_HEADER = "if the column names stand further down, remove what stands above them"
_EMPTY_END = "remove the {} at its end, or put as many behind the column names"


class Records:
    """Walks through a file once and keeps the text of what was taken; pandas would fill a short record silently.

    Lines are looked at in blocks: one without quotes, in which each line has all its fields, needs no more. The others
    go through csv.reader record by record, which also finds what is wrong with them.
    """

    def __init__(self, path: Path, handle: TextIO, dialect: Dialect) -> None:
        self.header_line = 1
        self._path, self._handle, self._dialect = path, handle, dialect
        self._ahead = io.StringIO()  # whole lines that were read from the file and not taken yet
        self._passed = 0  # lines that csv.reader did not see
        self._lines: list[str] = []  # of the record that is being read
        self._taken: list[bytes | str] = []
        self.names: list[str] = []  # as they stand in the file, where they could be told from a row
        self.next_line = dialect.layout.above + 1  # that of the next record
        self.blank = 0  # the first blank line above a row of a single column, where it may have been one
        self._blank = 0  # the first one so far, whatever follows
        for _ in range(dialect.layout.above):
            handle.readline()
        csv.field_size_limit(_LONGEST_FIELD)
        self._reader = csv.reader(self._read_lines(), strict=True, skipinitialspace=True, delimiter=dialect.delimiter)

    def _read_lines(self) -> Iterator[str]:
        spaced = self._dialect.layout.delimiter == SPACE
        while line := self._ahead.readline() or self._handle.readline():
            line = split_spaces(line) if spaced else line
            self._lines.append(line)
            yield line

    @property
    def _line(self) -> int:
        """The line that was read last."""
        return self._dialect.layout.above + self._passed + self._reader.line_num

    def header(self) -> list[str]:
        """The fields of the first record that is not blank; c1, c2, … where the file has no names."""
        layout = self._dialect.layout
        if layout.first and not self._dialect.has_names:
            return [f"c{number}" for number, _ in enumerate(layout.first, 1)]
        with self._explained():
            for record in self._reader:
                self._lines.clear()
                if not _is_blank(record):
                    self.header_line, self.next_line = self.next_line, self._line + 1
                    self.names = [] if layout.data_first or len(record) == 1 else record
                    return [*([""] if layout.row_names else []), *(name.strip() for name in record)]
                self.next_line = self._line + 1
        raise DataError(f"{self._path}: the file is empty; a line of column names and at least one row are needed")

    def skip(self, lines: int, offset: int) -> None:
        """Go on at a byte of the file, behind lines that are a record each."""
        if lines:
            self._handle.seek(offset)
            self.next_line += lines
            self._passed += lines

    def take(self, most: int | None, width: int) -> array[int]:
        """The first line of each of the next records; `text` then has all of them, blank ones left out."""
        starts = array("q")
        self._taken.clear()
        while len(starts) != most and (block := self._block()):
            left = None if most is None else most - len(starts)
            if rows := self._plain(block, width, left):
                starts.extend(range(self.next_line, self.next_line + rows))
                self.next_line += rows
                self._passed += rows
            else:
                self._take_singly(block, width, starts, most)
        return starts

    def _block(self) -> str:
        """The next lines, those that were looked at before first."""
        return self._ahead.read() or self._handle.read(_BLOCK) + self._handle.readline()

    def _plain(self, block: str, width: int, most: int | None) -> int:
        """Take lines that are a record each, at most so many; gives their number, 0 where the block has others too."""
        data = _as_bytes(block, self._dialect, width)
        if data is None:
            return 0
        cells = np.frombuffer(data, np.uint8)
        line_ends = cells == _LINE_END
        ends = np.flatnonzero(line_ends | (cells == ord(self._dialect.delimiter)))
        ends_of_rows = ends[width - 1 :: width]
        rows = int(np.count_nonzero(line_ends))
        if len(ends) != rows * width or not line_ends[ends_of_rows].all():
            return 0
        if self._may_repeat_names(block, data[0], cells[ends_of_rows[:-1] + 1]):
            return 0
        if most is not None and most < rows:
            rows, stop = most, int(ends_of_rows[most - 1]) + 1
            self._ahead = io.StringIO(data[stop:].decode(), newline="")
            data = data[:stop]
        self._taken.append(data)
        return rows

    def _may_repeat_names(self, block: str, first: int, firsts: npt.NDArray[np.uint8]) -> bool:
        """Whether a line of the block, which has no quotes, could be the names once more; a first byte mostly tells."""
        if not self.names:
            return False
        mark = self._dialect.delimiter
        begins = [ord(" "), (self.names[0] or mark).encode()[0]]
        if first not in begins and not np.isin(firsts, begins).any():
            return False
        return re.search(f"{re.escape(mark)} *".join(map(re.escape, self.names)), block) is not None

    def _take_singly(self, block: str, width: int, starts: array[int], most: int | None) -> None:
        """Take the records that begin in the block, until there are `most`."""
        self._ahead = io.StringIO(block, newline="")
        with self._explained():
            for record in self._reader:
                if _is_blank(record) and (width > 1 or '"' not in self._lines[0]):  # quotes hold an empty cell
                    self._blank = self._blank or self.next_line
                else:
                    if len(record) != width or record == self.names:
                        raise DataError(self._unfit(record, width))
                    self.blank = self._blank if width == 1 else 0
                    starts.append(self.next_line)
                    self._taken.extend(self._lines)
                self._lines.clear()
                self.next_line = self._line + 1
                if len(starts) == most or self._ahead.tell() == len(block):
                    break

    def text(self) -> bytes:
        """What was taken last, in UTF-8; raises DataError for what is no character by itself."""
        try:
            return b"".join(lines if isinstance(lines, bytes) else lines.encode() for lines in self._taken)
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self._path.name}: {shown(error.object[error.start])} is only half of a character; name the file's "
                "encoding in data.format.encoding"
            ) from None

    def _unfit(self, record: list[str], width: int) -> str:
        if record == self.names:
            return (
                f"{self._path}:{self.next_line}: the names of the columns once more, as where two files were put "
                "together; remove this line, or if no line holds names, set data.format.header to false"
            )
        if record[0].startswith(COMMENT) and len(record) < width:
            return f"{self._path}:{self.next_line}: a comment among the rows; remove this line"
        fields = len(record)
        unit = "field" if fields == 1 else "fields"
        advice = _advice(record, width).format(self._dialect.separators)
        place = f"{self._path}:{self.next_line}:{min(fields, width) + 1}"
        where = "the header" if self._dialect.has_names else "the first row"
        return f"{place}: {fields} {unit} where {where} has {width}; {advice}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            if "unexpected end" not in str(error) and "field limit" not in str(error):
                place = f"{self._path}:{self._line}"
                raise DataError(f"{place}: {error}; check the quotes on this line and before it") from None
            first = next(csv.reader(self._lines[:1], skipinitialspace=True, delimiter=self._dialect.delimiter))
            raise DataError(
                f"{self._path}:{self.next_line}:{len(first)}: a quote opens here and is never closed; close it, or "
                "double it where it is part of the value"
            ) from None


def _advice(record: list[str], width: int) -> str:
    if len(record) < width:
        return _TOO_FEW
    if not any(field.strip() for field in record[width:]):
        return _EMPTY_END
    return _NO_HEADER if width == 1 else _TOO_MANY


def _as_bytes(block: str, dialect: Dialect, width: int) -> bytes | None:
    """The block as UTF-8, if nothing but delimiters and line ends can mean anything in it, and it ends with one."""
    mark, returns = dialect.delimiter, block.count("\r")
    if width < 2 or dialect.layout.delimiter == SPACE or not mark.isascii() or '"' in block or block[-1] != "\n":
        return None
    if returns and returns != block.count("\r\n"):
        return None
    try:
        return block.encode()
    except UnicodeEncodeError:  # half of a pair of UTF-16
        return None


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())
