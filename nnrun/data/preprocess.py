"""From columns to one matrix; everything learned from the training part is plain data that a JSON file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.table import Floats, Kind, Table, kind_of, labels, numbers

Normalize = Literal["standard", "none"]


@dataclass(frozen=True)
class Column:
    """How one column becomes one or more features, as its training part has it.

    A missing number becomes `fill`, the training mean; a missing category or one outside the vocabulary becomes all
    zeros. `indicator` adds a feature that is 1 where the value is missing.
    """

    name: str
    kind: Kind
    fill: float
    vocabulary: tuple[str, ...]
    indicator: bool

    @classmethod
    def fit(cls, table: Table, name: str) -> Column:
        """Learn a column from the training rows; raises DataError for an infinite number."""
        series = table.frame[name]
        kind, missing = kind_of(series), bool(series.isna().any())
        if kind == "category":
            return cls(name, kind, 0.0, tuple(sorted(labels(series).dropna().unique())), missing)
        values = numbers(table, name)
        present = values[~np.isnan(values)]
        return cls(name, kind, center_and_scale(present)[0] if len(present) else 0.0, (), missing)

    @property
    def features(self) -> list[str]:
        """Names of the features that the column becomes."""
        values = [f"{self.name}={value}" for value in self.vocabulary] if self.kind == "category" else [self.name]
        return [*values, f"{self.name} is missing"] if self.indicator else values

    def write(self, table: Table, out: Floats) -> None:
        """Fill zeros `(m, number of features)`; raises DataError for a cell that is no finite number."""
        missing = table.frame[self.name].isna().to_numpy(dtype=bool)
        if self.kind == "category":
            codes = self._codes(table)
            known = np.flatnonzero(codes >= 0)
            out[known, codes[known]] = 1
        else:
            out[:, 0] = np.where(missing, self.fill, numbers(table, self.name))
        if self.indicator:
            out[:, -1] = missing

    def _codes(self, table: Table) -> npt.NDArray[np.int64]:
        """Position in the vocabulary `(m,)`, −1 for a missing or unseen value."""
        import pandas as pd

        values = pd.Index(labels(table.frame[self.name]), dtype=object)
        return np.asarray(pd.Index(self.vocabulary, dtype=object).get_indexer(values), dtype=np.int64)


@dataclass(frozen=True)
class Preprocessor:
    """Columns, then a shift and a scale for each of the n features they become."""

    columns: tuple[Column, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def fit(cls, table: Table, normalize: Normalize = "standard") -> Preprocessor:
        """Learn from the training rows alone; raises DataError for an infinite number."""
        columns = tuple(Column.fit(table, name) for name in table.columns)
        plain = cls(columns, (), ())
        if normalize == "none":
            return cls(columns, (0.0,) * plain.n_features, (1.0,) * plain.n_features)
        pairs = [center_and_scale(values) for values in plain._unscaled(table).T]
        return cls(columns, tuple(mean for mean, _ in pairs), tuple(deviation for _, deviation in pairs))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def features(self) -> list[str]:
        """Names of the features, in the order of the matrix's columns."""
        return [feature for column in self.columns for feature in column.features]

    def transform(self, table: Table) -> Floats:
        """The features as float64 `(m, n)`; the table needs the fitted columns, in any order, and may have more.

        Numbers at the very end of float64's range may come out infinite. Raises DataError for a cell that is no
        finite number in a column of numbers.
        """
        out = self._unscaled(table)
        with np.errstate(over="ignore", invalid="ignore"):
            out -= np.array(self.means)
            out /= np.array(self.deviations)
        return out

    def _unscaled(self, table: Table) -> Floats:
        out = np.zeros((len(table), self.n_features))
        start = 0
        for column in self.columns:
            stop = start + len(column.features)
            column.write(table, out[:, start:stop])
            start = stop
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain data: columns, features, means and deviations."""
        return {
            "columns": [asdict(column) | {"vocabulary": list(column.vocabulary)} for column in self.columns],
            "features": self.features,
            "means": list(self.means),
            "deviations": list(self.deviations),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocessor:
        """The inverse of `to_json`."""
        columns = [Column(**{**column, "vocabulary": tuple(column["vocabulary"])}) for column in data["columns"]]
        return cls(tuple(columns), tuple(data["means"]), tuple(data["deviations"]))


def center_and_scale(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of `(m,)`; the value itself and 1 where all are equal, so that nothing blows up."""
    if values.min() == values.max():
        return float(values[0]), 1.0
    # Squares of very large or small numbers leave the range of float64; a power of two costs no bits.
    exponent = int(np.frexp(np.abs(values).max())[1])
    scaled = np.ldexp(values, -exponent)
    return float(np.ldexp(scaled.mean(), exponent)), float(np.ldexp(scaled.std(), exponent))
