"""What epochs and trials are compared by, and what early stopping counts, as plain numbers.

It stands alone so that who reads them loads no NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

HIGHER_IS_BETTER = {"auc", "average_precision", "f1", "r2"}  # of `METRICS`; less is better of all others


class Counters(TypedDict):
    """Of an EarlyStopping of one member."""

    reference: list[list[float | None]]  # the two scores to be bettered, `(1, 2)`; in JSON an infinite one is null
    waited: list[int]  # epochs since then, `(1,)`


def to_minimise(name: str, value: Any) -> Any:
    """A metric's number, or an array of them, with the sign that makes less better."""
    return -value if name in HIGHER_IS_BETTER else value


def usual_loss(task: str) -> str:
    """What `training.loss: auto` is."""
    return "cross_entropy" if task == "classification" else "squared_error"


@dataclass(frozen=True)
class Objective:
    """What trials are compared by, as `search.metric` is written: `dev_error`, or `-dev_auc` where more is better."""

    written: str

    @classmethod
    def of(cls, primary: str) -> Objective:
        """What a search has where the primary metric decides."""
        return cls(f"-dev_{primary}" if primary in HIGHER_IS_BETTER else f"dev_{primary}")

    @property
    def maximised(self) -> bool:
        """Whether more is better."""
        return self.written.startswith("-")

    @property
    def sign(self) -> int:
        """A number times this is what is minimised, and what is minimised times this the number as it is read."""
        return -1 if self.maximised else 1

    @property
    def key(self) -> str:
        """The name among the numbers of a run: `dev_auc`."""
        return self.written.removeprefix("-")

    @property
    def part(self) -> str:
        """What it is measured on: `dev`; the cost, which is of no part, stands here."""
        return self.key.partition("_")[0]

    @property
    def name(self) -> str:
        """The metric alone: `auc`; empty of the cost."""
        return self.key.partition("_")[2]


def primary_keys(primary: str) -> tuple[str, str]:
    """The columns of the dev set that decide between epochs: the primary metric, then what decides where it is level.

    Error and loss decide for each other, the loss decides for all others.
    """
    return f"dev_{primary}", "dev_error" if primary == "loss" else "dev_loss"


def scores_of_row(row: Mapping[str, float | None], primary: str) -> tuple[float, float]:
    """What an epoch's record is compared by, less is better; what is unknown is infinitely bad."""
    first, second = (row.get(key) for key in primary_keys(primary))
    infinite = float("inf")
    return (
        infinite if first is None else to_minimise(primary, first),
        infinite if second is None else second,
    )
