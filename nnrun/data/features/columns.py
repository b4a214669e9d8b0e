"""How one column becomes features, by its kind; what is learned from the training part is plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.kinds import LEAST_ROWS, Meaning, dates, truths
from nnrun.data.facts.tallies import Moments
from nnrun.data.files.table import Floats, Kind, Table, labels, numbers

OTHER = "(other)"  # the feature of the values without one of their own

# With more values than FEW_CATEGORIES those are kept that have rows enough, and never more than MOST_CATEGORIES.
FEW_CATEGORIES = 30
MOST_CATEGORIES = 100
LEAST_SHARE = 0.001

# A part of a date from what it counts since 1 January 1970, a Thursday; Monday is weekday 0.
DATE_PARTS: dict[str, tuple[str, Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]]] = {
    "year": ("Y", lambda years: years + 1970),
    "month": ("M", lambda months: months % 12 + 1),
    "weekday": ("D", lambda days: (days + 3) % 7),
    "hour": ("h", lambda hours: hours % 24),
}


class WrittenColumn(TypedDict):
    """A column as data.json has it."""

    name: str
    kind: Kind
    indicator: bool
    fills: list[float]
    vocabulary: list[str]
    other: bool
    parts: list[str]
    format: str | None


@dataclass(frozen=True)
class Column:
    """How one column becomes features, as its training part has it.

    `fills` stand in for missing values: the training mean of a number or boolean, and of each part of a date. A
    category becomes one feature for each value of the vocabulary; a missing one is all zeros, and so is a value
    outside the vocabulary unless `other` adds a feature for those. `parts` are what is taken from a date, `format` is
    how its text is read. `indicator` adds a feature that is 1 where the value is missing.
    """

    name: str
    kind: Kind
    indicator: bool = False
    fills: tuple[float, ...] = ()
    vocabulary: tuple[str, ...] = ()
    other: bool = False
    parts: tuple[str, ...] = ()
    format: str | None = None

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes."""
        found = KINDS[self.kind].features(self)
        return [*found, f"{self.name} is missing"] if self.indicator else found

    @property
    def marks(self) -> list[bool]:
        """Which of the features are 0 or 1: those of a category, and the one for missing values."""
        values = [self.kind == "category"] * (len(self.features) - self.indicator)
        return [*values, *([True] if self.indicator else [])]

    def write(self, table: Table, out: Floats) -> None:
        """Fill zeros `(m, number of features)`; raises DataError for a value that does not fit the kind."""
        KINDS[self.kind].write(self, table, out)
        if self.indicator:
            out[:, -1] = table.frame[self.name].isna().to_numpy(dtype=bool)

    def to_json(self) -> WrittenColumn:
        """Plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "indicator": self.indicator,
            "fills": list(self.fills),
            "vocabulary": list(self.vocabulary),
            "other": self.other,
            "parts": list(self.parts),
            "format": self.format,
        }

    @classmethod
    def from_json(cls, column: WrittenColumn) -> Column:
        """The inverse of `to_json`."""
        return cls(
            column["name"],
            column["kind"],
            column["indicator"],
            tuple(column["fills"]),
            tuple(column["vocabulary"]),
            column["other"],
            tuple(column["parts"]),
            column["format"],
        )


@dataclass
class Seen:
    """What pieces of a column add up to: rows of each category, or moments of each number that it becomes."""

    counts: Counter[str] = field(default_factory=Counter)
    moments: dict[str, Moments] = field(default_factory=dict)

    def add(self, piece: Seen) -> None:
        """Take in the next piece."""
        self.counts.update(piece.counts)
        for name, moments in piece.moments.items():
            self.moments[name] = self.moments[name] + moments if name in self.moments else moments


class Learner:
    """Learns a column from the training rows, piece by piece; its meaning may be decided by more rows than these."""

    def __init__(self, name: str, meaning: Meaning) -> None:
        self._start = Column(name, meaning.kind, format=meaning.format)
        self._rows = self._missing = 0
        self._seen = Seen()

    def see(self, table: Table) -> None:
        """Take in the next rows; raises DataError for a value that does not fit the column's kind."""
        self._rows += len(table)
        self._missing += int(table.frame[self._start.name].isna().sum())
        self._seen.add(KINDS[self._start.kind].see(self._start, table))

    @property
    def column(self) -> Column:
        """The column as all rows seen so far have it."""
        start = replace(self._start, indicator=self._missing > 0)
        return KINDS[start.kind].learn(start, self._seen, self._rows)

    @property
    def scales(self) -> list[tuple[float, float]]:
        """Mean and deviation of each feature over all rows seen so far; 0 and 1 for what marks a category or a gap.

        Divided by its deviation, the mark of a value in one row out of a hundred would be 10 where it is set, and the
        few rows that have it would be learned by heart.
        """
        column = self.column
        moments = (self._seen.moments[key].filled(self._rows) for key in column.parts or ("",))
        return [(0.0, 1.0) if mark else next(moments).center_and_scale for mark in column.marks]


