"""The target: what it is, what is learned of it from the training rows, and what the network is given."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.tallies import Moments
from nnrun.data.features.profile import WrittenProfile, of_counts, of_numbers
from nnrun.data.files.spelling import composed_otherwise, in_code_points
from nnrun.data.files.table import Table, check_fits, numbers, refuse_first
from nnrun.data.files.values import Floats, Kind, label_codes
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.text import shown

Transform = Literal["log"]

LEARNED_AS_LOG = (
    "the logarithm of the target is learned: error and loss are those of the logarithm, r2, mae and rmse and what is "
    "predicted are in the target's own unit"
)
LARGEST_LOG = math.log(sys.float_info.max)  # beyond which a wild output would be infinite


class WrittenTarget(TypedDict):
    """The target's column as data.json has it; mean and deviation of a number in training, 0 and 1 for classes."""

    name: str
    kind: NotRequired[Kind]
    mean: float
    deviation: float
    transform: NotRequired[Transform]


@dataclass(frozen=True)
class Target:
    """The target column: classes in order, or None and the training mean and deviation of a number.

    With the transform `log` they are those of its logarithm, which the network learns.
    """

    name: str
    task: Task
    classes: tuple[str, ...] | None
    mean: float = 0.0
    deviation: float = 1.0
    transform: Transform | None = None

    def to_json(self, kind: Kind) -> WrittenTarget:
        """Plain data, of a column of this kind."""
        written: WrittenTarget = {"name": self.name, "kind": kind, "mean": self.mean, "deviation": self.deviation}
        return {**written, "transform": self.transform} if self.transform else written

    @property
    def is_log(self) -> bool:
        """Whether the network learns the logarithm."""
        return self.transform == "log"

    def own(self, standard: npt.NDArray[Any]) -> Floats:
        """From standardised values of any shape to the target's own unit, in float64."""
        values: Floats = standard.astype(np.float64) * self.deviation + self.mean
        return np.exp(np.minimum(values, LARGEST_LOG)) if self.is_log else values

    @np.errstate(over="ignore", invalid="ignore")  # predictions that are beyond are told where they are given out
    def in_units_of(self, other: Target, standard: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Standardised values of any shape in deviations of another, which learned from other rows."""
        if (self.mean, self.deviation) == (other.mean, other.deviation):
            return standard
        values: npt.NDArray[Any] = (standard * self.deviation + (self.mean - other.mean)) / other.deviation
        return values

    def as_learned(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the target's own unit back to what the network learns, not standardised.

        Predictions that are 0 because float64 ends, or almost 0, are taken for its smallest number.
        """
        return np.log(np.maximum(values, sys.float_info.min)) if self.is_log else values

    def beyond(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Which predictions `(m,)` in the target's own unit have a logarithm that float64 has no number for."""
        if not self.is_log:
            return np.zeros(len(values), dtype=np.bool_)
        return np.asarray((values == 0) | (values >= np.exp(LARGEST_LOG)))

    def learned(self, table: Table) -> Floats:
        """What the network learns of a number, not yet standardised `(m,)`; DataError at the first that cannot be."""
        values = numbers(table, self.name)
        if not self.is_log:
            return values
        unfit = values <= 0
        refuse_first(table, self.name, unfit, "is not above 0, and has no logarithm (data.target_transform)")
        return np.log(values)

    def encode(self, table: Table, dtype: str) -> npt.NDArray[Any]:
        """Class indices `(m,)` int64, or standardised values `(m, 1)`; raises DataError for an unknown class."""
        if self.classes is None:
            with np.errstate(over="ignore", invalid="ignore"):
                standard = ((self.learned(table) - self.mean) / self.deviation).astype(dtype).reshape(-1, 1)
            check_fits(table, standard, [self.name])
            return standard
        places, names = label_codes(table.column(self.name))
        index = {label: code for code, label in enumerate(self.classes)}
        known = np.array([*(index.get(name, -1) for name in names), -1], dtype=np.int64)
        codes: npt.NDArray[np.int64] = known[places]
        if codes.min() < 0:
            row = int(np.argmin(codes))
            place = table.at_cell(table.first(codes < 0), self.name)
            raise DataError(
                f"{place}: class {_told_apart(names[places[row]], self.classes)} does not occur in the training part "
                f"({_listing(self.classes)}); correct it, or add rows of it there"
            )
        return codes


def _told_apart(name: str, classes: tuple[str, ...]) -> str:
    """A name that is none of the classes, in a way that it does not look like one of them."""
    return in_code_points(name) if composed_otherwise([name], classes) else shown(name)


def _listing(classes: tuple[str, ...]) -> str:
    first = ", ".join(classes[:10])
    return first if len(classes) <= 10 else f"{first}, …"


class TargetLearner:
    """Learns mean and deviation of a number from the training rows, piece by piece; classes are taken as they are."""

    def __init__(
        self, name: str, task: Task, classes: tuple[str, ...] | None, transform: Transform | None = None
    ) -> None:
        self._start = Target(name, task, classes, transform=transform)
        self._moments = self._own = Moments()
        self._rows = Counter[str]()

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        if self._start.classes is None:
            self._moments += Moments.of(self._start.learned(table))
            self._own += Moments.of(numbers(table, self._start.name))
        else:
            codes, names = label_codes(table.column(self._start.name))
            for name, rows in zip(names, np.bincount(codes[codes >= 0], minlength=len(names)), strict=True):
                self._rows[name] += int(rows)

    @property
    def class_rows(self) -> dict[str, int]:
        """How many rows of each class there were."""
        return {name: int(self._rows[name]) for name in self._start.classes or ()}

    def profile(self, sample: Table) -> WrittenProfile:
        """What the target is like in all rows seen so far, with quantiles of a sample of them."""
        if self._start.classes is not None:
            return of_counts(self._rows.total(), self._rows)
        return of_numbers(self._own.count, self._own, numbers(sample, self._start.name))

    @property
    def target(self) -> Target:
        """The target as all rows seen so far have it."""
        if self._start.classes is not None:
            return self._start
        mean, deviation = self._moments.center_and_scale
        return replace(self._start, mean=mean, deviation=deviation)
