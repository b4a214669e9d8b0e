"""What marks decimals in a text file, a point or a comma: one number that leaves no doubt settles it for all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MARKS = {".": "points", ",": "commas"}
UNITS = "%$€£¥"  # signs before or behind a number
_BLANKS = " \u00a0\u2009\u202f"


@dataclass(frozen=True)
class Decimal:
    """The mark; whether it is settled, and if it is not the first number `doubt` that could be read in two ways."""

    mark: str = "."
    settled: bool = False
    doubt: str = ""


def find_decimal(pieces: Iterable[str], delimiter: str) -> Decimal:
    """By the first piece that has numbers that leave no doubt: the mark that more of them have.

    Without any, what more of the others would be as decimals; a point where commas stand between fields.
    """
    marks = "." if delimiter == "," else ".,"
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
    grouped = rf"\d{{1,3}}(?:[{other}'’{_BLANKS}]\d{{3}})+{d}\d+|\d{{1,3}}(?:{other}\d{{3}}){{2,}}"
    return rf"\d*{d}\d+e[+-]?\d+|{digits}|{grouped}"


def _in_fields(number: str, delimiter: str) -> re.Pattern[str]:
    """The number as the whole of a field, with a sign and a unit."""
    between, around = rf"[{re.escape(delimiter)}\"\r\n]", rf"[{UNITS}{_BLANKS}]*"
    return re.compile(rf"(?:^|(?<={between})){around}[+-]?{around}({number}){around}(?={between}|\Z)", re.IGNORECASE)