class _Kind(NamedTuple):
    """What a kind of column learns from pieces, how its features are called, and how they are filled."""

    see: Callable[[Column, Table], Seen]
    learn: Callable[[Column, Seen, int], Column]
    features: Callable[[Column], list[str]]
    write: Callable[[Column, Table, Floats], None]


def _moments(values: Floats) -> Moments:
    return Moments.of(values[~np.isnan(values)])


def _filled(values: Floats, fill: float) -> Floats:
    return np.where(np.isnan(values), fill, values)


def _as_one(read: Callable[[Table, str], Floats]) -> _Kind:
    """A kind whose values are numbers: one feature, missing ones at the training mean."""

    def write(column: Column, table: Table, out: Floats) -> None:
        out[:, 0] = _filled(read(table, column.name), column.fills[0])

    return _Kind(
        lambda column, table: Seen(moments={"": _moments(read(table, column.name))}),
        lambda column, seen, rows: replace(column, fills=(seen.moments[""].mean,)),
        lambda column: [column.name],
        write,
    )


def _count(column: Column, table: Table) -> Seen:
    counts = labels(table.frame[column.name]).value_counts()
    return Seen(Counter(dict(zip(counts.index.tolist(), counts.tolist(), strict=True))))


def _learn_category(column: Column, seen: Seen, rows: int) -> Column:
    kept = kept_categories(seen.counts, rows)
    return replace(column, vocabulary=tuple(sorted(kept)), other=len(kept) < len(seen.counts))


def kept_categories(counts: Mapping[str, int], rows: int) -> list[str]:
    """The values with a feature of their own: all of a few, else the most frequent ones, ties in order of text.

    Of more than FEW_CATEGORIES values at most MOST_CATEGORIES are kept, those with LEAST_ROWS rows and LEAST_SHARE of
    all rows at least.
    """
    if len(counts) <= FEW_CATEGORIES:
        return list(counts)
    least = max(LEAST_ROWS, LEAST_SHARE * rows)
    frequent = [value for value, count in counts.items() if count >= least and value != OTHER]
    return sorted(frequent, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES]


def widest(meaning: Meaning, different: int) -> int:
    """The most features that a column with so many different values can become, its indicator aside."""
    if meaning.kind == "category":
        return min(different, MOST_CATEGORIES + 1)
    return len(DATE_PARTS) if meaning.kind == "date" else 1


def _category_features(column: Column) -> list[str]:
    return [f"{column.name}={value}" for value in (*column.vocabulary, *((OTHER,) if column.other else ()))]


def _write_category(column: Column, table: Table, out: Floats) -> None:
    codes = _codes(column, table)
    if column.other:
        outside = (codes < 0) & table.frame[column.name].notna().to_numpy(dtype=bool)
        codes = np.where(outside, len(column.vocabulary), codes)
    known = np.flatnonzero(codes >= 0)
    out[known, codes[known]] = 1


def _codes(column: Column, table: Table) -> npt.NDArray[np.int64]:
    """Position in the vocabulary `(m,)`, −1 for a missing or unseen value."""
    import pandas as pd

    values = pd.Index(labels(table.frame[column.name]), dtype=object)
    return np.asarray(pd.Index(column.vocabulary, dtype=object).get_indexer(values), dtype=np.int64)


def _see_date(column: Column, table: Table) -> Seen:
    return Seen(moments={part: _moments(values) for part, values in date_parts(column, table).items()})


def _learn_date(column: Column, seen: Seen, rows: int) -> Column:
    """Parts that never vary in training are left out."""
    varying = {part: moments for part, moments in seen.moments.items() if moments.low < moments.high}
    return replace(column, parts=tuple(varying), fills=tuple(moments.mean for moments in varying.values()))


def _write_date(column: Column, table: Table, out: Floats) -> None:
    found = date_parts(column, table)
    for position, (part, fill) in enumerate(zip(column.parts, column.fills, strict=True)):
        out[:, position] = _filled(found[part], fill)


def date_parts(column: Column, table: Table) -> dict[str, Floats]:
    """Each part `(m,)` of the dates, missing = NaN."""
    found = dates(table, column.name, str(column.format))
    missing = np.isnat(found)
    counts = {
        part: part_of(found.astype(f"M8[{unit}]").astype(np.int64)) for part, (unit, part_of) in DATE_PARTS.items()
    }
    return {part: np.where(missing, np.nan, values) for part, values in counts.items()}


KINDS: dict[Kind, _Kind] = {
    "number": _as_one(numbers),
    "boolean": _as_one(truths),
    "category": _Kind(_count, _learn_category, _category_features, _write_category),
    "date": _Kind(
        _see_date, _learn_date, lambda column: [f"{column.name} {part}" for part in column.parts], _write_date
    ),
}
