"""Ending trials early: those that fall behind, by the median stopping rule, and those whose rung is over.

Golovin et al., Google Vizier: A Service for Black-Box Optimization, KDD 2017. There a trial is compared with whatever
has finished, which would make the result hang on the number of workers; here with the trials whose numbers lie in the
first half of those before it, once all of these have ended.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnrun.config.changes import at
from nnrun.config.config import Config
from nnrun.config.values import Tree
from nnrun.search.record import TrialRecord

GROUP = 6  # trials are taken into account so many at a time, as a median of fewer says too little
FEWEST = 5  # of them that have trained, for a median
LOWEST = -1e308  # finite, as it goes to other machines as JSON
UNTOUCHED = 0.25  # of the epochs: what is slow at first may still win

EpochLimits = list[float | None]  # epoch by epoch, the best score so far above which a trial ends; None: it goes on


def judged_by(number: int) -> int:
    """How many trials, from 0 on, decide on the trial of this number."""
    return number // 2 // GROUP * GROUP


def first_epoch(epochs: int) -> int:
    """After which the first trials may end."""
    return max(1, math.ceil(UNTOUCHED * epochs))


def end_of_rung(config: Config, epochs: int) -> EpochLimits:
    """What ends a trial after so many of the epochs that its config plans; empty where none is left.

    No score is as low as this. A change in the next epoch has the trial go on for that one, and then it ends.
    """
    if epochs >= config.training.epochs:
        return []
    return [None] * (epochs - 1) + [LOWEST] * (1 + len(config.training.changes))


def limited(config: Config, epochs: int | None, skips_stopped: bool) -> tuple[Tree, EpochLimits]:
    """The values of a config that trains for so many epochs, and what ends it then where the config plans more.

    It plans all where they shape the schedule. Where no trial goes on that early stopping has ended, it does so too if
    that may end this one, which is then a training to its end like any other.
    """
    values = config.resolved()
    if epochs is None:
        return values, []
    stages = [at(config, epoch) for epoch in (1, *config.training.changes)]
    may_stop = any(stage.regularization.early_stopping for stage in stages)
    if (skips_stopped and may_stop) or any(stage.optimizer.schedule.build().needs_total for stage in stages):
        return values, end_of_rung(config, epochs)
    values["training"]["epochs"] = epochs
    return values, []


def heading(epochs: int | None) -> list[str]:
    """What the rule will do, for the screen before the first trial; None where each trial has epochs of its own."""
    if epochs is not None and first_epoch(epochs) >= epochs:
        return ["note     search.prune: no trial has epochs enough to be ended early"]
    first = f"{UNTOUCHED:.0%} of its epochs" if epochs is None else f"epoch {first_epoch(epochs)}"
    return [f"prune    trials behind the median of earlier ones, from trial {2 * GROUP} and {first}"]


class Median:
    """Hears of all trials, and tells which may begin and what they have to reach."""

    def __init__(self, given: int) -> None:
        """The first `given` trials were asked for by the user, and train to their end."""
        self.given = given
        self._curves: dict[int, NDArray[np.float64]] = {}  # best score so far, epoch by epoch
        self._ended: set[int] = set()
        self._settled = 0  # all trials with lower numbers have ended
        self._latest: tuple[int, list[float]] = 0, []  # of how many trials, and their medians epoch by epoch

    def tell(self, record: TrialRecord) -> None:
        """How a trial went; one without a result says nothing, one that was ended early what it had reached by then."""
        self._ended.add(record["number"])
        while self._settled in self._ended:
            self._ended.remove(self._settled)
            self._settled += 1
        scores = np.array(record.get("scores", record["curve"]), float)
        if record["status"] == "done" and len(scores):
            self._curves[record["number"]] = np.fmin.accumulate(scores)

    def ready(self, number: int) -> bool:
        """Whether all have ended that decide on this trial."""
        return self._settled >= judged_by(number)

    def ceilings(self, number: int, epochs: int) -> EpochLimits:
        """What a trial of so many epochs has to reach when it is ready; empty where nothing ends it.

        It is left alone for its first ones, and in the last one nothing is left to be spared.
        """
        count = 0 if number < self.given else judged_by(number)
        if self._latest[0] != count:
            self._latest = count, self._medians(count)
        medians, first = self._latest[1], first_epoch(epochs)
        medians = medians[: epochs - 1] + medians[-1:] * (epochs - 1 - len(medians))
        return [median if epoch >= first else None for epoch, median in enumerate(medians, start=1)]

    def _medians(self, count: int) -> list[float]:
        """Of what trials had reached after each epoch; one that has ended counts with what it had come to."""
        curves = [curve for number, curve in self._curves.items() if number < count]
        if len(curves) < FEWEST:
            return []
        reached = np.empty((len(curves), max(map(len, curves))))
        for row, curve in zip(reached, curves, strict=True):
            row[: len(curve)], row[len(curve) :] = curve, curve[-1]
        medians: list[float] = np.median(reached, axis=0).tolist()
        return medians
