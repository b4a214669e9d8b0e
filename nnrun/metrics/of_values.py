"""Metrics of predicted numbers.

Shapes: y and p `(m, width)` in the target's own unit, weights `(m,)` or None for equal ones.
"""

from __future__ import annotations

import numpy as np

from nnrun.metrics.of_classes import Floats, Weights


def r2(y: Floats, p: Floats, weights: Weights = None) -> float:
    """1 − the squared error as a share of the squared distance from the mean; NaN where all targets are equal."""
    around = y - np.average(y, axis=0, weights=weights)
    whole = _mean(np.square(around), weights)
    return 1 - _mean(np.square(p - y), weights) / whole if whole else np.nan


def mae(y: Floats, p: Floats, weights: Weights = None) -> float:
    """Mean absolute error."""
    return _mean(np.abs(p - y), weights)


def rmse(y: Floats, p: Floats, weights: Weights = None) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(_mean(np.square(p - y), weights)))


def _mean(values: Floats, weights: Weights) -> float:
    return float(np.average(values.mean(axis=1), weights=weights))
