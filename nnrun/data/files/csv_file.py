"""CSV and its relatives: a header, then records that all have as many fields; text becomes numbers column by column."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from nnrun.data.files.cells import (
    MOST_CLASSES,
    classes_among_missing,
    keep_codes,
    plainly_written,
    read_cells,
    told_classes,
)
from nnrun.data.files.dialect import UNITS, Dialect, dialect_notice, find_dialect, open_text, stated_delimiter
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table
from nnrun.errors import DataError
from nnrun.text import shown

if TYPE_CHECKING:
    import pandas as pd


# Apostrophes and spaces between digits, also narrow ones, group thousands and nothing else.
_SPACES = ("'", "\u2019", " ", "\u00a0", "\u2009", "\u202f")


def parse(name: str, text: str, names: Sequence[str], dialect: Dialect) -> tuple[pd.DataFrame, list[str]]:
    """Rows without a header as a frame, and notices on what stays in doubt; raises DataError if pandas cannot."""
    as_text = {column: str for column in names if column in dialect.reading.text}
    frame = read_cells(name, text, names, dialect, dtype=as_text, low_memory=False)
    codes = keep_codes(frame, name, text, dialect)
    return frame, [*codes.values(), *_mend(frame, dialect, dialect.reading.text.union(codes))]


def _mend(frame: pd.DataFrame, dialect: Dialect, text: frozenset[str]) -> list[str]:
    """Turn text columns that hold numbers into numbers, in place, but for those that are to stay text."""
    from pandas.api import types

    notices = []
    for column, dtype in frame.dtypes.items():
        if column in text or types.is_numeric_dtype(dtype):
            continue
        frame[column], told = _mended(str(column), _without_big_integers(frame[column]), dialect)
        notices += told
    return notices


def _mended(name: str, series: pd.Series[Any], dialect: Dialect) -> tuple[pd.Series[Any], list[str]]:
    if series.dtype.kind == "f":
        return series, []
    may_name_classes = name == dialect.reading.target and series.nunique() <= MOST_CLASSES
    plain, spelled = (series, []) if may_name_classes else plainly_written(series)
    unit = _unit(plain)
    bare = plain.str.replace(unit, "", regex=False) if unit else plain
    mark = _grouping(bare, dialect.decimal)
    if mark is None:
        return series, []
    if _certain(bare, mark, dialect):
        told = [f"column {name!r} holds numbers; {', '.join(spelled)}"] if spelled else []
        told += [f"column {name!r} holds numbers with {unit}; they are read without it"] if unit else []
        return _ungrouped(bare, mark, dialect.decimal), told
    return series, [
        f"column {name!r} is text like {shown(series.dropna().iloc[0])}; if its commas group thousands, "
        "set data.format.decimal to '.', if they mark decimals, to ','"
    ]


def _without_big_integers(series: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers beyond 64 bits arrive as Python objects; they become float64."""
    from pandas.api import types

    if series.dtype != object:
        return series
    return series.astype("float64") if types.infer_dtype(series, skipna=True) == "integer" else series


def _unit(series: pd.Series[Any]) -> str:
    """The sign that each value of a column of text has at its beginning or end; nothing if there is none."""
    present = series.dropna()
    first = str(present.iloc[0]) if len(present) else ""
    for unit in UNITS:
        if unit in first and all(_has_unit(str(value).strip(), unit) for value in present.unique()):
            return unit
    return ""


def _has_unit(value: str, unit: str) -> bool:
    return value.count(unit) == 1 and (value.endswith(unit) or value.lstrip("+-").startswith(unit))


def _grouping(series: pd.Series[Any], decimal: str) -> str | None:
    """The mark that groups the thousands of a column, nothing if none is grouped; None if not all are numbers."""
    present = series.dropna()
    marks = ("." if decimal == "," else ",", *_SPACES)
    fitting = [mark for mark in marks if len(present) and _number(mark, decimal).fullmatch(str(present.iloc[0]))]
    if not fitting:
        return None
    values = [str(value).strip() for value in present.unique()]
    for mark in fitting:
        if all(map(_number(mark, decimal).fullmatch, values)):
            return mark if any(mark in value for value in values) else ""
    return None


def _number(mark: str, decimal: str) -> re.Pattern[str]:
    """A number whose thousands may be grouped, and which float64 can hold."""
    m, d = re.escape(mark), re.escape(decimal)
    return re.compile(
        rf"\s*[+-]?(?={d}?[0-9])([0-9]{{1,3}}({m}[0-9]{{3}}){{1,99}}|[0-9]{{1,300}})?({d}[0-9]{{,300}})?"
        r"([eE][+-]?[0-9]{1,2})?\s*"
    )


def _certain(series: pd.Series[Any], mark: str, dialect: Dialect) -> bool:
    """Whether the mark can mean nothing else; 1,234 alone may be a decimal comma in a file with points."""
    if mark != "," or dialect.decimal_is_known:
        return True
    values = [str(value) for value in series.dropna().unique()]
    return any(value.count(",") > 1 or ("." in value and "," in value) for value in values)


