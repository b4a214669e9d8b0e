"""What is learned of the target from the training rows, piece by piece."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from nnrun.data.facts.tallies import Moments
from nnrun.data.features.preprocess import Target
from nnrun.data.features.profile import WrittenProfile, of_counts, of_numbers
from nnrun.data.files.table import Table, label_codes, numbers
from nnrun.engine.metrics import Task


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

    def profile(self, sample: Table) -> WrittenProfile:
        """What the target is like in all rows seen so far, with quantiles of a sample of them."""
        if self._start.classes is not None:
            return of_counts(self._rows.total(), self._rows)
        return of_numbers(self._moments.count, self._moments, numbers(sample, self._start.name))

    @property
    def target(self) -> Target:
        """The target as all rows seen so far have it."""
        if self._start.classes is not None:
            return self._start
        mean, deviation = self._moments.center_and_scale
        return replace(self._start, mean=mean, deviation=deviation)
