"""A text file before its records: encoding, compression, what stands between two fields and what marks decimals."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from nnrun.data.files.reading import Reading
from nnrun.errors import DataError

_GZIP = b"\x1f\x8b"
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BLOCK = 1 << 20
_UNUSED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unpacked if it is gzipped, whatever it is called."""
    with path.open("rb") as handle:
        packed = handle.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path) if packed else path.open("rb"))


def open_text(path: Path, encoding: str) -> TextIO:
    """The file's text with its line ends as they are."""
    return io.TextIOWrapper(open_binary(path), encoding=encoding, newline="")


def find_encoding(path: Path) -> str:
    """UTF-8 or UTF-16 by their marks, UTF-8 if all bytes are, else cp1252, or latin-1 where that has no such bytes.

    Raises DataError for what is not text, and for UTF-8 with a damaged place.
    """
    with open_binary(path) as handle:
        head = handle.read(4)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            check_encoding(path, encoding)
            return encoding
    wrong = _first_undecodable(path, "utf-8")
    if wrong is None:
        return "utf-8"
    if not _bytes_before(path, wrong).isascii():
        raise _undecodable(path, "utf-8", wrong)
    encoding = "latin-1" if any(set(block) & set(_UNUSED_IN_CP1252) for block in _blocks(path)) else "cp1252"
    check_encoding(path, encoding)
    return encoding


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError with line and column of the first byte that is none in this encoding."""
    wrong = _first_undecodable(path, encoding)
    if wrong is not None:
        raise _undecodable(path, encoding, wrong)


def _first_undecodable(path: Path, encoding: str) -> int | None:
    """Offset of the first byte that is no text in this encoding; raises DataError at a character of zero."""
    decoder = codecs.getincrementaldecoder(encoding)()
    start = 0
    for block in _blocks(path):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block)
        except UnicodeError as error:  # its start is missing where UTF-16 lacks its mark
            return start - pending + getattr(error, "start", 0)
        if "\0" in text:
            place = _place(path, start + block.find(b"\0"))
            raise DataError(f"{place}: a zero byte, so this is not a text file; save the table as CSV in UTF-8")
        start += len(block)
    return start - len(decoder.getstate()[0]) if decoder.getstate()[0] else None


def _blocks(path: Path) -> Iterator[bytes]:
    with open_binary(path) as handle:
        while block := handle.read(_BLOCK):
            yield block


def _bytes_before(path: Path, offset: int) -> bytes:
    with open_binary(path) as handle:
        return handle.read(offset)


def _undecodable(path: Path, encoding: str, offset: int) -> DataError:
    return DataError(
        f"{_place(path, offset)}: a byte that is no text in {encoding.removesuffix('-sig')}; save the file as UTF-8, "
        "or name its encoding in data.format.encoding"
    )


def _place(path: Path, offset: int) -> str:
    """`FILE:LINE:COLUMN` of a byte, both counted from 1."""
    before = _bytes_before(path, offset)
    line_start = before.rfind(b"\n") + 1
    return f"{path}:{before.count(10) + 1}:{offset - line_start + 1}"


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
    """How a text file is written, and what was known of it before."""

    delimiter: str
    encoding: str
    decimal: str
    decimal_is_known: bool  # from the configuration or the run, not guessed
    reading: Reading

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
    return Dialect(delimiter, encoding, decimal, known, reading)


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
