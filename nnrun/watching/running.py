"""How far the trials of a search are that are in training, by what their directories hold: no worker is asked."""

from __future__ import annotations

import math
from pathlib import Path

from nnrun.engine.scores import Objective
from nnrun.runs.members import member
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.search.trials import Trial
from nnrun.watching.curves import Cursor


class InTraining:
    """A trial in training; of one that trains on another machine nothing is known until it has ended."""

    def __init__(self, directory: Path, trial: Trial, metric: Objective, now: float) -> None:
        """`metric` is that of the search; `now` in seconds by any clock."""
        self.number, self.values = trial.number, trial.values
        self.epochs = int(trial.config["training"]["epochs"])
        self.folds = int(trial.config["data"]["folds"] or 1)
        self.fold = 1
        self.epoch = 0  # of that fold
        self.metric = metric
        self.begun = now
        self.best: float | None = None  # of its epochs, in this fold
        self._directory = directory
        self._first: tuple[float, float] | None = None if trial.resume is not None else (0.0, now)  # epochs, and when
        self._cursor = Cursor(self._file)

    @property
    def _file(self) -> Path:
        return (self._of(self.fold) if self.folds > 1 else self._directory) / EPOCHS

    def _of(self, fold: int) -> Path:
        return member(RunDir(self._directory), fold).path

    def look(self, now: float) -> None:
        """Read what has come since this was done last."""
        self._read()
        while self.fold < self.folds and self._follows():
            self.fold += 1
            self.epoch, self.best, self._cursor = 0, None, Cursor(self._file)
            self._read()
        if self._first is None and self.epoch:  # it goes on where another has ended
            self._first = self._done, now

    def _follows(self) -> bool:
        return self._of(self.fold + 1).is_dir()

    def _read(self) -> None:
        rows, void = self._cursor.fresh()
        if void:
            self.epoch, self.best = 0, None
        for row in rows:
            if self.metric.key not in row:  # a metric that only whole trials have
                self.metric = Objective.of("error")
            value = row.get(self.metric.key)
            if isinstance(value, (int, float)) and math.isfinite(value):
                self.best = min(self.metric.sign * value, math.inf if self.best is None else self.best)
            self.epoch = int(row.get("epoch", self.epoch))

    @property
    def _done(self) -> float:
        return (self.fold - 1) * self.epochs + self.epoch

    def left(self, now: float) -> float | None:
        """Seconds until its end, if it goes on as fast; None while nothing is known."""
        if self._first is None or self._done <= self._first[0]:
            return None
        done, began = self._first
        return (now - began) / (self._done - done) * max(0.0, self.folds * self.epochs - self._done)
