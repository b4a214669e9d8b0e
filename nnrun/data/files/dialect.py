"""How a text file is written: what is not known of it is found out, and what is unusual is told.

What marks decimals, a point or a comma: one number that leaves no doubt settles it for all.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from nnrun.data.files.bombs import MOST_FIELDS
from nnrun.data.files.layout import DELIMITERS, NAMES, SPACE, Layout, find_layout, whole_lines
from nnrun.data.files.reading import Reading
from nnrun.data.files.text_file import check_encoding, check_is_text, find_encoding, open_text
from nnrun.errors import DataError
from nnrun.text import counted

UTF8 = ("utf-8", "utf-8-sig")

MARKS = {".": "points", ",": "commas"}
UNITS = "%$€£¥"  # signs before or behind a number
MOST_CLASSES = 20  # words of a target, up to which one that means a missing value elsewhere may be a class
_BLANKS = " \u00a0\u2009\u202f"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, and what was known of it before.

    `decimal_is_known`: from the configuration, the run or a number that leaves no doubt; `doubt` is else the first one
    that could be read in two ways; beside the mark of a run, the first that has the other. `many_targets`: the
    first rows show more different targets than there are classes, which the last of many pieces may not.
    """

    layout: Layout
    encoding: str
    decimal: str
    decimal_is_known: bool
    doubt: str
    reading: Reading
    many_targets: bool = False

    @property
    def has_names(self) -> bool:
        """Whether the first record holds the names."""
        return self.reading.header is not False

    @property
    def delimiter(self) -> str:
        """What stands between fields, once spaces are made tabs."""
        return "\t" if self.layout.delimiter == SPACE else self.layout.delimiter

    @property
    def separators(self) -> str:
        """What stands between fields, in words."""
        return NAMES[self.layout.delimiter]


def find_dialect(path: Path, reading: Reading) -> Dialect:
    """What is not known is found out from the file; raises DataError for what is not text, or has a title."""
    check_is_text(path)
    encoding = encoding_of(path, reading.encoding)
    with open_text(path, encoding) as handle:
        pieces = whole_lines(handle)
        head = next(pieces, "")
        _check_width(path, head)
        layout = find_layout(head, reading.delimiter, reading.header)
        _check_title(path, layout)
        decimal = _decimal(chain([head], pieces), layout, reading)
    many = len(set(_fields_of([head], layout, reading, {reading.target}))) > MOST_CLASSES
    known = reading.decimal != "auto" or decimal.mark == reading.usual_decimal
    return Dialect(layout, encoding, decimal.mark, known or decimal.settled, decimal.doubt, reading, many)


def _check_width(path: Path, head: str) -> None:
    lines = enumerate(islice(io.StringIO(head, newline=""), 20), 1)
    wide = next((number for number, line in lines if any(line.count(one) > MOST_FIELDS for one in DELIMITERS)), 0)
    if wide:
        raise DataError(f"{path}:{wide}: a line of more than {MOST_FIELDS:,} fields; this is no table")


def _decimal(pieces: Iterator[str], layout: Layout, reading: Reading) -> Decimal:
    """The stated mark, else that which numbers leave no doubt of, else that of the training file."""
    if reading.decimal != "auto":
        return Decimal(reading.decimal)
    usual = None if layout.delimiter == "," else reading.usual_decimal
    if usual is None:
        return find_decimal(pieces, layout.delimiter)
    found = find_decimal(_numbers_of(pieces, layout, reading), layout.delimiter, usual)
    return found if found.settled else Decimal(usual, doubt=found.doubt if found.mark != usual else "")


def _numbers_of(pieces: Iterator[str], layout: Layout, reading: Reading) -> Iterator[str]:
    """The fields of the columns that a run has as numbers, a line each: what others hold may be versions, or notes.

    The pieces as they are where there is no such column, or fields are told apart by spaces.
    """
    numbers = reading.numbers.union({reading.target} - reading.text)
    if not _places_of(layout, reading, numbers) or layout.delimiter == SPACE:
        yield from pieces
        return
    for piece in pieces:
        yield "\n".join(_fields_of([piece], layout, reading, numbers))


def _places_of(layout: Layout, reading: Reading, columns: Collection[str]) -> list[int]:
    names = [*([""] if layout.row_names else []), *(name.strip() for name in layout.first)]
    if reading.header is False:
        names = [f"c{number}" for number, _ in enumerate(layout.first, 1)]
    return [place for place, name in enumerate(names) if name in columns]


def _fields_of(pieces: Iterable[str], layout: Layout, reading: Reading, columns: Collection[str]) -> Iterator[str]:
    """The fields of these columns, row by row; what is wrong with the file is told where it is read."""
    places = _places_of(layout, reading, columns)
    for piece in pieces if places else ():
        rows = csv.reader(io.StringIO(piece, newline=""), delimiter=layout.delimiter, skipinitialspace=True)
        with suppress(csv.Error):
            yield from (row[place] for row in rows for place in places if place < len(row))


