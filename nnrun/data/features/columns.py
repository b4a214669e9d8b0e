"""How one column becomes features, by its kind; what is learned from the training part is plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import numpy as np

from nnrun.data.facts.kinds import day_of, truths
from nnrun.data.facts.tallies import Moments
from nnrun.data.features.categories import OTHER, Limits, codes_of, embedding_size, name_of, names_of, pooled
from nnrun.data.features.dates import DATE_PARTS, INSTANT, date_parts
from nnrun.data.features.profile import WrittenProfile, of_counts, of_moments, of_numbers
from nnrun.data.files.spelling import FRACTIONS, are_decimals, are_whole, without_fraction
from nnrun.data.files.table import Table, numbers
from nnrun.data.files.values import Floats, Kind, labels, missing_of
from nnrun.machine.lazily import cached_property

if TYPE_CHECKING:
    import pandas as pd


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

    @cached_property
    def is_whole(self) -> bool:
        """Whether training had whole numbers alone, so that `7.0` is `7`."""
        values = (*self.vocabulary, *self.pooled)
        return bool(values) and are_whole(values)

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """What may stand behind each value of the vocabulary without making another one of it."""
        if self.is_whole:
            return ("", *FRACTIONS)
        return ("", FRACTIONS[0]) if are_decimals((*self.vocabulary, *self.pooled)) else ("",)

    @cached_property
    def stems(self) -> list[str]:
        """The vocabulary without what is among the `ends` of each."""
        return list(self.vocabulary) if len(self.ends) == 1 else [*map(without_fraction, self.vocabulary)]

    @cached_property
    def _names(self) -> dict[str, str]:
        return names_of((*self.vocabulary, *self.pooled), self.ends)

    @property
    def codes(self) -> dict[str, int]:
        """The place in the vocabulary, from 1, by each spelling of a value; 0 for those of rare ones."""
        places = {value: place for place, value in enumerate(self.vocabulary, 1)}
        return {text: places.get(value, 0) for text, value in self._names.items()}

    def label(self, text: str) -> str:
        """What the vocabulary calls a value."""
        name = name_of(self._names, text)
        return name if name is not None else without_fraction(text) if self.is_whole else text

    def labels(self, table: Table) -> pd.Series[Any]:
        """The values `(m,)` of a category as the vocabulary calls them, missing ones left missing."""
        found = labels(table.column(self.name))
        others = {text: name for text in found.dropna().unique() if (name := self.label(text)) != text}
        return found.map(lambda text: others.get(text, text)) if others else found

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

    spelled: Counter[str] = field(default_factory=Counter)
    moments: dict[str, Moments] = field(default_factory=dict)

    @property
    def present(self) -> int:
        """How many rows have a value; each part of a date has as many as the others."""
        return sum(self.spelled.values()) or next((moments.count for moments in self.moments.values()), 0)

    @property
    def counts(self) -> Counter[str]:
        """The rows of each category; where all are whole numbers, `7.0` is no other one than `7`."""
        if not are_whole(self.spelled):
            return self.spelled
        counts = Counter[str]()
        for label, rows in self.spelled.items():
            counts[without_fraction(label)] += rows
        return counts

    def add(self, piece: Seen) -> None:
        """Take in the next piece."""
        self.spelled.update(piece.spelled)
        for name, moments in piece.moments.items():
            self.moments[name] = self.moments[name] + moments if name in self.moments else moments


class _Kind(NamedTuple):
    """What a kind of column learns from pieces, what is kept of it, how its features are called and filled."""

    see: Callable[[Column, Table], Seen]
    learn: Callable[[Column, Seen, int, Limits], Column]
    profile: Callable[[Column, Seen, int, Table], WrittenProfile]  # of so many rows; a sample has quantiles
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
        lambda column, seen, rows, sample: of_numbers(rows, seen.moments[""], read(sample, column.name)),
        lambda column: [column.name],
        write,
    )


def _count(column: Column, table: Table) -> Seen:
    counts = labels(table.column(column.name)).value_counts()
    return Seen(Counter(dict(zip(counts.index.tolist(), counts.tolist(), strict=True))))


def _learn_category(column: Column, seen: Seen, rows: int, limits: Limits) -> Column:
    counts = seen.counts
    embedded = limits.embedded(counts)
    kept = limits.kept(counts, rows) if embedded is None else embedded
    outside = pooled(counts, kept)
    learned = replace(column, vocabulary=tuple(sorted(kept)), other=bool(outside), pooled=outside)
    return learned if embedded is None else replace(learned, embedding=embedding_size(learned.rows))


def _category_features(column: Column) -> list[str]:
    if column.embedding is not None:
        return [column.name]
    return [f"{column.name}={value}" for value in (*column.vocabulary, *((OTHER,) if column.other else ()))]


def _write_category(column: Column, table: Table, out: Floats) -> None:
    codes = codes_of(column.labels(table), column.vocabulary)
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
    "category": _Kind(_count, _learn_category, lambda column, seen, rows, sample: of_counts(rows, seen.counts),
                      _category_features, _write_category),
    "date": _Kind(_see_date, _learn_date, lambda column, seen, rows, sample: of_moments(rows, seen.moments[INSTANT]),
                  lambda column: [f"{column.name} {part}" for part in column.parts], _write_date),
}  # fmt: skip
