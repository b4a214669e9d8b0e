"""What a loop asks for, what it knows of a setting, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import stdev
from typing import NamedTuple

from nnrun.config.values import Settings
from nnrun.improving.changes import Change
from nnrun.improving.record import Measured, StepRecord
from nnrun.runs.means import mean
from nnrun.search.record import TrialRecord

ALL_WRONG = 1.0  # the error of what diverged, and the largest that counts: of a regression that of the mean target


class Ask(NamedTuple):
    """One training: the settings on top of the config, and the number of its seed."""

    settings: Settings
    seed: int


@dataclass(frozen=True, eq=False)
class Standing:
    """A setting that was trained with all seeds, in their order."""

    settings: Settings
    records: Sequence[TrialRecord]

    @property
    def errors(self) -> list[float]:
        """The dev error of each seed; 1 where it has none."""
        return [dev_error(record) for record in self.records]

    @property
    def error(self) -> float:
        """The mean dev error of all seeds."""
        return mean(self.errors)

    @property
    def middle(self) -> TrialRecord:
        """The training in the middle of them, whose diagnosis stands for all."""
        return sorted(self.records, key=rank)[len(self.records) // 2]

    @property
    def best(self) -> TrialRecord:
        """The best single one."""
        return min(self.records, key=rank)

    @property
    def measured(self) -> Measured:
        """The result as it is written."""
        spread = stdev(self.errors) if len(self.errors) > 1 else None
        numbers = [record["number"] for record in self.records]
        return {"settings": self.settings, "dev_error": self.error, "deviation": spread, "trials": numbers}


def rank(record: TrialRecord) -> tuple[bool, float, float, int]:
    """The lower the better: by the dev error, then the dev loss, then the number; what failed comes last."""
    loss = record["final"].get("dev_loss")
    return record["status"] == "failed", dev_error(record), inf if loss is None else loss, record["number"]


def failure(records: Iterable[TrialRecord]) -> str | None:
    """`trial 7 failed: out of memory`, of the first of these that failed; of its setting that says nothing."""
    failed = (record for record in records if record["status"] == "failed")
    return next((f"trial {record['number']} failed: {record['error']}" for record in failed), None)


def dev_error(record: TrialRecord) -> float:
    """The dev error of a training; 1 where it diverged, or came to less than a guess, by however much."""
    error = record["final"].get("dev_error") if record["status"] == "done" else None
    return ALL_WRONG if error is None or not isfinite(error) else min(float(error), ALL_WRONG)


class Teller:
    """Hears how it goes; this one keeps quiet."""

    def baseline(self, start: Standing) -> None:
        """The config as written was trained with all seeds."""

    def trying(self, number: int, change: Change, here: Standing) -> None:
        """A step begins."""

    def step(self, step: StepRecord) -> None:
        """A step has ended."""
