"""What a run's data show beside its errors: a linear model's dev error, which a network should at least undercut, and
after a divergence the rate that they bear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnrun.data.dataset import Dataset
from nnrun.engine.evaluation import Examples
from nnrun.engine.trainer import sample
from nnrun.errors import NnrunError
from nnrun.insight.diagnosis.against_bias import calmer_guess
from nnrun.insight.range_test import calmer_rate
from nnrun.models.trained import trained
from nnrun.runs.assembly import examples
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import CalmerRate

ROWS = 5_000  # of each set, as many as settle an error to a point
MOST_FEATURES = 2_000  # the fit grows with their cube
RIDGE = 10.0  # beside a feature's sum of squares, which is the number of rows

Array = NDArray[np.float64]


def linear_dev_error(run: StoredRun) -> float | None:
    """By ridge regression of the classes or values on the run's features; None where its data are no longer there."""
    try:
        return of_dataset(trained(run).dataset)
    except (NnrunError, OSError):
        return None


def rate_after_divergence(run: StoredRun, tell: Callable[[str], None]) -> CalmerRate | None:
    """By short trainings on the run's data; None where they are no longer there or the network is too large to try."""
    try:
        found = trained(run)
    except (NnrunError, OSError):
        return None
    tell("diagnose: trying lower learning rates on this data, a second or two")
    with np.errstate(all="ignore"):
        return calmer_rate(found.config, found.dataset, calmer_guess(found.config))


def of_dataset(dataset: Dataset) -> float | None:
    """The same of a data set; None where it has too many features to try in a second."""
    if dataset.n_features > MOST_FEATURES:
        return None
    train, dev = (sample(examples(dataset, part), ROWS) for part in ("train", "dev"))
    goal = np.eye(len(dataset.classes))[train.y] if dataset.classes else np.asarray(train.y, np.float64)
    told = _with_one(dev) @ _fit(train, goal)
    weights = np.ones(len(dev)) if dev.weights is None else dev.weights
    if dataset.classes:
        return float(np.average(told.argmax(axis=1) != dev.y, weights=weights))
    left = float((weights[:, None] * np.square(told - dev.y)).sum() / dev.y.shape[1])
    return left / dev.error_scale if dev.error_scale else None


def _fit(train: Examples, goal: Array) -> Array:
    """Coefficients `(n + 1, k)`, the last row the intercept, which no penalty holds."""
    x = _with_one(train)
    weighted = x.T if train.weights is None else x.T * train.weights
    penalty = np.diag([*[RIDGE] * (x.shape[1] - 1), 0.0])
    found: Any = np.linalg.lstsq(weighted @ x + penalty, weighted @ goal, rcond=None)[0]
    return np.asarray(found, np.float64)


def _with_one(rows: Examples) -> Array:
    return np.column_stack([np.asarray(rows.x, np.float64), np.ones(len(rows))])
