"""Excel's workbooks: a sheet with a row of names, whose values mean what fields of the same text mean in a CSV file.

openpyxl gives the rows one after the other, each with its number, which pandas, that reads sheets by it, does not.
"""

from __future__ import annotations

import datetime as dt
import struct
import warnings
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from nnrun.data.files.bombs import check_unpacked
from nnrun.data.files.csv_file import Piece, tables_of
from nnrun.data.files.formulas import Unstored, judge_formulas, unstored
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table, suggest
from nnrun.data.files.typed_rows import Decimals, as_text, noting_spaces
from nnrun.errors import DataError, library_words
from nnrun.installation import lacking
from nnrun.text import MANY, listed

_MOST_ROWS = 1 << 20  # that a sheet has room for; up to a damaged number of a row, empty ones would be filled in
_TOGETHER = 1 << 10  # rows that are looked at together
_HEAD = 20  # rows among which the names are looked for, in the first half, and rows of the table below them
_KEPT = 1 << 20  # cells that are read once
_OLD = b"\xd0\xcf\x11\xe0"  # how files begin that are no archives: old workbooks, and those with a password
_MIDNIGHT = dt.time()

# What openpyxl and zipfile raise on files that are damaged or of another kind; a fault of XML is a SyntaxError.
_UNUSABLE = (
    ValueError, EOFError, LookupError, AttributeError, TypeError, RuntimeError, ArithmeticError, SyntaxError,
    AssertionError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Row = tuple[int, Sequence[Any]]  # with the number that a spreadsheet shows beside it


@dataclass(frozen=True)
class Sheet:
    """What is known of a workbook once all rows of one sheet were looked at; the table begins below the row `above`.

    `others` tells, in brackets, of sheets that are not read; `unreadable` columns hold formulas, but no values of them.
    """

    name: str
    others: str
    header: Header
    above: int
    unreadable: Mapping[str, str]
    dated: frozenset[str]  # columns in which some cell is a date
    decimals: Decimals
    notices: Sequence[str]
    rows: Sequence[Row]  # all of them, if they are few, as it takes long to go through them again


class _Times:
    """In which columns, by their places, there are dates and spans of time."""

    def __init__(self) -> None:
        self.dates, self.spans = set[int](), set[int]()

    def see(self, rows: Iterable[Row]) -> None:
        """Take in the next rows."""
        for _, row in rows:
            for place, value in enumerate(row):
                if isinstance(value, (dt.date, dt.timedelta)):
                    (self.dates if isinstance(value, dt.date) else self.spans).add(place)

    def told(self, header: Header) -> list[str]:
        """The notice on spans, which their text does not tell from times of day."""
        names = [repr(header.names[place]) for place in sorted(self.spans)]
        cure = "give their cells the format of a number to learn from how long they are"
        return [f"spans of time are text, in {listed(names)}; {cure}"] if names else []


def read_xlsx(path: Path, reading: Reading, rows: int | None = None, found: Sheet | None = None) -> Iterator[Table]:
    """Tables of at most so many rows, or one of all for None; a formula is the value that is stored with it.

    `found` is what `find_sheet` told of the file. Raises DataError for what is no workbook, or holds no table.
    """
    known = found or find_sheet(path, reading)
    dialect = known.decimals.dialect(reading)
    with _opened(path) as book, _beside(known.others):
        pieces = _pieces(path, book, known, rows, reading.categories)
        for table in tables_of(path, known.header, dialect, pieces, known.notices):
            placed = replace(table, header_line=known.above, beside=known.others)
            yield replace(placed, unreadable=known.unreadable, dated=known.dated)


@contextmanager
def _beside(others: str) -> Iterator[None]:
    """What is wrong with the sheet may be that another is the table."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}{others}", error.key) from None


def find_sheet(path: Path, reading: Reading) -> Sheet:
    """Which sheet is read, and its columns; raises DataError for what is no workbook, or holds no table."""
    with _opened(path) as book:
        name, notices = _choose(path, book, reading)
        others = f" ({notices[0]})" if notices else ""
        above, names = _names(path, name, _rows(path, book[name]), reading, others)
        decimals, filled, times, kept, cells = Decimals(reading), Counter[int](), _Times(), list[Row](), 0
        rows, many = _rows(path, book[name], above), 0
        while several := _next(path, rows, _TOGETHER):
            many += len(several)
            filled.update(place for _, row in several for place, value in enumerate(row) if value is not None)
            times.see(several)
            decimals.see(row for _, row in several)
            cells += sum(len(row) for _, row in several)
            kept += several
            if cells > _KEPT:
                kept.clear()
        gaps = len(filled) < len(names) or any(count < many for count in filled.values())
        formulas = _without_values(path, book[name], above) if gaps else {}
    if not filled:
        raise DataError(f"{path}:{above}: a row of names and none below it; add the rows of the table{others}")
    width = max(len(names), max(filled) + 1)
    if reading.header is False:
        names = [f"c{number}" for number in range(1, width + 1)]
    header = name_columns([*names, *[""] * (width - len(names))], path.name)
    unreadable, told = judge_formulas(path, header, formulas, filled, reading.target)
    dates = frozenset(header.names[place] for place in times.dates)
    spans = [] if reading.features else times.told(header)
    notices = [*notices, *header.notices, *told, *spans]
    return Sheet(name, others, header, above, unreadable, dates, decimals, notices, kept)


def is_workbook(path: Path) -> bool:
    """Whether an archive is one of Microsoft's Office."""
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        return "[Content_Types].xml" in archive.namelist()
    return False


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook, with the values of formulas."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError(f"{path}: {lacking('Excel workbooks need', 'excel')}") from None
    with path.open("rb") as file:  # openpyxl would leave its own open where it fails
        with _explained(path):
            _check_size(path)
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        with closing(book):
            yield book


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A damaged file is a DataError, and what openpyxl says of styles and the like is nobody's business."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _UNUSABLE as error:
        what = library_words(error)
        raise DataError(f"{path}: not a usable workbook ({what}); save it anew as .xlsx, or its sheet as CSV") from None


def _check_size(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_OLD)) == _OLD:
            raise DataError(f"{path}: an old workbook, or one with a password; save it as .xlsx without one")
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            check_unpacked(path, part.compress_size, part.file_size, "if it is sound, save its sheet as CSV")


