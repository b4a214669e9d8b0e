"""How one column becomes features, by its kind; what is learned from the training part is plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrun.data.kinds import LEAST_ROWS, Meaning, dates, meaning_of, truths
from nnrun.data.table import Floats, Kind, Table, center_and_scale, labels, numbers

if TYPE_CHECKING:
    import pandas as pd

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

    @classmethod
    def fit(cls, table: Table, name: str, meaning: Meaning | None = None) -> Column:
        """Learn a column from the training rows; raises DataError for a value that does not fit its kind."""
        meaning = meaning or meaning_of(table.frame[name])
        missing = bool(table.frame[name].isna().any())
        start = cls(name, meaning.kind, missing, format=meaning.format)
        return KINDS[meaning.kind].fit(start, table)

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes."""
        found = KINDS[self.kind].features(self)
        return [*found, f"{self.name} is missing"] if self.indicator else found

    def write(self, table: Table, out: Floats) -> None:
        """Fill zeros `(m, number of features)`; raises DataError for a value that does not fit the kind."""
        KINDS[self.kind].write(self, table, out)
        if self.indicator:
            out[:, -1] = table.frame[self.name].isna().to_numpy(dtype=bool)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """The inverse of `to_json`."""
        values: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in data.items()}
        return cls(**values)


class _Kind(NamedTuple):
    """What a kind of column learns, how its features are called, and how they are filled."""

    fit: Callable[[Column, Table], Column]
    features: Callable[[Column], list[str]]
    write: Callable[[Column, Table, Floats], None]


def _mean(values: Floats) -> float:
    present = values[~np.isnan(values)]
    return center_and_scale(present)[0] if len(present) else 0.0


def _filled(values: Floats, fill: float) -> Floats:
    return np.where(np.isnan(values), fill, values)


def _as_one(read: Callable[[Table, str], Floats]) -> _Kind:
    """A kind whose values are numbers: one feature, missing ones at the training mean."""

    def write(column: Column, table: Table, out: Floats) -> None:
        out[:, 0] = _filled(read(table, column.name), column.fills[0])

    return _Kind(
        lambda column, table: replace(column, fills=(_mean(read(table, column.name)),)),
        lambda column: [column.name],
        write,
    )


def _fit_category(column: Column, table: Table) -> Column:
    values = labels(table.frame[column.name]).dropna()
    kept = kept_categories(dict(values.value_counts()), len(table))
    return replace(column, vocabulary=tuple(sorted(kept)), other=len(kept) < values.nunique())


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


def widest(series: pd.Series[Any], meaning: Meaning) -> int:
    """The most features that a column of this meaning can become, its indicator aside."""
    if meaning.kind == "category":
        return min(int(series.nunique()), MOST_CATEGORIES + 1)
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


def _fit_date(column: Column, table: Table) -> Column:
    """Parts that never vary in training are left out."""
    found = date_parts(column, table)
    varying = {part: values for part, values in found.items() if np.unique(values[~np.isnan(values)]).size > 1}
    return replace(column, parts=tuple(varying), fills=tuple(_mean(values) for values in varying.values()))


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
    "category": _Kind(_fit_category, _category_features, _write_category),
    "date": _Kind(_fit_date, lambda column: [f"{column.name} {part}" for part in column.parts], _write_date),
}
