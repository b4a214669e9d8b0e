"""Optuna as one would use it without nnrun, behind the interface of a strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nnrun.search.strategies.strategy import Brief, Point, Strategy
from nnrun.search.strategies.tpe import Tpe


class OptunaAlone(Tpe):
    """One sampler with its defaults, one study, one trial after the other."""

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        self._study = self._optuna.create_study(sampler=self._optuna.samplers.TPESampler(seed=brief.seed))
        self._running: dict[int, Any] = {}

    def tell(self, number: int, values: Mapping[str, Any], value: float, loss: float = math.inf) -> None:
        """To the study, unless it did not ask for this trial."""
        Strategy.tell(self, number, values, value, loss)
        trial = self._running.pop(number, None)
        if trial is None:
            return
        if math.isfinite(value):
            self._study.tell(trial, value)
        else:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def propose(self, number: int) -> Point | None:
        """None until all trials before are told."""
        if not self.settled(number):
            return None
        self._running[number] = self._study.ask()
        return Point(number, self._suggested(self._running[number]))
