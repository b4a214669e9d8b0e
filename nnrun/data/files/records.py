"""The records of a text file, each with the line that it begins on."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from nnrun.data.files.dialect import Dialect
from nnrun.data.files.layout import COMMENT, SPACE, split_spaces
from nnrun.errors import DataError

_LONGEST_FIELD = 1 << 24  # characters; a quote that is never closed must not swallow the whole of a large file
_TOO_FEW = "add the missing fields (an unknown value is an empty field between {})"
_TOO_MANY = "put quotes around a value that contains {}"
_NO_HEADER = "if the column names stand further down, remove what stands above them"
_EMPTY_END = "remove the {} at its end, or put as many behind the column names"


class Records:
    """Walks through a file once and keeps the text of what was taken; pandas would fill a short record silently."""

    def __init__(self, path: Path, handle: TextIO, dialect: Dialect) -> None:
        self.header_line = 1
        self._path, self._handle, self._dialect = path, handle, dialect
        self._lines: list[str] = []  # of the record that is being read
        self._taken: list[str] = []
        self._names: list[str] = []  # as they stand in the file, where they could be told from a row
        self._start = dialect.layout.above + 1  # line of the next record
        csv.field_size_limit(_LONGEST_FIELD)
        self._reader = csv.reader(self._read_lines(), strict=True, skipinitialspace=True, delimiter=dialect.delimiter)

    def _read_lines(self) -> Iterator[str]:
        spaced = self._dialect.layout.delimiter == SPACE
        for line in islice(self._handle, self._dialect.layout.above, None):
            line = split_spaces(line) if spaced else line
            self._lines.append(line)
            yield line

    @property
    def _line(self) -> int:
        """The line that was read last."""
        return self._dialect.layout.above + self._reader.line_num

    def header(self) -> list[str]:
        """The fields of the first record that is not blank; c1, c2, … where the file has no names."""
        layout = self._dialect.layout
        if layout.first and not self._dialect.has_names:
            return [f"c{number}" for number, _ in enumerate(layout.first, 1)]
        with self._explained():
            for record in self._reader:
                self._lines.clear()
                if not _is_blank(record):
                    self.header_line, self._start = self._start, self._line + 1
                    self._names = [] if layout.data_first or len(record) == 1 else record
                    return [*([""] if layout.row_names else []), *(name.strip() for name in record)]
                self._start = self._line + 1
        raise DataError(f"{self._path}: the file is empty; a line of column names and at least one row are needed")

    def take(self, most: int | None, width: int) -> array[int]:
        """The first line of each of the next records; `text` then has all of them, blank ones left out."""
        starts = array("q")
        self._taken.clear()
        with self._explained():
            for record in self._reader:
                if not _is_blank(record):
                    if len(record) != width or record == self._names:
                        raise DataError(self._unfit(record, width))
                    starts.append(self._start)
                    self._taken.extend(self._lines)
                self._lines.clear()
                self._start = self._line + 1
                if len(starts) == most:
                    break
        return starts

    def text(self) -> str:
        """What was taken last, as it stands in the file."""
        return "".join(self._taken)

    def _unfit(self, record: list[str], width: int) -> str:
        if record == self._names:
            return (
                f"{self._path}:{self._start}: the names of the columns once more, as where two files were put "
                "together; remove this line, or if no line holds names, set data.format.header to false"
            )
        if record[0].startswith(COMMENT) and len(record) < width:
            return f"{self._path}:{self._start}: a comment among the rows; remove this line"
        fields = len(record)
        unit = "field" if fields == 1 else "fields"
        advice = _advice(record, width).format(self._dialect.separators)
        place = f"{self._path}:{self._start}:{min(fields, width) + 1}"
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
                f"{self._path}:{self._start}:{len(first)}: a quote opens here and is never closed; close it, or double "
                "it where it is part of the value"
            ) from None


def _advice(record: list[str], width: int) -> str:
    if len(record) < width:
        return _TOO_FEW
    if not any(field.strip() for field in record[width:]):
        return _EMPTY_END
    return _NO_HEADER if width == 1 else _TOO_MANY


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())
