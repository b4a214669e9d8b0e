"""Metrics of numbers against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference

from nnrun.engine import metrics

REFERENCES: dict[Callable[..., float], Callable[..., float]] = {
    metrics.r2: reference.r2_score,
    metrics.mae: reference.mean_absolute_error,
    metrics.rmse: reference.root_mean_squared_error,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("metric", REFERENCES, ids=lambda metric: str(metric.__name__))
def test_as_scikit_learn(metric: Callable[..., float], mean: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    y = mean + rng.standard_normal((100, 1))
    p = y + 0.5 * rng.standard_normal((100, 1))
    weights = rng.integers(0, 4, 100) / 2 if weighted else None
    assert metric(y, p, weights) == pytest.approx(REFERENCES[metric](y, p, sample_weight=weights), abs=1e-9)


@pytest.mark.parametrize("value", [1.0, 0.1])  # the mean of three times 0.1 is not 0.1 in floating point
def test_equal_targets_have_no_variance_to_explain(value: float) -> None:
    assert np.isnan(metrics.r2(np.full((3, 1), value), np.zeros((3, 1))))
