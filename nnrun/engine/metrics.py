"""Metrics: targets, predictions and weights in, a number out; `METRICS` has them by name.

Of classes and of values; `metrics.primary`, the columns dev_NAME and train_NAME and the rows of `nnrun evaluate` go by
the table. They are nnrun's own, since an AUC of every epoch has to be fast and scikit-learn takes its time to load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Weights = Floats | None

CALIBRATION_BINS = 15


def confusion(y: Indices, p: Floats, weights: Weights = None) -> Floats:
    """How many rows (or how much weight) of each true class were predicted as each, `(classes, classes)`."""
    classes = p.shape[1]
    cells = np.bincount(y * classes + p.argmax(axis=1), weights, classes * classes)
    return cells.reshape(classes, classes).astype(np.float64)


def shares(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, `(classes,)`, from its confusion matrix.

    NaN where a class was never predicted, never occurs, or neither.
    """
    right, occurs, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return right / predicted, right / occurs, 2 * right / (predicted + occurs)


def f1(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Mean F1 of the classes that occur or were predicted."""
    return _mean_of_known(shares(confusion(y, p, weights))[2])


def balanced_error(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Mean share of mistakes over the classes that occur."""
    return 1 - _mean_of_known(shares(confusion(y, p, weights))[1])


def auc(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Area under the ROC curve: how often a row of the class scores above a row of another; ties count half.

    Mean over the classes, each against the rest, that leave something to tell apart; of two classes the second.
    """
    return _mean_of_known(np.array([_area(*curve) for curve in _curves(y, p, weights)]))


def average_precision(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Area under the curve of precision over recall, summed step by step; the mean over the classes as in `auc`.

    Of two classes that of the second, as scikit-learn has it; unlike the AUC the first one's is another number.
    """
    return _mean_of_known(np.array([_summed_precision(*curve) for curve in _curves(y, p, weights)]))


def brier(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Mean squared distance of the probabilities from the truth, halved for two classes (Brier 1950)."""
    distance = np.square(p).sum(axis=1) - 2 * p[np.arange(len(y)), y] + 1
    return float(np.average(distance, weights=weights)) / (2 if p.shape[1] == 2 else 1)


def calibration_error(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Expected calibration error: |confidence − share of hits|, mean over 15 bins of equal width by confidence.

    The confidence is the largest probability, a bin counts by its rows (Guo et al. 2017, ICML, eq. 3).
    """
    sure = p.max(axis=1)
    if np.isnan(sure).any():  # probabilities that are no numbers are in no bin
        return np.nan
    bins = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    size = np.ones(len(y)) if weights is None else weights
    gaps = np.bincount(bins, (sure - (p.argmax(axis=1) == y)) * size)
    return float(np.abs(gaps).sum() / size.sum())


def _curves(y: Indices, p: Floats, weights: Weights) -> Iterator[tuple[Floats, Floats]]:
    """For each class, or the second of two: weight of its rows and of others that score at least so much.

    One entry for each different score, the highest first; `(scores,)` each.
    """
    for c in range(p.shape[1]) if p.shape[1] > 2 else (1,):
        order = np.argsort(-p[:, c])
        last = np.flatnonzero(np.diff(p[order, c], append=-np.inf))
        size = np.ones(len(y)) if weights is None else weights[order]
        own = np.where(y[order] == c, size, 0.0)
        yield np.cumsum(own)[last], np.cumsum(size - own)[last]


def _area(own: Floats, others: Floats) -> float:
    area = np.trapezoid(np.append(0, own), np.append(0, others))
    whole = own[-1] * others[-1]
    return float(area / whole) if whole else np.nan


def _summed_precision(own: Floats, others: Floats) -> float:
    steps, chosen = np.diff(own, prepend=0), own + others
    precision = np.divide(own, chosen, out=np.zeros_like(own), where=chosen > 0)
    return float(steps @ precision / own[-1]) if own[-1] else np.nan


_OF_ANY_SIZE = np.errstate(over="ignore", invalid="ignore")  # predictions may be as large as float64 goes


def _mean_of_known(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


@_OF_ANY_SIZE
def r2(y: Floats, p: Floats, weights: Weights = None) -> float:
    """1 − the squared error as a share of the squared distance from the mean; NaN where all targets are equal."""
    if (y == y[:1]).all():  # their mean may be off by a last digit
        return np.nan
    around = y - np.average(y, axis=0, weights=weights)
    whole = _mean(np.square(around), weights)
    return 1 - _mean(np.square(p - y), weights) / whole if whole else np.nan


@_OF_ANY_SIZE
def mae(y: Floats, p: Floats, weights: Weights = None) -> float:
    """Mean absolute error."""
    return _mean(np.abs(p - y), weights)


@_OF_ANY_SIZE
def rmse(y: Floats, p: Floats, weights: Weights = None) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(_mean(np.square(p - y), weights)))


def _mean(values: Floats, weights: Weights) -> float:
    return float(np.average(values.mean(axis=1), weights=weights))


Task = Literal["classification", "regression"]
BOTH: tuple[Task, ...] = ("classification", "regression")


@dataclass(frozen=True)
class Metric:
    """A number that tells how good predictions are.

    `of(y, predictions, weights)` works it out from all rows of a part; None where training measures it in passing.
    Classes: y `(m,)` whole numbers, predictions `(m, classes)` probabilities. Values: both `(m, width)`, in the
    target's own unit. Weights `(m,)` or None. The same prediction for all rows gives a number too, and NaN only
    where the targets leave nothing to measure: by that it is known whether a metric can decide between epochs.
    """

    help: str
    tasks: tuple[Task, ...]
    of: Callable[[Any, Any, Any], float] | None
    share: bool = False  # nothing of use lies above 1, and it may be written as per cent
    decides: bool = False  # looks at nothing but the class with the largest probability


_CLASSES: tuple[Task, ...] = ("classification",)
_VALUES: tuple[Task, ...] = ("regression",)

METRICS: dict[str, Metric] = {
    "error": Metric("share of wrong classes; for a regression 1 − R²", BOTH, None, share=True),
    "loss": Metric("mean loss as in training: log loss of classes, of numbers `training.loss`", BOTH, None),
    "balanced_error": Metric(
        "share of wrong classes, the mean over the classes that occur",
        _CLASSES,
        balanced_error,
        share=True,
        decides=True,
    ),
    "auc": Metric(
        "area under the ROC curve; of more than two classes the mean of each against the rest",
        _CLASSES,
        auc,
        share=True,
    ),
    "average_precision": Metric(
        "area under the curve of precision over recall, in steps; of two classes that of the second as sorted, of "
        "more as in auc",
        _CLASSES,
        average_precision,
        share=True,
    ),
    "f1": Metric(
        "harmonic mean of precision and recall, the mean over the classes", _CLASSES, f1, share=True, decides=True
    ),
    "brier": Metric(
        "mean squared distance of the probabilities from the truth, halved for two classes", _CLASSES, brier
    ),
    "calibration_error": Metric(
        f"expected calibration error: how far confidence and share of hits lie apart, in {CALIBRATION_BINS} bins",
        _CLASSES,
        calibration_error,
        share=True,
    ),
    "r2": Metric("R²: share of the target's variance that is explained", _VALUES, r2, share=True),
    "mae": Metric("mean absolute error, in the target's own unit", _VALUES, mae),
    "rmse": Metric("root of the mean squared error, in the target's own unit", _VALUES, rmse),
}


def metrics_of(task: str) -> dict[str, Metric]:
    """The metrics that a task has, by name, in the order of the table."""
    return {name: metric for name, metric in METRICS.items() if task in metric.tasks}


def misfit(name: str, task: str) -> str | None:
    """Why a metric cannot serve a task, to be put behind its name."""
    if task in METRICS[name].tasks:
        return None
    if task == "classification":
        return "needs numbers to predict, and the target is classes"
    return "needs classes to predict, and the target is a number"


def beyond(name: str, bound: float) -> str | None:
    """Why nobody wants a bound that a share does not come to, as where 5 is written for 5%; None for others.

    The error of a regression, 1 − R², may lie above 1, but the mean of the target is the better prediction there.
    """
    if name not in METRICS or not METRICS[name].share or not 1 < bound < np.inf:
        return None
    meant = f"; did you mean {bound:g}%?" if bound <= 100 else ""
    return f"{bound:g} is {100 * bound:g}%, more than any {name} of use{meant}"
