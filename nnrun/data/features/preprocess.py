"""From columns to one matrix, and from the target to classes or numbers; what is learned for it is plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.tallies import Moments
from nnrun.data.features.columns import Column, Learner, WrittenColumn
from nnrun.data.files.table import Floats, Table, check_fits, label_codes, numbers
from nnrun.engine.embedding import Embedding
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.text import shown

Normalize = Literal["standard", "none"]


class WrittenFeatures(TypedDict):
    """The features as data.json has them: the columns, and the name, mean and deviation of each of n features."""

    columns: list[WrittenColumn]
    features: list[str]
    means: list[float]
    deviations: list[float]


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

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        """The features that are codes, and what each becomes in a network."""
        owners = [column for column in self.columns for _ in column.features]
        return tuple(Embedding(k, own.rows, own.embedding) for k, own in enumerate(owners) if own.embedding is not None)

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
        out = np.zeros((self.n_features, len(table))).T  # columns are written as they lie, one after the other
        start = 0
        for column in self.columns:
            stop = start + len(column.features)
            column.write(table, out[:, start:stop])
            start = stop
        return out

    def to_json(self) -> WrittenFeatures:
        """Plain data."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "features": self.features,
            "means": list(self.means),
            "deviations": list(self.deviations),
        }

    @classmethod
    def from_json(cls, written: WrittenFeatures) -> Preprocessor:
        """The inverse of `to_json`."""
        columns = tuple(Column.from_json(column) for column in written["columns"])
        return cls(columns, tuple(written["means"]), tuple(written["deviations"]))


@dataclass(frozen=True)
class Target:
    """The target column: classes in order, or None and the training mean and deviation of a number."""

    name: str
    task: Task
    classes: tuple[str, ...] | None
    mean: float = 0.0
    deviation: float = 1.0

    def encode(self, table: Table, dtype: str) -> npt.NDArray[Any]:
        """Class indices `(m,)` int64, or standardised values `(m, 1)`; raises DataError for an unknown class."""
        if self.classes is None:
            with np.errstate(over="ignore", invalid="ignore"):
                standard = ((numbers(table, self.name) - self.mean) / self.deviation).astype(dtype).reshape(-1, 1)
            check_fits(table, standard, [self.name])
            return standard
        places, names = label_codes(table.frame[self.name])
        index = {label: code for code, label in enumerate(self.classes)}
        known = np.array([*(index.get(name, -1) for name in names), -1], dtype=np.int64)
        codes: npt.NDArray[np.int64] = known[places]
        if codes.min() < 0:
            row = int(np.argmin(codes))
            place = table.at_cell(table.first(codes < 0), self.name)
            raise DataError(
                f"{place}: class {shown(names[places[row]])} does not occur in the training part "
                f"({_listing(self.classes)}); correct it, or add rows of it there"
            )
        return codes


def _listing(classes: tuple[str, ...]) -> str:
    first = ", ".join(classes[:10])
    return first if len(classes) <= 10 else f"{first}, …"


class TargetLearner:
    """Learns mean and deviation of a number from the training rows, piece by piece; classes are taken as they are."""

    def __init__(self, name: str, task: Task, classes: tuple[str, ...] | None) -> None:
        self._start = Target(name, task, classes)
        self._moments = Moments()
        self._rows = Counter[str]()

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        if self._start.classes is None:
            self._moments += Moments.of(numbers(table, self._start.name))
        else:
            codes, names = label_codes(table.frame[self._start.name])
            for name, rows in zip(names, np.bincount(codes[codes >= 0], minlength=len(names)), strict=True):
                self._rows[name] += int(rows)

    @property
    def class_rows(self) -> dict[str, int]:
        """How many rows of each class there were."""
        return {name: int(self._rows[name]) for name in self._start.classes or ()}

    @property
    def target(self) -> Target:
        """The target as all rows seen so far have it."""
        if self._start.classes is not None:
            return self._start
        mean, deviation = self._moments.center_and_scale
        return replace(self._start, mean=mean, deviation=deviation)
