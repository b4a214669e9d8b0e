"""The target column: which task it asks for, and its values as class indices or standardised numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.codes import Coded
from nnrun.data.facts import ColumnFacts
from nnrun.data.moments import Moments
from nnrun.data.table import Table, check_fits, fractional, kind_of, labels, numbers, shown
from nnrun.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_AUTO_CLASSES = 20

Task = Literal["classification", "regression"]
Wanted = Literal["auto", "classification", "regression"]


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


class TargetFacts:
    """What decides between the tasks; labels are kept as long as the target may be one of classes."""

    def __init__(self, column: ColumnFacts, wanted: Wanted) -> None:
        self.column, self.name, self.wanted = column, column.name, wanted
        self.infinite: DataError | None = None
        self.fraction: tuple[str, Any] | None = None  # the first number that is not whole: its place, its value
        self.low, self.high = np.inf, -np.inf
        self.labels: Coded | None = Coded() if wanted != "regression" else None

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        series = table.frame[self.name]
        if kind_of(series) == "number":
            self._see_numbers(table, series.dropna())
        if self.labels is not None:
            self.labels.see(labels(series))

    def _see_numbers(self, table: Table, present: pd.Series[Any]) -> None:
        try:
            numbers(table, self.name)
        except DataError as error:
            self.infinite = self.infinite or error
        if len(present):
            self.low, self.high = min(self.low, float(present.min())), max(self.high, float(present.max()))
        fractions = fractional(present)
        if fractions.any() and self.fraction is None:
            row = int(present.index[int(np.argmax(fractions))])
            self.fraction = table.at_cell(row, self.name), present[row]
        if self.fraction or (self.wanted == "auto" and not self.few):
            self.labels = None

    @property
    def few(self) -> bool:
        """Whether there are no more different labels than classes usually have."""
        return self.labels is not None and len(self.labels.index) <= MAX_AUTO_CLASSES

    def check(self) -> None:
        """Raise DataError at the first row without a target, or with an infinite one."""
        if count := self.column.missing:
            raise DataError(
                f"{self.column.first_missing}: no value in target column {self.name!r} "
                f"({count} {'row' if count == 1 else 'rows'} in all); fill them in or remove these rows"
            )
        if self.column.kind == "number" and self.infinite:
            raise self.infinite

    def decide_task(self, place: str) -> Task:
        """The task of the training source; raises DataError if the target, at `place`, cannot serve the wanted one."""
        number = self.column.kind == "number"
        if self.wanted == "regression" and not number:
            self._check_numeric(place)
        if self.wanted == "classification" and number and self.fraction:
            where, value = self.fraction
            raise DataError(
                f"{where}: {value} in target column {self.name!r} is not a class (whole numbers, words "
                "and booleans are); set data.task: regression"
            )
        if self.wanted != "auto":
            return self.wanted
        return "regression" if number and not self.few else "classification"

    def _check_numeric(self, place: str) -> None:
        advice = "set data.task: classification, or choose a target of numbers"
        if self.column.slips:
            where, text = self.column.first_slip
            raise DataError(f"{where}: {shown(text)} in column {self.name!r} is not a number; {advice}")
        if self.column.kind == "boolean":
            raise DataError(f"{place}: target column {self.name!r} is true or false, not a number; {advice}")

    def find_classes(self, place: str) -> tuple[str, ...]:
        """The classes of the training source, whole numbers by value; raises DataError if there is only one."""
        found = [str(label) for label in self.labels.index] if self.labels else []
        if len(found) == 1:
            raise DataError(
                f"{place}: target column {self.name!r} has one class only ({shown(found[0])}); "
                "add rows of another class, or choose another target"
            )
        return tuple(sorted(found, key=int) if self.column.kind == "number" else sorted(found))

    def check_varies(self, place: str) -> None:
        """Raise DataError if a number to predict is the same in every row."""
        if self.low == self.high:
            raise DataError(
                f"{place}: target column {self.name!r} is {self.low:g} in every row; "
                "there is nothing to learn, choose another target"
            )


def check_target(table: Table, name: str) -> None:
    """Raise DataError at the first row of a table without a target, or with an infinite one."""
    facts = TargetFacts(ColumnFacts.of(table, name), "regression")
    facts.see(table)
    facts.check()


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


def _listing(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:10])
    return shown if len(classes) <= 10 else f"{shown}, …"