def _check_title(path: Path, layout: Layout) -> None:
    if layout.below_title:
        raise DataError(
            f"{path}:{layout.above + 1}: a title above the table; the names of its columns seem to stand in line "
            f"{layout.below_title}; remove what stands above them"
        )


def encoding_of(path: Path, known: str) -> str:
    """The encoding that is known, or else is found; raises DataError at the first byte that is no text in it."""
    if known == "auto":
        return find_encoding(path)
    name = "utf-8-sig" if codecs.lookup(known).name == "utf-8" else known
    check_encoding(path, name)
    return name


def dialect_notice(file: str, reading: Reading, found: Dialect) -> list[str]:
    """What was found out and is not what CSV files mostly have, and what stays in doubt."""
    usual, layout = "\t" if ".tsv" in file else ",", found.layout
    told = [
        *([f"{found.separators} between fields"] if reading.delimiter == "auto" and layout.delimiter != usual else []),
        *_told_mark(reading, found),
        *([f"the encoding {found.encoding}"] if reading.encoding == "auto" and found.encoding not in UTF8 else []),
        *([f"{counted(layout.comments, 'line')} of comments left out above the names"] if layout.comments else []),
    ]
    return [
        *([f"{file}: read with {', '.join(told)}"] if told else []),
        *([_in_doubt(file, found)] if found.doubt else []),
        *([_no_names(file)] if layout.data_first else []),
    ]


def _told_mark(reading: Reading, found: Dialect) -> list[str]:
    mark, usual = found.decimal, reading.usual_decimal
    if reading.decimal != "auto":
        return []
    if usual in (None, mark):
        return ["decimal commas"] if mark == "," else []
    return [f"decimal {MARKS[mark]} where training had {MARKS[str(usual)]}"]


def _in_doubt(file: str, found: Dialect) -> str:
    other = "." if found.decimal == "," else ","
    mark = MARKS[found.decimal]
    if found.reading.usual_decimal:
        return (
            f"{file}: {found.doubt} is read as {found.doubt.replace(other, '')}, as {mark} marked decimals in training "
            f"and no number tells otherwise; if {MARKS[other]} mark decimals here, write {mark}"
        )
    return (
        f"{file}: {found.doubt} is read as {found.doubt.replace(',', '.')}, as no number tells whether {mark} mark "
        f"decimals or group thousands; if they group thousands, set data.format.decimal to '{other}'"
    )


def _no_names(file: str) -> str:
    return (
        f"{file}: the first line looks like a row, not like the names of columns; if it is one, set "
        "data.format.header to false"
    )


@dataclass(frozen=True)
class Decimal:
    """The mark; whether it is settled, and if it is not the first number `doubt` that could be read in two ways."""

    mark: str = "."
    settled: bool = False
    doubt: str = ""


def find_decimal(pieces: Iterable[str], delimiter: str, usual: str | None = None) -> Decimal:
    """By the first piece that has numbers that leave no doubt: the mark that more of them have, of two the usual one.

    Without any, what more of the others would be as decimals; a point where commas stand between fields.
    """
    marks = "." if delimiter == "," else ",." if usual == "," else ".,"
    certain = {mark: _in_fields(_certain(mark), delimiter) for mark in marks}
    either = {mark: _in_fields(rf"[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}", delimiter) for mark in marks}
    found: dict[str, list[str]] = {mark: [] for mark in marks}
    for piece in pieces:
        counts = {mark: sum(1 for _ in pattern.finditer(piece)) for mark, pattern in certain.items()}
        if any(counts.values()):
            return Decimal(max(counts, key=lambda mark: counts[mark]), settled=True)
        if delimiter != "," and not any(found.values()):
            found = {mark: pattern.findall(piece) for mark, pattern in either.items()}
    likely = max(found, key=lambda mark: len(found[mark]))
    return Decimal(likely, doubt=next(iter(found[likely]), ""))


def _certain(mark: str) -> str:
    """Numbers in which this can only mark decimals, or in which the other one can only group thousands."""
    d, other = re.escape(mark), re.escape("." if mark == "," else ",")
    digits = rf"\d*{d}(?:\d{{1,2}}|\d{{4,}})|(?:0\d*|\d{{4,}})?{d}\d{{3}}"  # 1.5 and 0.123, but not 1.234
    grouped = rf"[1-9]\d{{,2}}(?:[{other}'’{_BLANKS}]\d{{3}})+{d}\d+|[1-9]\d{{,2}}(?:{other}\d{{3}}){{2,}}"
    return rf"\d*{d}\d+e[+-]?\d+|{digits}|{grouped}"


def _in_fields(number: str, delimiter: str) -> re.Pattern[str]:
    """The number as the whole of a field, with a sign and a unit."""
    signs = "".join(sign for sign in UNITS + _BLANKS if sign != delimiter)
    # Possessive, as none of these is part of a number: a long blank field is given up after one look.
    between, around = rf"[{re.escape(delimiter)}\"\r\n]", rf"[{signs}]*+"
    return re.compile(rf"(?:^|(?<={between})){around}[+-]?{around}({number}){around}(?={between}|\Z)", re.IGNORECASE)
