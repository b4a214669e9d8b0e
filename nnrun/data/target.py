"""The target column: which task it asks for, and its values as class indices or standardised numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.table import (
    Table,
    center_and_scale,
    check_fits,
    check_numeric,
    fractional,
    is_whole,
    kind_of,
    labels,
    numbers,
    shown,
)
from nnrun.errors import DataError

MAX_AUTO_CLASSES = 20

Task = Literal["classification", "regression"]


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


def check_target(table: Table, name: str) -> None:
    """Raise DataError at the first row without a target, or with an infinite one."""
    missing = table.frame[name].isna().to_numpy(dtype=bool)
    if missing.any():
        count = int(missing.sum())
        raise DataError(
            f"{table.at_cell(table.first(missing), name)}: no value in target column {name!r} "
            f"({count} {'row' if count == 1 else 'rows'} in all); fill them in or remove these rows"
        )
    if kind_of(table.frame[name]) == "number":
        numbers(table, name)


def decide_task(table: Table, name: str, wanted: Literal["auto", "classification", "regression"]) -> Task:
    """The task of the training table; raises DataError if the target cannot serve the wanted one."""
    series = table.frame[name]
    number = kind_of(series) == "number"
    if wanted == "regression" and not number:
        _check_numeric_target(table, name)
    if wanted == "classification" and number and not is_whole(series):
        row = table.first(fractional(series))
        raise DataError(
            f"{table.at_cell(row, name)}: {series[row]} in target column {name!r} is not a class (whole numbers, words "
            "and booleans are); set data.task: regression"
        )
    if wanted != "auto":
        return wanted
    few = is_whole(series) and series.nunique() <= MAX_AUTO_CLASSES
    return "regression" if number and not few else "classification"


def _check_numeric_target(table: Table, name: str) -> None:
    advice = "set data.task: classification, or choose a target of numbers"
    check_numeric(table, name, advice)
    if kind_of(table.frame[name]) == "boolean":
        raise DataError(f"{table.at_column(name)}: target column {name!r} is true or false, not a number; {advice}")


def find_classes(table: Table, name: str) -> tuple[str, ...]:
    """The classes of the training table in order, whole numbers by value; raises DataError if there is only one."""
    series = table.frame[name]
    found: list[str] = list(labels(series).unique())
    if len(found) == 1:
        raise DataError(
            f"{table.at_column(name)}: target column {name!r} has one class only ({shown(found[0])}); "
            "add rows of another class, or choose another target"
        )
    return tuple(sorted(found, key=int) if kind_of(series) == "number" else sorted(found))


def check_varies(table: Table, name: str) -> None:
    """Raise DataError if a number to predict is the same in every row."""
    values = numbers(table, name)
    if values.min() == values.max():
        raise DataError(
            f"{table.at_column(name)}: target column {name!r} is {values[0]:g} in every row; "
            "there is nothing to learn, choose another target"
        )


def fit_target(table: Table, name: str, task: Task, classes: tuple[str, ...] | None) -> Target:
    """Learn mean and deviation of a number from the training rows; classes are taken as they are."""
    if task == "classification":
        return Target(name, task, classes)
    return Target(name, task, None, *center_and_scale(numbers(table, name)))


def _listing(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:10])
    return shown if len(classes) <= 10 else f"{shown}, …"
