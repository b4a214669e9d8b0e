"""Losses on logits, so that the output activation and the loss cannot disagree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np

from nnrun.engine.activations import sigmoid
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.metrics import Task
from nnrun.engine.parameters import Array

HUBER_DELTA = 1.0  # where squared turns to absolute, in deviations of the target


class Loss(Protocol):
    """Shapes: logits and targets `(..., m, width)`, weights `(..., m)`; the sums are one number a member, `(...)`.

    Values are in deviations of the target, losses of classes in nats.
    """

    @property
    def width(self) -> int:
        """Logits an example."""

    def targets(self, y: Array, dtype: np.dtype[Any]) -> Array:
        """Class indices `(..., m)` or values `(..., m, width)` → what the other methods compare logits with."""

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """Derivative of the mean loss of the batch by the logits, into `out` of their shape; may overwrite them."""

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """Loss and mistake of each example, `(..., m)`: whether the class is wrong, or the squared error."""

    def sums(self, logits: Array, targets: Array, weights: Array | None = None) -> tuple[Array, Array]:
        """Summed loss and summed mistakes, each example times its weight."""

    def predict(self, logits: Array) -> Array:
        """Probabilities `(..., m, classes)`, or values `(..., m, width)`."""

    def pool(self, logits: Array, weights: Array) -> Array:
        """Logits `(K, ..., m, width)` → those `(..., m, width)` whose prediction is the members' weighted mean.

        `weights (K,)` add up to 1: a linear opinion pool (Stone 1961) of probabilities, a mean of values. In the
        precision of the logits, and each example as if it were alone.
        """


def softmax(logits: Array, out: Array | None = None) -> Array:
    """e^(z − max z) / Σ e^(z − max z) over the last axis of `(..., m, classes)`, into `out` where it is given.

    Worked out with the examples side by side, since rows of a few classes are too short for vector
    instructions: half the time at 10 classes and 32 stacked members, a third more at 100 classes.
    """
    p = logits.mT.copy()
    p -= np.maximum.reduce(p, axis=-2, keepdims=True)
    np.exp(p, out=p)
    p /= _row_of_ones(p.shape[-2], p.dtype) @ p
    if out is None:
        return p.mT
    np.copyto(out, p.mT)
    return out


@cache
def _row_of_ones(n: int, dtype: np.dtype[Any]) -> Array:
    return np.ones((1, n), dtype)


class _Sums(ABC):
    """From examples to members, the same for every loss."""

    @abstractmethod
    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """Loss and mistake of each example, `(..., m)`."""

    def sums(self, logits: Array, targets: Array, weights: Array | None = None) -> tuple[Array, Array]:
        """Summed loss and summed mistakes, each example times its weight."""
        losses, mistakes = self.each(logits, targets)
        if weights is not None:
            losses, mistakes = losses * weights, mistakes * weights
        return losses.sum(axis=-1, dtype=np.float64), mistakes.sum(axis=-1, dtype=np.float64)


@dataclass(frozen=True)
class SoftmaxCrossEntropy(_Sums):
    """−Σ y·log softmax(z), one logit a class (Bridle 1990)."""

    width: int  # classes

    def targets(self, y: Array, dtype: np.dtype[Any]) -> Array:
        """One-hot rows."""
        one_hot = np.empty((*y.shape, self.width), dtype)
        np.equal(y[..., None], np.arange(self.width), out=one_hot)
        return one_hot

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """(ŷ − y) / m."""
        softmax(logits, out=out)
        out -= targets
        out *= 1 / logits.shape[-2]
        return out

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """log Σ e^z − z[true], and whether the largest logit is another class; of equal ones the first counts.

        Examples side by side, as in `softmax`: four to six times as fast at 10 classes. With the largest logit moved
        to 0, the class is right where its own is 0, as long as no example has two of them.
        """
        z = logits.mT.copy()
        z -= np.maximum.reduce(z, axis=-2, keepdims=True)
        true = np.add.reduce(z * targets.mT, axis=-2)
        alone = np.count_nonzero(z == 0) == true.size
        wrong = true < 0 if alone else logits.argmax(axis=-1) != targets.argmax(axis=-1)
        return np.log(np.add.reduce(np.exp(z, out=z), axis=-2)) - true, wrong

    def predict(self, logits: Array) -> Array:
        """Probability of each class."""
        return softmax(logits)

    def pool(self, logits: Array, weights: Array) -> Array:
        """log Σ w·softmax(z), examples side by side as in `softmax`: a ninth of the time at 10 classes."""
        z = logits.mT.copy()
        z -= np.maximum.reduce(z, axis=-2, keepdims=True)
        e = np.exp(z)
        total = e[..., :1, :].copy()
        for k in range(1, self.width):  # one after the other, as a reduction of few examples has another order
            total += e[..., k : k + 1, :]
        z -= np.log(total)
        return _log_mean(z, weights).mT


@dataclass(frozen=True)
class SigmoidCrossEntropy(_Sums):
    """−y·log σ(z) − (1 − y)·log(1 − σ(z)), one logit for two classes."""

    width: int = 1

    def targets(self, y: Array, dtype: np.dtype[Any]) -> Array:
        """0 and 1 as a column."""
        return y[..., None].astype(dtype)

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """(ŷ − y) / m."""
        sigmoid(logits, out)
        out -= targets
        out *= 1 / logits.shape[-2]
        return out

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """max(z, 0) − z·y + log(1 + e^−|z|), which is stable at any z; and whether the sign is wrong."""
        loss = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        wrong = (logits > 0) != (targets > 0.5)
        return loss[..., 0], wrong[..., 0]

    def predict(self, logits: Array) -> Array:
        """Probability of both classes, 1 / (1 + e^−|z|) and e^−|z| times as much: the smaller keeps its digits."""
        e = np.exp(-np.abs(logits))
        both = np.concatenate([e, np.ones_like(e)], axis=-1) / (1 + e)
        p: Array = np.where(logits > 0, both, both[..., ::-1])
        return p

    def pool(self, logits: Array, weights: Array) -> Array:
        """log Σ w·σ(z) − log Σ w·σ(−z)."""
        log = np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))  # σ(z); that of σ(−z) is less by z
        return _log_mean(log, weights) - _log_mean(log - logits, weights)


def _log_mean(logarithms: Array, weights: Array) -> Array:
    """log Σ w·e^l over the first axis, which is stable at any l."""
    with np.errstate(divide="ignore"):
        logs = logarithms + np.log(_of_members(weights, logarithms)).astype(logarithms.dtype)
    top = np.maximum.reduce(logs, axis=0)
    mean: Array = top + np.log(np.add.reduce(np.exp(logs - top), axis=0))
    return mean


def _of_members(weights: Array, array: Array) -> Array:
    """Shaped to go with an array whose first axis is that of the members."""
    return weights.reshape(-1, *[1] * (array.ndim - 1))


class _Values(_Sums):
    """What the regression losses share."""

    def targets(self, y: Array, dtype: np.dtype[Any]) -> Array:
        """The values themselves."""
        return y.astype(dtype, copy=False)

    def predict(self, logits: Array) -> Array:
        """The logits are the values."""
        return logits

    def pool(self, logits: Array, weights: Array) -> Array:
        """Σ w·z."""
        mean: Array = (logits.astype(np.float64) * _of_members(weights, logits)).sum(axis=0)
        return mean.astype(logits.dtype)


@dataclass(frozen=True)
class SquaredError(_Values):
    """(z − y)², averaged over the outputs."""

    width: int  # values an example

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """2·(z − y) / (m · width)."""
        np.subtract(logits, targets, out=out)
        out *= 2 / (logits.shape[-2] * self.width)
        return out

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """The squared error, which is loss and mistake alike."""
        squares = _mean_square(logits - targets)
        return squares, squares


@dataclass(frozen=True)
class Huber(_Values):
    """r²/2 up to |r| = 1 and |r| − 1/2 beyond, averaged over the outputs (Huber 1964); r in target deviations."""

    width: int  # values an example

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """The residual, clipped to ±1, / (m · width)."""
        np.subtract(logits, targets, out=out)
        np.clip(out, -HUBER_DELTA, HUBER_DELTA, out=out)
        out *= 1 / (logits.shape[-2] * self.width)
        return out

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """The Huber loss, and the squared error."""
        size = np.abs(logits - targets)
        loss = np.where(size <= HUBER_DELTA, size * size / 2, HUBER_DELTA * (size - HUBER_DELTA / 2))
        return loss.mean(axis=-1, dtype=np.float64), _mean_square(size)


def smoothed(targets: Array, h: Hyperparameters) -> Array:
    """What training compares logits with: (1 − ε)·y + ε/classes (Szegedy et al. 2016), ε that of each member.

    `targets` of classes `(members or 1, m, width)`; a column of 0 and 1 is one of two classes. Losses are measured
    without it.
    """
    if not h.smooths:
        return targets
    share = h.label_smoothing[..., None].astype(targets.dtype)
    mixed: Array = (1 - share) * targets + share / max(2, targets.shape[-1])
    return mixed


def _mean_square(residual: Array) -> Array:
    """Over the outputs, `(..., m, width)` → `(..., m)` float64."""
    return np.asarray((residual * residual).mean(axis=-1, dtype=np.float64))


def cross_entropy(outputs: int) -> Loss:
    """One logit for two classes, one a class for more."""
    return SigmoidCrossEntropy() if outputs == 2 else SoftmaxCrossEntropy(outputs)


@dataclass(frozen=True)
class NamedLoss:
    """A loss of the table: the task that it serves, and how it is made for so many classes, or values an example."""

    task: Task
    make: Callable[[int], Loss]

    def __call__(self, outputs: int) -> Loss:
        """The loss for so many classes, or values an example."""
        return self.make(outputs)


LOSSES: dict[str, NamedLoss] = {
    "cross_entropy": NamedLoss("classification", cross_entropy),
    "squared_error": NamedLoss("regression", SquaredError),
    "huber": NamedLoss("regression", Huber),
}
