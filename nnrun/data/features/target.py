"""The target column: which task it asks for, and its values as class indices or standardised numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.survey import _listing
from nnrun.data.facts.tallies import Moments
from nnrun.data.files.table import Table, check_fits, labels, numbers
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.text import shown


@dataclass(frozen=True)
class Target:
    """Classes in order, or None and the training mean and deviation of a number."""

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
        values = labels(table.frame[self.name]).to_numpy(dtype=object)
        index = {label: code for code, label in enumerate(self.classes)}
        codes = np.array([index.get(value, -1) for value in values], dtype=np.int64)
        if codes.min() < 0:
            row = int(np.argmin(codes))
            raise DataError(
                f"{table.at_cell(table.first(codes < 0), self.name)}: class {shown(values[row])} does not occur in the "
                f"training part ({_listing(self.classes)}); correct it, or add rows of it there"
            )
        return codes


class TargetLearner:
    """Learns mean and deviation of a number from the training rows, piece by piece; classes are taken as they are."""

    def __init__(self, name: str, task: Task, classes: tuple[str, ...] | None) -> None:
        self._start = Target(name, task, classes)
        self._moments = Moments()

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        if self._start.classes is None:
            self._moments += Moments.of(numbers(table, self._start.name))

    @property
    def target(self) -> Target:
        """The target as all rows seen so far have it."""
        if self._start.classes is not None:
            return self._start
        mean, deviation = self._moments.center_and_scale
        return replace(self._start, mean=mean, deviation=deviation)
