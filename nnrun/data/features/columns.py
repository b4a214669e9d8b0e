"""How one column becomes features, by its kind; what is learned from the training part is plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np

from nnrun.data.facts.kinds import Meaning, day_of, truths
from nnrun.data.facts.tallies import Moments
from nnrun.data.features.categories import OTHER, USUAL, Limits, codes_of, embedding_size, notices_of, pooled
from nnrun.data.features.dates import DATE_PARTS, INSTANT, date_parts
from nnrun.data.features.profile import NUMBERS, WrittenProfile, of_counts, of_moments, of_numbers
from nnrun.data.files.table import Table, numbers
from nnrun.data.files.values import Floats, Kind, labels, missing_of


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
    pooled: NotRequired[list[str]]
    embedding: NotRequired[int]


@dataclass(frozen=True)
class Column:
    """How one column becomes features, as its training part has it.

    `fills` stand in for missing values: the training mean of a number or boolean, and of each part of a date. A
    category becomes one feature for each value of the vocabulary; a missing one is all zeros, and so is a value
    outside the vocabulary unless `other` adds a feature for those; `pooled` are the ones of these that training had, as
    far as they are kept by name. `parts` are what is taken from a date, `format` is how its text is read. `indicator`
    adds a feature that is 1 where the value is missing.

    A category with an `embedding` becomes one feature, the row of a matrix with so many numbers a row: 0 for a value
    outside the vocabulary, then one for each value of it, then one for missing values if there is an indicator.
    """

    name: str
    kind: Kind
    indicator: bool = False
    fills: tuple[float, ...] = ()
    vocabulary: tuple[str, ...] = ()
    other: bool = False
    parts: tuple[str, ...] = ()
    format: str | None = None
    pooled: tuple[str, ...] = ()
    embedding: int | None = None

    @property
    def rows(self) -> int:
        """Of the embedding."""
        return 1 + len(self.vocabulary) + self.indicator

    @property
    def marks_gaps(self) -> bool:
        """Whether a feature of its own says that the value is missing."""
        return self.indicator and self.embedding is None

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes."""
        found = KINDS[self.kind].features(self)
        return [*found, f"{self.name} is missing"] if self.marks_gaps else found

    @property
    def marks(self) -> list[bool]:
        """Which of the features stay as they are: marks and codes of a category, and the mark of missing values."""
        values = [self.kind == "category"] * (len(self.features) - self.marks_gaps)
        return [*values, *([True] if self.marks_gaps else [])]

    def write(self, table: Table, out: Floats) -> None:
        """Fill zeros `(m, number of features)`; raises DataError for a value that does not fit the kind."""
        KINDS[self.kind].write(self, table, out)
        if self.marks_gaps:
            out[:, -1] = missing_of(table.column(self.name))

    def to_json(self) -> WrittenColumn:
        """Plain data."""
        written: WrittenColumn = {
            "name": self.name,
            "kind": self.kind,
            "indicator": self.indicator,
            "fills": list(self.fills),
            "vocabulary": list(self.vocabulary),
            "other": self.other,
            "parts": list(self.parts),
            "format": self.format,
        }
        if self.pooled:
            written["pooled"] = list(self.pooled)
        if self.embedding is not None:
            written["embedding"] = self.embedding
        return written

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
            tuple(column.get("pooled", ())),
            column.get("embedding"),
        )


@dataclass
class Seen:
    """What pieces of a column add up to: rows of each category, or moments of each number that it becomes."""

    counts: Counter[str] = field(default_factory=Counter)
    moments: dict[str, Moments] = field(default_factory=dict)

    @property
    def present(self) -> int:
        """How many rows have a value; each part of a date has as many as the others."""
        return sum(self.counts.values()) or next((moments.count for moments in self.moments.values()), 0)

    def add(self, piece: Seen) -> None:
        """Take in the next piece."""
        self.counts.update(piece.counts)
        for name, moments in piece.moments.items():
            self.moments[name] = self.moments[name] + moments if name in self.moments else moments


