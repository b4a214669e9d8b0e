"""What a column means: a number, truth, a date in one format, a category, or an identifier."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.offsets import offsets_in, with_offset
from nnrun.data.facts.tallies import Distinct
from nnrun.data.facts.years import ShortYears
from nnrun.data.files.table import CORRECT, Table, numbers, refuse_first
from nnrun.data.files.values import Floats, Kind, are_whole, kind_of, labels
from nnrun.text import counted

if TYPE_CHECKING:
    import pandas as pd


# The second word of each pair means true; in any case.
TRUTH = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"))
_TRUE = {word: float(value) for pair in (*TRUTH, ("0", "1")) for value, word in enumerate(pair)}

ISO = "ISO8601"
_DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%d/%m/%y",
    "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
CLOCK = re.compile(r"-?\d+:[0-5]\d(:[0-5]\d(\.\d+)?)?")  # a time of day, or a duration as spreadsheets write it
_TIMES_OF_DAY = tuple(time.strip() for time in _TIMES[1:])

# In order of preference: where day and month cannot be told apart, the day comes first.
DATE_FORMATS = (ISO, *(day + time for time in _TIMES for day in _DAYS), *_TIMES_OF_DAY)

# Text with more values than this, all different, is an identifier; with many and wordy ones it is free text.
_IDENTIFIER_VALUES = 50
_WORDY_CHARACTERS = 20  # on average
_WORDY_SPACES = 2
_MOSTLY_DIFFERENT = 0.5  # of the rows

LEAST_ROWS = 5  # of a category that is to have a feature of its own where there are many

_ISO_LIKE = re.compile(r"\d{4}-\d{1,2}\b")
_DATE_LIKE = re.compile(r"\d{1,4}[-/. ]\w{1,9}[-/. ]\d{1,4}|[A-Za-z]{3,9} \d{1,2}, \d{4}|\d{1,2}:\d{2}")
_BETWEEN = re.compile(r"[^\w%]+")
# Dates that programs write where there is none.
_STAND_INS = r"(?:9999-\d\d-\d\d|(?:0001|1900)-01-01|\d\d[./-]\d\d[./-]9999|01[./-]01[./-](?:0001|1900))\b"

_BY_CLOCK = ("now", "today")  # of which pandas makes the time at which it reads them
_FAR, _FIRST = np.datetime64("9999-01-01"), np.array(["0001-01-01", "1900-01-01"], "M8[D]")


@dataclass(frozen=True)
class Meaning:
    """The kind of a column; for dates the format, and the other one that its values would allow as well."""

    kind: Kind
    format: str | None = None
    alternative: str | None = None


class Texts:
    """What a column of text means, taken in piece by piece."""

    def __init__(self) -> None:
        self.distinct = Distinct()
        self.present = self.characters = self.spaces = 0
        self._words: set[str] = set()  # in lower case, no more than tell that they are no pair of TRUTH
        self.stand_ins: Counter[str] = Counter()  # rows of dates that may mean that there is none
        self.short_years = ShortYears()
        self.offsets: set[bool] = set()  # whether dates have one from UTC, both where some have
        self._formats: list[str] | None = None  # those that read every value so far, the preferred first

    def see(self, series: pd.Series[Any]) -> None:
        """Take in the next rows."""
        values = series.dropna().astype(str)
        if not len(values):
            return
        self.present += len(values)
        self.characters += int(values.str.len().sum())
        self.spaces += int(values.str.count(" ").sum())
        self.distinct.see(values)
        different = [str(value) for value in values.unique()]
        if len(self._words) <= 2:
            self._words |= {value.lower() for value in different[: _IDENTIFIER_VALUES + 1]}
        if self._formats is None:
            self._formats = possible_formats(different[0])
        self._formats = _still_read(different, self._formats)
        if self._formats and len(self.offsets) < 2:
            self.offsets |= with_offset(different) if self._formats == [ISO] else {False}
        if self._formats and "%y" in self._formats[0]:
            self.short_years.see(read_dates(different, self._formats[0]))  # the others have the year there, too
        if self._formats:
            far = values[values.str.match(_STAND_INS)]
            self.stand_ins.update({str(text)[:10]: int(rows) for text, rows in far.value_counts().items()})

    def see_dates(self, series: pd.Series[Any]) -> None:
        """Take in the next rows of a column that was stored as dates."""
        self.offsets |= offsets_in(series)
        days = _stored_dates(series.dropna()).astype("M8[D]")
        far, rows = np.unique(days[(days >= _FAR) | np.isin(days, _FIRST)], return_counts=True)
        self.stand_ins.update(dict(zip(map(str, far), map(int, rows), strict=True)))

    @property
    def formats(self) -> list[str]:
        """The formats of dates that read every value so far, the preferred first."""
        return self._formats or []

    @property
    def meaning(self) -> Meaning:
        """Boolean if both words of one pair of TRUTH are there and no other, a date if one format reads all values."""
        if self._words in [set(pair) for pair in TRUTH]:
            return Meaning("boolean")
        if not self.formats:
            return Meaning("category")
        first, *others = self.formats
        return Meaning("date", first, next((other for other in others if day_of(other) != day_of(first)), None))

    def reason_to_leave_out(self, least: int | None = None) -> str | None:
        """Why a category can be no feature, None if it can: an identifier, free text, or rare values alone."""
        different, least = len(self.distinct), least or LEAST_ROWS
        if different <= _IDENTIFIER_VALUES:
            return None
        if different == self.present:
            return "all its values differ, as an identifier's do"
        wordy = self.characters > _WORDY_CHARACTERS * self.present and self.spaces > _WORDY_SPACES * self.present
        if wordy and different > _MOSTLY_DIFFERENT * self.present:
            return f"it is free text ({different} different values in {self.present} rows)"
        if self.distinct.most < least:
            return f"none of its {different} values has as many as {least} rows (data.rare_below)"
        return None


def possible_formats(value: str) -> list[str]:
    """The formats that read a value, the preferred first; ISO 8601 leaves no other."""
    if _ISO_LIKE.match(value):
        return [ISO]
    if not _DATE_LIKE.match(value):
        return []
    marks = _marks(value)  # trying each of the formats takes a tenth of a second
    return [format for format in DATE_FORMATS[1:] if _marks(format) == marks and _all_read([value], format)]


def _marks(text: str) -> list[str]:
    """What stands between the first three parts of a date, or of a format."""
    return _BETWEEN.findall(re.sub(r"\s+", " ", text))[:2]


def _still_read(values: list[str], formats: list[str]) -> list[str]:
    """The formats that read these values too; if none does, those with a time of day behind the date."""
    reading = [format for format in formats if _all_read(values, format)]
    longer = (f"{day}{time}" for time in _TIMES[1:] for day in map(day_of, formats) if day)
    return reading or list(dict.fromkeys(format for format in longer if _all_read(values, format)))


def day_of(format: str) -> str:
    """The format without its time of day; nothing is left of one that has no date."""
    return next((day for day in (*_DAYS, ISO) if format.startswith(day)), "")


def _all_read(values: list[str], format: str) -> bool:
    return not np.isnat(read_dates(values, format)).any()


def read_dates(values: Any, format: str) -> npt.NDArray[np.datetime64]:
    """Dates `(m,)` in UTC, NaT where the text is none in this format; the time of day, or its end, may be absent."""
    index, (first, *shorter) = np.asarray(values, dtype=object), formats_of(format)
    found = _read(index, first)
    for other in shorter:
        late = np.isnat(found) if len(index) else np.zeros(0, bool)
        if late.any():
            found[late] = _read(index[late], other)
    return found


def formats_of(format: str) -> list[str]:
    """The format, then those in which its dates lack the time of day, or its end."""
    day = day_of(format)
    time = format.removeprefix(day)
    return [format, *(day + other for other in reversed(_TIMES) if day and other != time and time.startswith(other))]


def _read(values: npt.NDArray[np.object_], format: str) -> npt.NDArray[np.datetime64]:
    import pandas as pd

    texts = pd.Index(values, dtype=object)
    dates = pd.to_datetime(texts, format=format, errors="coerce", utc=True)
    found = np.array(dates.tz_localize(None).to_numpy().astype("M8[us]"))
    found[texts.isin(_BY_CLOCK)] = np.datetime64("NaT")
    if (early := found < _FIRST[0]).any():  # no year of the calendar, unless it is an offset that leads there
        found[early & ~texts.str.lstrip().str.startswith("0001", na=False)] = np.datetime64("NaT")
    return found


def truths(table: Table, column: str) -> Floats:
    """A column as 1 for true and 0 for false `(m,)`, missing = NaN; raises DataError at the first other value."""
    if kind_of(table.column(column)) != "category":
        values = numbers(table, column)
        wrong = (values != 0) & (values != 1) & ~np.isnan(values)
    else:
        series = table.frame[column]
        values = np.asarray(series.astype(str).str.lower().map(_TRUE), dtype=np.float64)
        wrong = np.isnan(values) & series.notna().to_numpy(dtype=bool)
    refuse_first(table, column, wrong, f"is neither true nor false; {CORRECT}")
    return values


def dates(table: Table, column: str, format: str) -> npt.NDArray[np.datetime64]:
    """A column as dates `(m,)`, those with an offset in UTC, missing = NaT; raises DataError at the first other value.

    `format` is how its text is read; what was stored as a date is taken as it is, or as the text of ISO 8601 it became.
    """
    series = table.frame[column]
    if kind_of(series) == "date":
        return _stored_dates(series)
    texts, there = labels(series).astype(object).to_numpy(), series.notna().to_numpy(dtype=bool)
    values = read_dates(texts, format)
    if column in table.dated and (other := np.isnat(values) & there).any():
        values[other] = read_dates(texts[other], ISO)
    wrong = np.isnat(values) & there
    refuse_first(table, column, wrong, f"is not a date like {example(format)}; {CORRECT}")
    return values


def _stored_dates(series: pd.Series[Any]) -> npt.NDArray[np.datetime64]:
    import pandas as pd

    return np.asarray(pd.DatetimeIndex(pd.to_datetime(series, utc=True)).tz_localize(None).to_numpy())


def ambiguity(column: str, meaning: Meaning) -> str:
    """The notice on a column whose dates could be read in two ways."""
    first, other = example(meaning.format or ISO), example(meaning.alternative or ISO)
    return (
        f"column {column!r} could hold dates like {first} or like {other}; they are read like {first} "
        "(dates like 2026-01-31 leave no doubt)"
    )


def stand_in(column: str, texts: Texts, splits: bool) -> str:
    """The notice on a column, which perhaps splits the rows, with dates that may mean that there is none."""
    (date, rows), *_ = texts.stand_ins.most_common(1)
    cure = "give these rows their dates, or leave them out" if splits else "add it to data.format.missing"
    return (
        f"column {column!r} holds {date} in {counted(rows, 'row')}, as where there is no date; if it means that, {cure}"
    )


def example(format: str) -> str:
    """The last day of January 2026, half past one in the afternoon, as this format writes it."""
    from datetime import datetime

    return "2026-01-31" if format == ISO else datetime(2026, 1, 31, 13, 30).strftime(format)


FEWEST_IDENTIFIERS = 20  # rows from which on values that all differ are no accident
DENSE = 0.5  # share of the whole numbers between smallest and largest that a numbering fills
OFTEN_DIFFERENT = 0.9  # share of different values from which on a column of text is a name

_ID = re.compile(r"(^|[_\W])(id|uid|uuid|guid)$", re.IGNORECASE)


def is_identifier(series: pd.Series[Any]) -> bool:
    """Whole numbers that all differ and rise, lie close together or are called id; text that hardly repeats itself.

    Dates are taken apart before they are learned from, so that they may differ.
    """
    values = series.dropna()
    if len(values) < FEWEST_IDENTIFIERS:
        return False
    if kind_of(values) == "category":
        return bool(values.nunique() > OFTEN_DIFFERENT * len(values)) and not _are_dates(values)
    if kind_of(values) != "number" or not values.is_unique or not are_whole(np.asarray(values, float)):
        return False
    numbers = np.asarray(values, float)
    dense = len(numbers) >= DENSE * (numbers.max() - numbers.min() + 1)
    return bool(dense or series.is_monotonic_increasing or _ID.search(str(series.name)))


def _are_dates(values: pd.Series[Any]) -> bool:
    texts = Texts()
    texts.see(values)
    return texts.meaning.kind == "date"
