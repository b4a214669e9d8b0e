"""How the lines of a text file lie: what stands above the names, what between fields, and whether there are names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import mode
from typing import TextIO

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
DELIMITERS = (",", ";", "\t", "|")
SPACE = " "  # one or several of any width
COMMENT = "#"
HEAD = 1 << 18  # characters that are looked at
_FEWEST_LINES, _LONGEST_HEAD = 20, 1 << 24  # more than HEAD where lines are long
_RECORDS = 200  # of them, to find the delimiter

_STATED = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # a first line by which Excel knows the delimiter
_NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d+)*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)
_MOST = 0.75  # of the records, with spaces between fields as in prose
_GAPS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", "-")
_QUOTED = re.compile(r'"(?:[^"]|"")*"|[^\s"]\S*')

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Layout:
    """`above` are lines above the names that are none: comments, blank ones, one that names the delimiter.

    `below_title` is the line of the names if a title stands above them, else 0; `first` are the fields of the names.
    `row_names`: they lack one, for the first field of each row. `data_first`: they look like a row of data.
    """

    delimiter: str
    above: int = 0
    comments: int = 0
    below_title: int = 0
    first: tuple[str, ...] = ()
    row_names: bool = False
    data_first: bool = False


def whole_lines(handle: TextIO) -> Iterator[str]:
    """The text in pieces of whole lines, some HEAD characters each; the first of a few lines at least."""
    rest, fewest = "", _FEWEST_LINES
    while more := handle.read(HEAD):
        rest += more
        end = max(rest.rfind("\n"), rest.rfind("\r")) + 1
        if end and (max(rest.count("\n"), rest.count("\r")) >= fewest or len(rest) >= _LONGEST_HEAD):
            yield rest[:end]
            rest, fewest = rest[end:], 1
    if rest:
        yield rest


def find_layout(head: str, delimiter: str, header: bool | None) -> Layout:
    """By the first lines; a delimiter that is known is kept, and `header` says whether there are names."""
    lines = list(io.StringIO(head, newline=""))
    above, stated = _above(lines)
    found = delimiter if delimiter != "auto" else stated or _delimiter(lines[above:])
    if header is not False and _is_comment(lines[above - 1 : above]) and _names_in_comment(lines[above - 1 :], found):
        above -= 1
    records = _records(lines[above:], found)
    title = 0 if header is False else _title(records)
    names, *rows = records[title:] or [[]]
    row_names = header is not False and _lacks_one(names, rows)
    return Layout(
        found,
        above,
        comments=sum(_is_comment([line]) for line in lines[:above]),
        below_title=above + _line(lines[above:], found, title) if title else 0,
        first=tuple(name.strip() for name in names),
        row_names=row_names,
        data_first=header is None and not row_names and looks_like_data(names, rows),
    )


def split_spaces(line: str) -> str:
    """A line whose fields stand between spaces as one with tabs between them; blanks within quotes stay."""
    end = line[len(line.rstrip("\r\n")) :]
    return "\t".join(_QUOTED.findall(line) if '"' in line else line.split()) + end


def _above(lines: Sequence[str]) -> tuple[int, str | None]:
    """How many lines stand above the names and are none, and the delimiter that one of them states."""
    stated = None
    for number, line in enumerate(lines):
        names = _STATED.fullmatch(line) if stated is None else None
        if not (names or not line.strip() or _is_comment([line])):
            return number, stated
        stated = names[1] if names else stated
    return len(lines), stated


def _is_comment(lines: Sequence[str]) -> bool:
    return any(line.startswith(COMMENT) for line in lines)


def _names_in_comment(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the first line holds the names although it looks like a comment: as many fields, and no names below."""
    names, *rows = _records(lines, delimiter) or [[]]
    return len(names) > 1 and len(names) == _width(rows) and not has_names(rows[0], rows[1:])


def _delimiter(lines: Sequence[str]) -> str:
    """What gives most of the first records as many fields; a comma if there is none.

    Of several, the one whose fields are numbers more often, then the one with more fields. One that is not in the first
    line counts only where that is a title, and spaces where nothing else is left.
    """
    first = next((line for line in lines if line.strip()), "")
    records = {delimiter: _records(lines, delimiter) for delimiter in DELIMITERS}
    able = [one for one in DELIMITERS if one in first and _width(records[one]) > 1]
    able = able or [one for one in DELIMITERS if _title(records[one])]
    if able:
        return max(able, key=lambda one: _score(records[one]))
    return SPACE if _is_spaced(_records(lines, SPACE)) else DELIMITERS[0]


