"""Metrics of predicted classes.

Shapes: y `(m,)` class indices, p `(m, classes)` probabilities, weights `(m,)` or None for equal ones. What the rows
leave undefined, such as an area under the curve where there is one class only, is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    return _mean(shares(confusion(y, p, weights))[2])


def balanced_error(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Mean share of mistakes over the classes that occur."""
    return 1 - _mean(shares(confusion(y, p, weights))[1])


def auc(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Area under the ROC curve: how often a row of the class scores above a row of another; ties count half.

    Mean over the classes, each against the rest, that leave something to tell apart; of two classes the second.
    """
    return _mean(np.array([_area(*curve) for curve in _curves(y, p, weights)]))


def average_precision(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Area under the curve of precision over recall, summed step by step; the mean over the classes as in `auc`."""
    return _mean(np.array([_summed_precision(*curve) for curve in _curves(y, p, weights)]))


def brier(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Mean squared distance of the probabilities from the truth, halved for two classes (Brier 1950)."""
    distance = np.square(p).sum(axis=1) - 2 * p[np.arange(len(y)), y] + 1
    return float(np.average(distance, weights=weights)) / (2 if p.shape[1] == 2 else 1)


def calibration_error(y: Indices, p: Floats, weights: Weights = None) -> float:
    """Expected calibration error: |confidence − share of hits|, mean over 15 bins of equal width by confidence.

    The confidence is the largest probability, a bin counts by its rows (Guo et al. 2017, ICML, eq. 3).
    """
    sure = p.max(axis=1)
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


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
