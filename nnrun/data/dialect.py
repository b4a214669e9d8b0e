"""What stands between two fields of a text file, and what marks its decimals, from its first records."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nnrun.data.reading import Reading
from nnrun.data.text_file import check_encoding, find_encoding, open_text

DELIMITERS = (",", ";", "\t", "|")
HEAD = 1 << 18  # characters that are looked at
_RECORDS = 200  # of them, to find the delimiter

_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_UTF8 = ("utf-8", "utf-8-sig")

_STATED = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # a first line by which Excel knows the delimiter

UNITS = "%$€£¥"  # signs before or behind a number
_AROUND = f"{UNITS} \u00a0\u2009\u202f"
_POINT = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d*,\d+(e[+-]?\d+)?|\d{1,3}([.'’\s]\d{3})+,\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, and which of its columns stay text."""

    delimiter: str
    encoding: str
    decimal: str
    decimal_is_known: bool  # from the configuration or the run, not guessed
    missing: tuple[str, ...]
    text: frozenset[str]

    @property
    def separators(self) -> str:
        """What stands between fields, in words."""
        return _NAMES[self.delimiter]


def find_dialect(path: Path, reading: Reading) -> Dialect:
    """What is not known is found out from the file; raises DataError for what is not text."""
    encoding = _encoding(path, reading.encoding)
    with open_text(path, encoding) as handle:
        head = handle.read(HEAD)
    delimiter = reading.delimiter if reading.delimiter != "auto" else find_delimiter(head)
    usual = None if delimiter == "," else reading.usual_decimal
    decimal = reading.decimal if reading.decimal != "auto" else usual or find_decimal(head, delimiter)
    known = decimal in (reading.decimal, reading.usual_decimal)
    return Dialect(delimiter, encoding, decimal, known, reading.missing, reading.text)


def _encoding(path: Path, known: str) -> str:
    if known == "auto":
        return find_encoding(path)
    name = "utf-8-sig" if codecs.lookup(known).name == "utf-8" else known
    check_encoding(path, name)
    return name


def dialect_notice(file: str, reading: Reading, found: Dialect) -> list[str]:
    """What was found out and is not what CSV files mostly have."""
    usual = "\t" if ".tsv" in file else ","
    told = [
        *([f"{found.separators} between fields"] if reading.delimiter == "auto" and found.delimiter != usual else []),
        *(["decimal commas"] if reading.decimal == "auto" and found.decimal == "," else []),
        *([f"the encoding {found.encoding}"] if reading.encoding == "auto" and found.encoding not in _UTF8 else []),
    ]
    return [f"{file}: read with {', '.join(told)}"] if told else []


def stated_delimiter(line: str) -> str | None:
    """The delimiter that a line like `sep=;` names, None for any other line."""
    found = _STATED.fullmatch(line)
    return found and found[1]


def find_delimiter(head: str) -> str:
    """The delimiter that the first line names, or that gives the first records as many fields as the header.

    Of several, the one whose fields are numbers more often, then the one with more fields; a comma if there is none.
    """
    text = _whole_lines(head)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if stated := stated_delimiter(first):
        return stated
    scores = {delimiter: _score(text, delimiter) for delimiter in DELIMITERS if delimiter in first}
    best = max(scores, key=lambda delimiter: scores[delimiter], default=",")
    return best if scores.get(best, (0.0,))[0] else ","


def _whole_lines(head: str) -> str:
    """Without the last line if the head may end within it."""
    end = max(head.rfind("\n"), head.rfind("\r"))
    return head if len(head) < HEAD or end < 0 else head[: end + 1]


def _score(text: str, delimiter: str) -> tuple[float, float, int]:
    """Share of the records as wide as the header, share of their fields that are numbers, width; 0 for one field."""
    records = _records(text, delimiter, _RECORDS)
    width = len(records[0]) if records else 0
    if width < 2:
        return 0.0, 0.0, 0
    fitting = sum(len(record) == width for record in records) / len(records)
    fields = [field for record in records[1:] for field in record]
    return fitting, sum(map(_is_number, fields)) / max(1, len(fields)), width


def _records(text: str, delimiter: str, most: int) -> list[list[str]]:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)
    try:
        return list(islice((record for record in reader if record), most))
    except csv.Error:
        return []


def _is_number(field: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d+([.,]\d+)*\s*", field))


def find_decimal(head: str, delimiter: str) -> str:
    """The mark that more of the fields have; always a point where commas stand between fields."""
    if delimiter == ",":
        return "."
    records = _records(_whole_lines(head), delimiter, HEAD)
    fields = Counter(field.strip(_AROUND) for record in records for field in record)
    commas, points = (
        sum(count for field, count in fields.items() if pattern.fullmatch(field)) for pattern in (_COMMA, _POINT)
    )
    return "," if commas > points else "."