def _records(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    """The first ones, without those that are blank; none where quotes are in disorder."""
    if delimiter == SPACE:
        lines, delimiter = map(split_spaces, lines), "\t"
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        return list(islice((record for record in reader if any(map(str.strip, record))), _RECORDS))
    except csv.Error:
        return []


def _width(records: Rows) -> int:
    return mode(map(len, records)) if records else 0


def _score(records: Rows) -> tuple[float, float, int]:
    """Share of the records that are as wide as most, share of their fields that are numbers, width."""
    width = _width(records)
    fitting = sum(len(record) == width for record in records) / len(records)
    fields = [field for record in records[1:] for field in record]
    return fitting, sum(map(looks_like_number, fields)) / max(1, len(fields)), width


def _is_spaced(records: Rows) -> bool:
    """Whether most records have as many fields, two at least and numbers among them; the names may lack one."""
    rows = records[1:]
    width = _width(rows)
    fitting = [row for row in rows if len(row) == width]
    if width < 2 or len(records[0]) not in (width, width - 1) or len(fitting) < _MOST * len(rows):
        return False
    return any(map(looks_like_number, fitting[0]))


def _title(records: Rows) -> int:
    """How many records of a single field stand above names that have numbers below them."""
    width = _width(records)
    if width < 2:
        return 0
    place = next((at for at, record in enumerate(records) if len(record) == width and _filled(record) > 1), 0)
    above = records[:place]
    return place if all(_filled(one) < 2 for one in above) and has_names(records[place], records[place + 1 :]) else 0


def _line(lines: Sequence[str], delimiter: str, record: int) -> int:
    """The line, counted from 1, of a record, counted from 0, where each has one."""
    filled = (number for number, line in enumerate(lines, 1) if line.strip(f"{delimiter} \t\r\n"))
    return next(islice(filled, record, None), 1)


def _filled(record: Sequence[str]) -> int:
    return sum(bool(field.strip()) for field in record)


def _lacks_one(names: Sequence[str], rows: Rows) -> bool:
    """Whether the names lack that of the first column, as R writes it: of rows that are numbered or named."""
    if len(rows) < 2 or any(len(row) != len(names) + 1 for row in rows) or any(map(looks_like_number, names)):
        return False
    firsts = [row[0].strip() for row in rows]
    named = all(first.isdigit() or (first and not looks_like_number(first)) for first in firsts)
    return named and len(set(firsts)) == len(firsts) and any(row[-1].strip() for row in rows)


def has_names(names: Sequence[str], rows: Rows) -> bool:
    """Whether a word stands above numbers."""
    return any(not looks_like_number(name) and _are_numbers(column) for name, column in _columns(names, rows))


def looks_like_data(names: Sequence[str], rows: Rows) -> bool:
    """Whether the names look like one more row: numbers above numbers, and words that occur below."""
    if len(rows) < 2 or has_names(names, rows):
        return False
    columns = list(_columns(names, rows))
    numbers = [name for name, column in columns if looks_like_number(name) and _are_numbers(column)]
    words = [name.strip() in map(str.strip, column) for name, column in columns if not looks_like_number(name)]
    if 2 * sum(words) > len(words):
        return bool(numbers) or len(words) > 1
    return bool(numbers) and not (_may_be_names(numbers) or (len(numbers) == 1 and words))


def _may_be_names(numbers: Sequence[str]) -> bool:
    """Whether they rise, as years and wavelengths do; a few that are not whole may do so by chance."""
    values = [float(number.replace(",", ".")) for number in numbers if number.count(",") + number.count(".") < 2]
    rise = len(values) > 1 and all(one < other for one, other in pairwise(values))
    return rise and (len(values) > 4 or all(value.is_integer() for value in values))


def _columns(names: Sequence[str], rows: Rows) -> Iterator[tuple[str, list[str]]]:
    """The columns whose name says something, without rows that repeat all names."""
    fitting = [row for row in rows if len(row) == len(names) and row != names]
    yield from ((name, [row[at] for row in fitting]) for at, name in enumerate(names) if name.strip() not in _GAPS)


def _are_numbers(column: Sequence[str]) -> bool:
    """Whether there are numbers and, but for what is missing, nothing else."""
    return any(map(looks_like_number, column)) and all(
        map(looks_like_number, (cell for cell in column if cell.strip() not in _GAPS))
    )


def looks_like_number(field: str) -> bool:
    """Whether a field looks like a number, whatever marks its decimals."""
    return _NUMBER.fullmatch(field) is not None