def _choose(path: Path, book: Any, reading: Reading) -> tuple[str, list[str]]:
    """The sheet that is wanted, or the first one to be seen that holds cells, and a notice where there are others."""
    wanted, by_run = reading.sheet, bool(reading.features)  # which has no config in which another could be named
    if wanted is not None and wanted in (sheet.title for sheet in book.worksheets):
        return wanted, []
    seen_first = sorted(book.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
    filled = [sheet.title for sheet in seen_first if _next(path, _rows(path, sheet), 1)]
    if not filled:
        raise DataError(f"{path}: no sheet holds anything; a row of column names and at least one more are needed")
    if wanted is None:
        cure = "put another first to read that" if by_run else "data.format.sheet (init --sheet) names another"
        others = f"{cure}: {listed([*map(repr, filled[1:])], MANY)}"
        return filled[0], [f"{path.name}: sheet {filled[0]!r} is read; {others}"] if len(filled) > 1 else []
    if len(filled) > 1:
        there = listed([*map(repr, filled)], MANY)
        hint = f"; give that name to one of {there}" if by_run else suggest(wanted, filled) or f"; there are {there}"
        raise DataError(f"{path}: no sheet {wanted!r}{hint}", ("data", "format", "sheet"))
    return filled[0], [f"{path.name}: no sheet {wanted!r}; {filled[0]!r} is read, the only one that holds cells"]


def _names(path: Path, sheet: str, rows: Iterator[Row], reading: Reading, others: str) -> tuple[int, list[str]]:
    """The row of the names and what stands in it; row 0, and nothing, where there are none."""
    beginning = _next(path, rows, _HEAD)
    if not beginning:
        raise DataError(f"{path}: sheet {sheet!r} is empty", ("data", "format", "sheet"))
    if reading.header is False:
        return 0, []
    number, values = beginning[0]
    if below := _below_titles(beginning):
        raise DataError(
            f"{path}:{number}: a title above the table; the names of its columns seem to stand in row {below}; remove "
            f"what stands above them{others}"
        )
    return number, ["" if value is None else str(_cell(value, ".")).strip() for value in values]


def _below_titles(rows: Sequence[Row]) -> int:
    """The number of the first row of several cells if rows of one stand above it, of which only the first is a number.

    More of them are a column of numbers beside which something is noted, as of texts where few rows have several cells.
    """
    filled = [[value for value in values if value not in (None, "")] for _, values in rows]
    first = next((place for place, cells in enumerate(filled[: _HEAD // 2]) if len(cells) > 1), 0)
    wide = sum(len(cells) > 1 for cells in filled[first:])
    noted = wide == 1 or 2 * wide <= len(filled) - first
    column = any(isinstance(value, (int, float)) for cells in filled[1:first] for value in cells)
    return 0 if column or noted else first and rows[first][0]


def _rows(path: Path, sheet: Any, above: int = 0) -> Iterator[Row]:
    """The rows below that one in which anything stands, up to the last cell that is filled."""
    sheet.reset_dimensions()  # not every program writes true ones
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > _MOST_ROWS:
            raise DataError(f"{path}: more than {_MOST_ROWS:,} rows, for which a sheet has no room; save it as CSV")
        width = next((width for width in range(len(values), 0, -1) if values[width - 1] not in (None, "")), 0)
        if width and number > above:
            yield number, values[:width]


def _next(path: Path, rows: Iterator[Row], most: int | None) -> list[Row]:
    with _explained(path):
        return list(islice(rows, most))


def _pieces(path: Path, book: Any, known: Sheet, most: int | None, categories: Collection[str]) -> Iterator[Piece]:
    start, mark, last, blank = 0, known.decimals.mark, known.above, 0
    rows = iter(known.rows) if known.rows else _rows(path, book[known.name], known.above)
    while True:
        numbers, indented = array("q"), dict[str, dict[int, str]]()
        cells = _cells(islice(rows, most), mark, numbers)
        with _explained(path):
            text = as_text(noting_spaces(cells, known.header.names, categories, indented))
        if not numbers:
            return
        last = last or numbers[0] - 1
        blank = blank or next((row for row, number in enumerate(numbers, last + 1) if row != number), 0)
        yield Piece(text, numbers, start, blank, indented)
        start, last = start + len(numbers), numbers[-1]


def _cells(rows: Iterable[Row], mark: str, numbers: array[int]) -> Iterator[list[Any]]:
    """One row after the other as a CSV file would hold it; notes the number of each."""
    for number, row in rows:
        numbers.append(number)
        yield [_cell(value, mark) for value in row]


def _cell(value: Any, mark: str) -> Any:
    """What a CSV file would hold: days without a time of day, spans of time in hours, minutes and seconds."""
    if isinstance(value, float):
        return repr(value).replace(".", mark)
    if isinstance(value, dt.datetime):
        return value.date() if value.time() == _MIDNIGHT else value
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        minutes, second = divmod(abs(seconds), 60)
        return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{second:02}"
    return value


def _without_values(path: Path, sheet: Any, above: int) -> dict[int, Unstored]:
    """The formulas below the names that have none: programs write sheets without computing them."""
    with _explained(path):
        return unstored(sheet._get_source, above)
