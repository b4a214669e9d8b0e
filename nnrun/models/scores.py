"""Every metric of a task, from logits that come chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import TypedDict

import numpy as np

from nnrun.data.features.target import Target
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import confusion, metrics_of, r2, shares
from nnrun.engine.parameters import Array
from nnrun.machine.lazily import cached_property
from nnrun.runs.grouped import error_of_mean, half_each_way, pseudo_values, student


@dataclass
class Scores:
    """What a model came to on some rows; of each row it keeps the target, the prediction and the weight.

    `shift` is added to logits, as `Model.shift` says; classes are decided without it.
    """

    loss: Loss
    target: Target
    shift: Array | None = None
    _y: list[Array] = field(default_factory=list)
    _predicted: list[Array] = field(default_factory=list)
    _deciding: list[Array] = field(default_factory=list)  # of which the largest a row is the class that is predicted
    _losses: list[Array] = field(default_factory=list)
    weights: Array | None = None  # one a row, of all rows
    groups: Array | None = None  # where rows come in groups

    def add(self, logits: Array, y: Array) -> None:
        """Rows with logits `(rows, width)` and targets as the loss takes them."""
        logits = logits.astype(np.float64) if self.shift is None else logits + self.shift.astype(np.float64)
        targets = self.loss.targets(y, logits.dtype)
        self._losses.append(self.loss.sums(logits[:, None], targets[:, None])[0])  # each row as a batch of its own
        predicted = self.loss.predict(logits)
        if self.target.classes is None:
            y, predicted = self.target.own(y), self.target.own(predicted)
        self._y.append(y)
        self._predicted.append(predicted)
        self._deciding.append(predicted if self.shift is None else predicted * self._unshifted)

    def join(self, other: Scores) -> None:
        """The rows of another model on the same kind of target."""
        for own, others in zip(self._kept, other._kept, strict=True):
            own += others

    def add_all(self, chunks: Iterable[tuple[slice, Array]], y: Array) -> None:
        """Rows whose logits come in chunks."""
        for rows, logits in chunks:
            self.add(logits, y[rows])

    def latest(self, rows: int) -> Array:
        """What is predicted of so many rows, the last that came; `(rows,)`, or `(rows, classes)`."""
        chunks: list[Array] = []
        while sum(map(len, chunks)) < rows:
            chunks.append(self._predicted[-1 - len(chunks)])
        return np.concatenate(chunks[::-1])

    @property
    def rows(self) -> int:
        """How many there were."""
        return sum(map(len, self._y))

    def metrics(self) -> dict[str, float]:
        """Each metric of the task by name."""
        self._join()
        (y, predicted, weights), deciding = self._rows(), self._deciding[0]
        measured = {"loss": float(np.average(self._losses[0], weights=weights)), "error": self._error()}
        for name, metric in metrics_of(self.target.task).items():
            if metric.of is not None:
                measured[name] = metric.of(y, deciding if metric.decides else predicted, weights)
        return {name: measured[name] for name in metrics_of(self.target.task)}

    def counts(self) -> Array:
        """The confusion matrix `(classes, classes)`, true classes in rows; rows are counted, not weighed."""
        self._join()
        return confusion(self._y[0], self._deciding[0]).astype(np.int64)

    def given_out(self) -> tuple[Array, Array]:
        """Codes `(m,)`, and the probabilities `(m, classes)` that are given out."""
        self._join()
        return self._y[0], self._predicted[0]

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def mistakes(self) -> Array:
        """One number a row `(rows,)`, whose weighted mean is the error: of a regression its part of 1 − R²."""
        self._join()
        y, predicted, weights = self._learned()
        if self.target.classes is not None:
            wrong: Array = self._deciding[0].argmax(axis=1) != y
            return wrong.astype(np.float64)
        spread = np.square(y - np.average(y, axis=0, weights=weights)).mean(axis=1)
        found: Array = np.square(predicted - y).mean(axis=1) / np.average(spread, weights=weights)
        return found

    def _error(self) -> float:
        if self.target.classes is None:
            return 1 - r2(*self._learned())
        counts = confusion(self._y[0], self._deciding[0], self.weights)
        return float((counts.sum() - counts.trace()) / counts.sum())

    @cached_property
    def _unshifted(self) -> Array:
        """What takes the shift out of probabilities again, `(classes,)`, but for a factor."""
        assert self.shift is not None
        shift = self.shift.astype(np.float64)
        return np.exp(-(shift if len(shift) > 1 else np.append(0, shift)))

    @property
    def _kept(self) -> list[list[Array]]:
        return [self._y, self._predicted, self._deciding, self._losses]

    def _rows(self) -> tuple[Array, Array, Array | None]:
        return self._y[0], self._predicted[0], self.weights

    def _learned(self) -> tuple[Array, Array, Array | None]:
        """Targets and predictions as the network learned them, which may be logarithms, and the weights."""
        y, predicted, weights = self._rows()
        return self.target.as_learned(y), self.target.as_learned(predicted), weights

    def _join(self) -> None:
        """The chunks as one array of each kind."""
        for chunks in self._kept:
            if len(chunks) > 1:
                chunks[:] = [np.concatenate(chunks)]


class PairedGain(TypedDict):
    """By how much another predictor errs less on the same rows, the standard error of that, and its 95% interval.

    All but the first are None of one row or group.
    """

    error: float
    standard_error: float | None
    low: float | None
    high: float | None


@np.errstate(over="ignore", invalid="ignore")
def paired_gain(scores: Scores, other: Scores) -> PairedGain:
    """The mean difference of their mistakes, row by row, or group by group where rows come in groups.

    Of classes half a case is added each way, so that a few rows that differ alike prove nothing; see `half_each_way`.
    """
    differences, weights = scores.mistakes() - other.mistakes(), scores.weights
    groups = np.arange(len(differences)) if scores.groups is None else scores.groups
    cases = pseudo_values(differences, groups, weights)
    gain = float(np.average(differences, weights=weights))
    if len(cases) < 2:
        return {"error": gain, "standard_error": None, "low": None, "high": None}
    of_classes = scores.target.classes is not None
    error = error_of_mean(cases, half_each_way(cases, len(differences)) if of_classes else 0.0)
    most = 1.0 if of_classes else inf
    half = student(len(cases)) * error
    return {"error": gain, "standard_error": error, "low": max(-most, gain - half), "high": min(most, gain + half)}


# How the rows of a class were told from others; "class" is no name in Python.
ClassScores = TypedDict(
    "ClassScores",
    {"class": str, "precision": float | None, "recall": float | None, "f1": float | None, "support": int},
)


def by_class(counts: Array, classes: Iterable[str]) -> Iterator[ClassScores]:
    """Precision, recall, F1 and support of each class; None where there is nothing to divide by."""
    columns = zip(*(values.tolist() for values in shares(counts)), counts.sum(axis=1).tolist(), strict=True)
    for name, (precision, recall, f1, support) in zip(classes, columns, strict=True):
        yield {
            "class": name,
            "precision": _or_none(precision),
            "recall": _or_none(recall),
            "f1": _or_none(f1),
            "support": support,
        }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