class Learner:
    """Learns a column from the training rows, piece by piece; its meaning may be decided by more rows than these."""

    def __init__(self, name: str, meaning: Meaning, limits: Limits = USUAL) -> None:
        self._start, self._limits = Column(name, meaning.kind, format=meaning.format), limits
        self._rows = 0
        self._seen = Seen()

    def see(self, table: Table) -> None:
        """Take in the next rows; raises DataError for a value that does not fit the column's kind."""
        self._rows += len(table)
        self._seen.add(KINDS[self._start.kind].see(self._start, table))

    @property
    def column(self) -> Column:
        """The column as all rows seen so far have it."""
        start = replace(self._start, indicator=self._seen.present < self._rows)
        return KINDS[start.kind].learn(start, self._seen, self._rows, self._limits)

    def profile(self, sample: Table) -> WrittenProfile:
        """What the column is like in all rows seen so far, with quantiles of a sample of them."""
        name, kind = self._start.name, self._start.kind
        if kind == "category":
            return of_counts(self._rows, self._seen.counts)
        if kind == "date":
            return of_moments(self._rows, self._seen.moments[INSTANT])
        return of_numbers(self._rows, self._seen.moments[""], NUMBERS[kind](sample, name))

    @property
    def notices(self) -> list[str]:
        """What was decided about the values of a category."""
        column = self.column
        return notices_of(column.name, self._seen.counts, column.vocabulary, column.embedding)

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
    learn: Callable[[Column, Seen, int, Limits], Column]
    features: Callable[[Column], list[str]]
    write: Callable[[Column, Table, Floats], None]


def _moments(values: Floats) -> Moments:
    missing = np.isnan(values)
    return Moments.of(values[~missing] if missing.any() else values)


def _filled(values: Floats, fill: float) -> Floats:
    missing = np.isnan(values)
    return np.where(missing, fill, values) if missing.any() else values


def _as_one(read: Callable[[Table, str], Floats]) -> _Kind:
    """A kind whose values are numbers: one feature, missing ones at the training mean."""

    def write(column: Column, table: Table, out: Floats) -> None:
        out[:, 0] = _filled(read(table, column.name), column.fills[0])

    return _Kind(
        lambda column, table: Seen(moments={"": _moments(read(table, column.name))}),
        lambda column, seen, rows, limits: replace(column, fills=(seen.moments[""].mean,)),
        lambda column: [column.name],
        write,
    )


def _count(column: Column, table: Table) -> Seen:
    counts = labels(table.column(column.name)).value_counts()
    return Seen(Counter(dict(zip(counts.index.tolist(), counts.tolist(), strict=True))))


def _learn_category(column: Column, seen: Seen, rows: int, limits: Limits) -> Column:
    embedded = limits.embedded(seen.counts)
    kept = limits.kept(seen.counts, rows) if embedded is None else embedded
    outside = pooled(seen.counts, kept)
    learned = replace(column, vocabulary=tuple(sorted(kept)), other=bool(outside), pooled=outside)
    return learned if embedded is None else replace(learned, embedding=embedding_size(learned.rows))


def _category_features(column: Column) -> list[str]:
    if column.embedding is not None:
        return [column.name]
    return [f"{column.name}={value}" for value in (*column.vocabulary, *((OTHER,) if column.other else ()))]


def _write_category(column: Column, table: Table, out: Floats) -> None:
    codes = codes_of(labels(table.column(column.name)), column.vocabulary)
    if column.embedding is not None:
        out[:, 0] = codes + 1
        if column.indicator:
            out[missing_of(table.column(column.name)), 0] = column.rows - 1
        return
    if column.other:
        outside = (codes < 0) & ~missing_of(table.column(column.name))
        codes = np.where(outside, len(column.vocabulary), codes)
    known = np.flatnonzero(codes >= 0)
    out[known, codes[known]] = 1


def _see_date(column: Column, table: Table) -> Seen:
    """Minutes count where there is no date: of a moment among many days they tell next to nothing."""
    found = date_parts(table, column.name, str(column.format))
    if day_of(str(column.format)):
        del found["minute"]
    return Seen(moments={part: _moments(values) for part, values in found.items()})


def _learn_date(column: Column, seen: Seen, rows: int, limits: Limits) -> Column:
    """Parts that never vary in training are left out."""
    varying = {part: seen.moments[part] for part in DATE_PARTS if part in seen.moments}
    varying = {part: moments for part, moments in varying.items() if moments.low < moments.high}
    return replace(column, parts=tuple(varying), fills=tuple(moments.mean for moments in varying.values()))


def _write_date(column: Column, table: Table, out: Floats) -> None:
    found = date_parts(table, column.name, str(column.format))
    for position, (part, fill) in enumerate(zip(column.parts, column.fills, strict=True)):
        out[:, position] = _filled(found[part], fill)


KINDS: dict[Kind, _Kind] = {
    "number": _as_one(numbers),
    "boolean": _as_one(truths),
    "category": _Kind(_count, _learn_category, _category_features, _write_category),
    "date": _Kind(
        _see_date, _learn_date, lambda column: [f"{column.name} {part}" for part in column.parts], _write_date
    ),
}
