"""CSV and its relatives: a header, then records that all have as many fields; text becomes numbers column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnrun.data.files.cells import (
    Told,
    classes_among_missing,
    keep_codes,
    read_cells,
    told_classes,
)
from nnrun.data.files.content import Content, Framed
from nnrun.data.files.dialect import MARKS, MOST_CLASSES, Dialect, dialect_notice, find_dialect
from nnrun.data.files.numerals import grouping_of, plainly_written, sign_of
from nnrun.data.files.plain_file import PlainRows
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.records import Records
from nnrun.data.files.table import Table
from nnrun.data.files.text_file import open_text
from nnrun.data.files.values import as_float, holds_integers
from nnrun.errors import DataError
from nnrun.machine.threads import beside
from nnrun.text import shown

if TYPE_CHECKING:
    import pandas as pd


_PARSERS = 2  # threads; each needs some four times the memory of a piece of text


def parse(name: str, text: bytes, names: Sequence[str], dialect: Dialect) -> tuple[pd.DataFrame, Told]:
    """Rows without a header as a frame, and what is told of them; raises DataError if pandas cannot."""
    as_text = {column: str for column in names if column in dialect.reading.text}
    frame = read_cells(name, text, names, dialect, dtype=as_text, low_memory=False)
    codes = keep_codes(frame, name, text, dialect)
    told = _mend(frame, dialect, dialect.reading.text.union(codes))
    return frame, Told([*codes.values(), *told.notices], told.units)


def _mend(frame: pd.DataFrame, dialect: Dialect, text: frozenset[str]) -> Told:
    """Turn text columns that hold numbers into numbers, in place, but for those that are to stay text."""
    from pandas.api import types

    told = Told([], {})
    for column, dtype in frame.dtypes.items():
        if column in text or types.is_numeric_dtype(dtype):
            continue
        series = _without_big_integers(frame[column])
        frame[column] = series if series.dtype.kind == "f" else _mended(str(column), series, dialect, told)
    return told


def _mended(name: str, series: pd.Series[Any], dialect: Dialect, told: Told) -> pd.Series[Any]:
    """A column of text as numbers if it holds nothing else; what is to be told of it is added."""
    known = name in dialect.reading.numbers
    as_it_is: tuple[pd.Series[Any], list[str], str] = series, [], ""
    plain, spelled, word = as_it_is if _may_name_classes(name, series, dialect) else plainly_written(series, known)
    sign = sign_of(plain)
    bare = plain.str.replace(sign, "", regex=False) if sign else plain
    empty = known and bool(plain.isna().all())
    mark = "" if empty else grouping_of(bare, dialect.decimal)
    if mark is None:
        told.notices.extend(_with_other_mark(name, series, bare, dialect))
        return series
    if not _certain(bare, mark, dialect):
        told.notices.append(
            f"column {name!r} is text like {shown(series.dropna().iloc[0])}; if its commas group thousands, "
            "set data.format.decimal to '.', if they mark decimals, to ','"
        )
        return series
    told.notices.extend([f"column {name!r} holds numbers; {', '.join(spelled)}"] if spelled else [])
    if unit := sign + word:
        told.notices.append(f"column {name!r} holds numbers with {unit}; they are read without it")
        told.units[name] = unit
    return bare.astype("float64") if empty else _ungrouped(bare, mark, dialect.decimal)


def _may_name_classes(name: str, series: pd.Series[Any], dialect: Dialect) -> bool:
    reading = dialect.reading
    if name != reading.target or name in reading.numbers or dialect.many_targets:
        return False
    return series.nunique() <= MOST_CLASSES


def _with_other_mark(column: str, series: pd.Series[Any], bare: pd.Series[Any], dialect: Dialect) -> list[str]:
    """The notice on a column of text that would, `bare` of units, be numbers if decimals had the other mark."""
    other = "." if dialect.decimal == "," else ","
    if grouping_of(bare, other) is None or not bare.str.contains(other, regex=False).any():
        return []
    told = f"column {column!r} is text like {shown(series.dropna().iloc[0])}"
    names, mine = MARKS[other], MARKS[dialect.decimal]
    if dialect.decimal_is_known:
        return [f"{told}, with decimal {names} where other numbers have {mine}; write it with {mine}"]
    return [f"{told}; if its {names} mark decimals, set data.format.decimal to '{other}'"]


def _without_big_integers(series: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers beyond 64 bits become float64, those beyond that infinite."""
    return series.map(as_float).astype("float64") if holds_integers(series) else series


def _certain(series: pd.Series[Any], mark: str, dialect: Dialect) -> bool:
    """Whether the mark can mean nothing else; 1,234 alone may be a decimal comma in a file with points."""
    if mark != "," or dialect.decimal_is_known:
        return True
    values = [str(value) for value in series.dropna().unique()]
    return any(value.count(",") > 1 or ("." in value and "," in value) for value in values)


def _ungrouped(series: pd.Series[Any], mark: str, decimal: str) -> pd.Series[Any]:
    text = series.astype(object).where(series.notna(), None).str.replace(mark, "", regex=False)
    return text.str.replace(decimal, ".", regex=False).astype("float64")


