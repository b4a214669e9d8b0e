"""Numbers as text has them: their thousands grouped, with a sign or a unit, or negative in brackets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nnrun.data.files.dialect import UNITS
from nnrun.text import shown

if TYPE_CHECKING:
    import pandas as pd


# Apostrophes and spaces between digits, also narrow ones, group thousands and nothing else.
_SPACES = ("'", "\u2019", " ", "\u00a0", "\u2009", "\u202f")

NO_NUMBER, NO_UNIT = "is not a number", "has no unit"

UNKNOWN = frozenset({"n.a.", "n.a", "N.A.", "N.A", "n.d.", "--", "---", "\u2013", "\u2014"})
_MINUS = re.compile("^[\u2212\u2013](?=[0-9.,])")
_LIKE_NUMBER = re.compile(rf"(?=[^0-9]*[0-9])[-+0-9.,'\u2019\seE{UNITS}]+")
_UNIT = r"[A-Za-z\u00b5\u03bc\u00b0\u03a9][A-Za-z/\u00b0\u00b2\u00b3]{0,9}"
_PARTS = re.compile(rf"(\()?([^()]*?[0-9][.,]?)\s*+(-)?\s*+({_UNIT})?(\))?")

# Marks of currencies that are not read, and thousands as India groups them.
_CURRENCY = "\u00a2\u058f\u060b\u0e3f\u20a0-\u20ab\u20ad-\u20c0"
_CODES = "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RUB|SEK|SGD|TRY|USD|ZAR"
_BEFORE = rf"[A-Za-z]{{0,3}}[{_CURRENCY}]|[A-Za-z]{{1,3}}[$\u00a3\u00a5\u20ac]|{_CODES}|Rs\.?|Fr\.?|kr\.?"
_MARKED = re.compile(rf"([-+(]?)\s*+({_BEFORE})?\s*+([-+]?[0-9.,](?:[^()]{{0,300}}[0-9])?)\s*+([^\s0-9()]{{1,6}})?\)?")
_INDIAN = re.compile(r"[-+]?[0-9]{1,2}(,[0-9]{2}){1,99},[0-9]{3}(\.[0-9]{1,300})?")


def plainly_written(series: pd.Series[Any], known: bool) -> tuple[pd.Series[Any], list[str], str]:
    """A column of text whose values are all numbers in another spelling: as plain ones, how they are read, their unit.

    `(1.57)` and `1.57-` are negative, so is a number behind U+2212; one unit behind all numbers is taken away, and
    words for a missing value are missing, also where there is nothing else in a column `known` to hold numbers. A
    column with anything else in it is given back as it is; whether what is left are numbers, their thousands grouped
    perhaps, is for others to find out.
    """
    plain: dict[str, str | None] = {}
    told: dict[str, str] = {}
    units: set[str] = set()
    for value in map(str, series.dropna().unique()):
        found, unit = _plain(value.strip(), told)
        if found is not None:
            units.add(unit)
            if len(units) > 1 or not _LIKE_NUMBER.fullmatch(found):
                return series, [], ""
        plain[value] = found
    unit = max(units, default="")
    if not (told or unit) or not (units or known):
        return series, [], ""
    return series.map(plain), [f"{value} is read as {read}" for read, value in told.items()], unit


def _plain(value: str, told: dict[str, str]) -> tuple[str | None, str]:
    """A number as usual, None for a missing one, and its unit; what was written otherwise is noted by what it means."""
    if value in UNKNOWN:
        told.setdefault("missing", shown(value))
        return None, ""
    signed = _MINUS.sub("-", value)
    parts = _PARTS.fullmatch(signed)
    if parts is None or (parts[1] is None) != (parts[5] is None):
        return signed, ""
    number, negative, unit = parts[2], bool(parts[1] or parts[3]), parts[4] or ""
    if negative and number[0] in "+-":
        return value, ""
    if negative or signed != value:
        told.setdefault("negative", "what stands in brackets" if parts[1] else "a minus behind or a long one before")
    return f"-{number}" if negative else number, unit


def sign_of(series: pd.Series[Any]) -> str:
    """The sign that each value of a column of text has at its beginning or end; nothing if there is none."""
    present = series.dropna()
    first = str(present.iloc[0]) if len(present) else ""
    for unit in UNITS:
        if unit in first and all(_has_unit(str(value).strip(), unit) for value in present.unique()):
            return unit
    return ""


def _has_unit(value: str, unit: str) -> bool:
    return value.count(unit) == 1 and (value.endswith(unit) or value.lstrip("+-").startswith(unit))


def grouping_of(series: pd.Series[Any], decimal: str) -> str | None:
    """The mark that groups the thousands of a column, nothing if none is grouped; None if not all are numbers."""
    present = series.dropna()
    fitting = [
        mark for mark in _marks(decimal) if len(present) and _number(mark, decimal).fullmatch(str(present.iloc[0]))
    ]
    if not fitting:
        return None
    values = [str(value).strip() for value in present.unique()]
    for mark in fitting:
        if all(map(_number(mark, decimal).fullmatch, values)):
            return mark if any(mark in value for value in values) else ""
    return None


def _marks(decimal: str) -> tuple[str, ...]:
    """What may group thousands beside this mark of decimals."""
    return ("." if decimal == "," else ",", *_SPACES)


@cache
def _number(mark: str, decimal: str) -> re.Pattern[str]:
    """A number whose thousands may be grouped, behind no 0, and which float64 can hold."""
    m, d = re.escape(mark), re.escape(decimal)
    return re.compile(
        rf"\s*[+-]?(?={d}?[0-9])([1-9][0-9]{{,2}}({m}[0-9]{{3}}){{1,99}}|[0-9]{{1,300}})?({d}[0-9]{{,300}})?"
        r"([eE][+-]?[0-9]{1,2})?\s*"
    )


class Spelling(NamedTuple):
    """The unit or sign of a number, the mark that groups its thousands, and whether text files may have it so."""

    unit: str = ""
    mark: str = ""
    is_read: bool = True

    def fits(self, most: Spelling) -> bool:
        """Whether a number is written as most are, its thousands grouped or not."""
        return self[::2] == most[::2] and self.mark in ("", most.mark)


def most_written(rows: Mapping[Spelling | None, int], unit: str | None = None) -> Spelling:
    """The unit that most numbers have, if none is given, and the mark that groups the thousands of most of these."""
    units: Counter[tuple[str, bool]] = Counter()
    marks: dict[tuple[str, bool], Counter[str]] = {}
    for spelling, count in rows.items():
        if spelling:
            units[spelling[::2]] += count
            marks.setdefault(spelling[::2], Counter())[spelling.mark] += count if spelling.mark else 0
    most = max(units, key=units.__getitem__, default=("", True)) if unit is None else (unit, True)
    grouping = marks.get(most, Counter())
    return Spelling(most[0], max(grouping, key=grouping.__getitem__, default=""), most[1])


def unlike(spelling: Spelling | None, most: Spelling) -> str:
    """What a text is that is not written as most numbers are."""
    if spelling is None or spelling.unit == most.unit:
        return NO_NUMBER
    return f"is in {spelling.unit}" if spelling.unit else NO_UNIT


def odd_among(texts: Mapping[str, int], decimal: str, known: str | None) -> tuple[str, str] | None:
    """The first of different texts that keeps a column from being one of numbers, and what it is; None if none does.

    The unit and the grouping of thousands are those of most rows, which are given by text, but for a unit that is
    `known`, which may also lack in all numbers, if it is not `%`.
    """
    read = {text: spelling_of(text, decimal) for text in texts if text.strip() not in UNKNOWN}
    rows: Counter[Spelling | None] = Counter()
    for text, found in read.items():
        rows[found] += texts[text]
    units = {found.unit for found in rows if found}
    lacks = known not in (None, "%", *units) and "" in units
    most = most_written(rows, "" if lacks else known)
    for text, found in read.items():
        if found is None or not found.fits(most):
            what = unlike(found, most)
            others = f"{'training had' if most.unit == known else 'others have'} {most.unit or 'none'}"
            return text, what if what == NO_NUMBER else f"{what}, where {others}"
    return None


def spelling_of(value: str, decimal: str) -> Spelling | None:
    """How a text that is a number is written; None of any other, and of one whose writing is not read."""
    plain, word = _plain(value.strip(), {})
    sign = next((unit for unit in UNITS if plain and _has_unit(plain, unit)), "")
    bare = (plain or "").replace(sign, "").strip()
    mark = next((mark for mark in _marks(decimal) if _number(mark, decimal).fullmatch(bare)), None)
    return None if mark is None else Spelling(sign + word, mark if mark in bare else "")


def unread_spelling(value: str, decimal: str) -> Spelling | None:
    """How a text is written that would be a number but for the mark of its currency, or Indian groups; else None."""
    parts = _MARKED.fullmatch(value.strip())
    if parts is None:
        return None
    before, number, after = parts[2] or "", parts[3], parts[4] or ""
    if (before and after) or (after.isascii() and after):
        return None
    unit = before or after
    if decimal == "." and _INDIAN.fullmatch(number):
        return Spelling(unit, is_read=False)
    fits = unit and any(_number(mark, decimal).fullmatch(number) for mark in _marks(decimal))
    return Spelling(unit, is_read=False) if fits else None
