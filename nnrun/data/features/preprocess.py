"""From columns to one matrix; everything learned from the training part is plain data that a JSON file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nnrun.data.features.columns import Column, Learner
from nnrun.data.files.table import Floats, Table

Normalize = Literal["standard", "none"]


@dataclass(frozen=True)
class Preprocessor:
    """Columns, then a shift and a scale for each of the n features they become."""

    columns: tuple[Column, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def learned(cls, learners: Sequence[Learner], normalize: Normalize) -> Preprocessor:
        """What was learned from the training rows; `standard` gives numbers and dates mean 0 and deviation 1 there."""
        columns = tuple(learner.column for learner in learners)
        plain = [(0.0, 1.0)] * sum(len(column.features) for column in columns)
        scales = [pair for learner in learners for pair in learner.scales] if normalize == "standard" else plain
        return cls(columns, tuple(mean for mean, _ in scales), tuple(scale for _, scale in scales))

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