def read_csv(path: Path, reading: Reading, rows: int | None = None, found: Dialect | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, or one of all for None; raises DataError with the place of what is malformed.

    `found` is how the file is written, where that was found out before.
    """
    dialect = find_dialect(path, reading) if found is None else replace(found, reading=reading)
    with open_text(path, dialect.encoding) as handle:
        records = Records(path, handle, dialect)
        header = name_columns(records.header(), path.name)
        notices = (*dialect_notice(path.name, reading, dialect), *header.notices)
        whole = partial(replace, header_line=records.header_line)
        others = partial(_others, path, dialect)
        plain = PlainRows(path, dialect, header.names, records.names, records.next_line - 1, others)
        for content, told in plain.pieces(rows):
            line = records.next_line + content.row(0)
            table = _placed(path, header, dialect, content, range(line, line + len(content)))
            yield whole(table, notices=(*notices, *told.notices), units=told.units)
        if plain.at_end:
            return
        records.skip(plain.rows, plain.offset)
        pieces = _pieces(records, rows, len(header.names), plain.rows)
        if plain.rows:
            tables = _beside(path, header, dialect, pieces, notices)
        else:
            first = next(pieces, None)
            if first is None:
                raise DataError(f"{path}:{records.header_line}: a header but no rows; add the data below it")
            tables = tables_of(path, header, dialect, chain([first], pieces), notices)
        yield from map(whole, tables)


class Piece(NamedTuple):
    """The text of some records, the lines that they begin on, and the number of the first one.

    `blank` is the first line up to here that was left out although it could stand for a row, 0: none was.
    `indented` has, of columns, the cells with spaces before them that the text loses, by their place among the records.
    """

    text: bytes
    lines: Sequence[int]
    start: int
    blank: int = 0
    indented: Mapping[str, Mapping[int, str]] = {}


def tables_of(
    path: Path, header: Header, dialect: Dialect, pieces: Iterator[Piece], notices: Sequence[str]
) -> Iterator[Table]:
    """A table of each piece, the first of which tells which classes look like missing values; notices on all.

    Raises DataError for what cannot be read.
    """
    for piece in islice(pieces, 1):
        table = _table(path, header, dialect, piece)
        if kept := classes_among_missing(table, header.names, dialect, piece.text):
            dialect = replace(dialect, reading=replace(dialect.reading, classes=frozenset(kept)))
            notices = (*notices, told_classes(dialect.reading.target, kept))
            table = _table(path, header, dialect, piece)
        if dialect.reading.target in table:
            many = table.frame[dialect.reading.target].nunique() > MOST_CLASSES
            dialect = replace(dialect, many_targets=dialect.many_targets or many)
        yield replace(table, notices=(*notices, *table.notices))
    yield from _beside(path, header, dialect, pieces, notices)


def _beside(
    path: Path, header: Header, dialect: Dialect, pieces: Iterator[Piece], notices: Sequence[str]
) -> Iterator[Table]:
    for table in beside(partial(_table, path, header, dialect), pieces, _PARSERS):
        yield replace(table, notices=(*notices, *table.notices))


def _others(
    path: Path, dialect: Dialect, text: bytes, names: Sequence[str], first: bool
) -> tuple[pd.DataFrame, Told] | None:
    """The columns that machine code leaves; None where what they mean is decided with all others, faults among it."""
    try:
        frame, told = parse(path.name, text, names, dialect)
    except DataError:
        return None
    is_target = first and dialect.reading.target in names
    unsure = is_target and classes_among_missing(Table(Framed(frame), path.name), names, dialect, text)
    return None if unsure else (frame, told)


def _pieces(records: Records, rows: int | None, width: int, start: int) -> Iterator[Piece]:
    while lines := records.take(rows, width):
        yield Piece(records.text(), lines, start, records.blank)
        start += len(lines)


def _table(path: Path, header: Header, dialect: Dialect, piece: Piece) -> Table:
    import pandas as pd

    text, lines, start, blank, indented = piece
    frame, told = parse(path.name, text, header.names, dialect)
    if len(frame) != len(lines):
        raise DataError(
            f"{path}:{lines[0]}: {len(lines)} rows were counted from here but {len(frame)} could be read; "
            "check the quotes and empty lines"
        )
    for name, cells in indented.items():
        column = frame[name].to_numpy(dtype=object, copy=True)
        there = [place for place in cells if not pd.isna(column[place])]  # words for a missing value stay one
        column[there] = [cells[place] for place in there]
        frame[name] = column
    frame.index = pd.RangeIndex(start, start + len(frame))
    of_rows = [_left_out(path, blank)] if blank and dialect.reading.features else []
    table = _placed(path, header, dialect, Framed(frame), lines)
    return replace(table, notices=(*of_rows, *told.notices), units=told.units)


def _left_out(path: Path, line: int) -> str:
    """The notice on it, as predictions of the rows below would stand beside others."""
    return f"{path}:{line}: nothing stands here, so it is left out as no row; write NA where it is a missing value"


def _placed(path: Path, header: Header, dialect: Dialect, content: Content, lines: Sequence[int]) -> Table:
    """The rows as a table that knows where they stand."""
    table = Table(
        content,
        str(path),
        lines=lines,
        fields=header.fields,
        first_row=content.row(0),
        repeated=header.repeated,
        decimal=dialect.decimal,
        names_doubted=dialect.layout.data_first,
    )
    return table.without_unnamed(header.unnamed)
