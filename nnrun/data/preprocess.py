"""From columns to one matrix; everything learned from the training part is plain data that a JSON file can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nnrun.data.columns import Column
from nnrun.data.moments import Moments
from nnrun.data.table import Floats, Table

Normalize = Literal["standard", "none"]


@dataclass(frozen=True)
class Preprocessor:
    """Columns, then a shift and a scale for each of the n features they become."""

    columns: tuple[Column, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def unscaled(cls, columns: Iterable[Column]) -> Preprocessor:
        """Features as the columns give them."""
        plain = cls(tuple(columns), (), ())
        return replace(plain, means=(0.0,) * plain.n_features, deviations=(1.0,) * plain.n_features)

    @classmethod
    def standard(cls, columns: Iterable[Column], training: Iterable[Table]) -> Preprocessor:
        """Numbers, booleans and dates with mean 0 and deviation 1 over the training rows, which come piece by piece.

        What marks a category or a gap stays 0 or 1. Divided by its deviation, the mark of a value in one row out of
        a hundred would be 10 where it is set, and the few rows that have it would be learned by heart.
        """
        plain = cls.unscaled(columns)
        moments = [Moments()] * plain.n_features
        for table in training:
            moments = [before + piece for before, piece in zip(moments, plain._moments(table), strict=True)]
        marks = [mark for column in plain.columns for mark in column.marks]
        pairs = [
            (0.0, 1.0) if mark else of_feature.center_and_scale for mark, of_feature in zip(marks, moments, strict=True)
        ]
        return replace(plain, means=tuple(mean for mean, _ in pairs), deviations=tuple(scale for _, scale in pairs))

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

    def _moments(self, table: Table) -> Iterator[Moments]:
        """Of each feature; column by column, as all features together may be many times what the table is."""
        for column in self.columns:
            values = np.zeros((len(table), len(column.features)), order="F")
            column.write(table, values)
            yield from map(Moments.of, values.T)

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
            "columns": [column.to_json() for column in self.columns],
            "features": self.features,
            "means": list(self.means),
            "deviations": list(self.deviations),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preprocessor:
        """The inverse of `to_json`."""
        columns = tuple(Column.from_json(column) for column in data["columns"])
        return cls(columns, tuple(data["means"]), tuple(data["deviations"]))