def _ungrouped(series: pd.Series[Any], mark: str, decimal: str) -> pd.Series[Any]:
    text = series.astype(object).where(series.notna(), None).str.replace(mark, "", regex=False)
    return text.str.replace(decimal, ".", regex=False).astype("float64")


_LONGEST_FIELD = 1 << 24  # characters; a quote that is never closed must not swallow the whole of a large file
_TOO_FEW = "add the missing fields (an unknown value is an empty field between {})"
_TOO_MANY = "put quotes around a value that contains {}"
_NO_HEADER = "if the column names stand further down, remove what stands above them"
_EMPTY_END = "remove the {} at its end, or put as many behind the column names"


def read_csv(path: Path, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, or one of all for None; raises DataError with the place of what is malformed."""
    dialect = find_dialect(path, reading)
    with open_text(path, dialect.encoding) as handle:
        records = _Records(path, handle, dialect)
        header = name_columns(records.header(), path.name)
        notices = (*dialect_notice(path.name, reading, dialect), *header.notices)
        start = 0
        while lines := records.take(rows, len(header.names)):
            table = _table(path, header, dialect, records.text(), lines, start)
            if not start and (kept := classes_among_missing(table, header.names, dialect, records.text())):
                dialect = replace(dialect, reading=replace(reading, classes=frozenset(kept)))
                notices = (*notices, told_classes(reading.target, kept))
                table = _table(path, header, dialect, records.text(), lines, start)
            yield replace(table, header_line=records.header_line, notices=(*notices, *table.notices))
            start += len(table)
    if not start:
        raise DataError(f"{path}:{records.header_line}: a header but no rows; add the data below it")


class _Records:
    """Walks through a file once and keeps the text of what was taken; pandas would fill a short record silently."""

    def __init__(self, path: Path, handle: TextIO, dialect: Dialect) -> None:
        self.header_line = 1
        self._path, self._handle, self._dialect = path, handle, dialect
        self._lines: list[str] = []  # of the record that is being read
        self._taken: list[str] = []
        self._start = 1  # line of the next record
        csv.field_size_limit(_LONGEST_FIELD)
        self._reader = csv.reader(self._read_lines(), strict=True, skipinitialspace=True, delimiter=dialect.delimiter)

    def _read_lines(self) -> Iterator[str]:
        for line in self._handle:
            self._lines.append(line)
            yield line

    def header(self) -> list[str]:
        """The fields of the first record that is neither blank nor names the delimiter."""
        with self._explained():
            for record in self._reader:
                skipped = _is_blank(record) or stated_delimiter("".join(self._lines))
                self._lines.clear()
                if not skipped:
                    self.header_line, self._start = self._start, self._reader.line_num + 1
                    return [name.strip() for name in record]
                self._start = self._reader.line_num + 1
        raise DataError(f"{self._path}: the file is empty; a line of column names and at least one row are needed")

    def take(self, most: int | None, width: int) -> array[int]:
        """The first line of each of the next records; `text` then has all of them, blank ones left out."""
        starts = array("q")
        self._taken.clear()
        with self._explained():
            for record in self._reader:
                if not _is_blank(record):
                    if len(record) != width:
                        raise DataError(self._ragged(record, width))
                    starts.append(self._start)
                    self._taken.extend(self._lines)
                self._lines.clear()
                self._start = self._reader.line_num + 1
                if len(starts) == most:
                    break
        return starts

    def text(self) -> str:
        """What was taken last, as it stands in the file."""
        return "".join(self._taken)

    def _ragged(self, record: list[str], width: int) -> str:
        fields = len(record)
        unit = "field" if fields == 1 else "fields"
        advice = _advice(record, width).format(self._dialect.separators)
        place = f"{self._path}:{self._start}:{min(fields, width) + 1}"
        return f"{place}: {fields} {unit} where the header has {width}; {advice}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            if "unexpected end" not in str(error) and "field limit" not in str(error):
                place = f"{self._path}:{self._reader.line_num}"
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


def _table(path: Path, header: Header, dialect: Dialect, text: str, lines: array[int], start: int) -> Table:
    import pandas as pd

    frame, notices = parse(path.name, text, header.names, dialect)
    if len(frame) != len(lines):
        raise DataError(
            f"{path}:{lines[0]}: {len(lines)} rows were counted from here but {len(frame)} could be read; "
            "check the quotes and empty lines"
        )
    frame.index = pd.RangeIndex(start, start + len(frame))
    table = Table(
        frame,
        str(path),
        lines=lines,
        fields=header.fields,
        notices=tuple(notices),
        first_row=start,
        repeated=header.repeated,
        decimal=dialect.decimal,
    )
    return table.without_unnamed(header.unnamed)
