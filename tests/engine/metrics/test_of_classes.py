"""Metrics of classes against scikit-learn, and by hand where it has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from nnrun.engine import metrics

SHAPES = [(60, 2), (200, 3), (500, 10)]
WEIGHTED = [False, True]


def case(rows: int, classes: int, weighted: bool, seed: int = 0) -> tuple[Any, Any, Any]:
    """Classes, probabilities with many ties (a twentieth apart), and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    counts = rng.multinomial(20, np.full(classes, 1 / classes), rows) + 3 * (y[:, None] == np.arange(classes))
    p = counts / counts.sum(axis=1, keepdims=True)
    return y, p, rng.integers(0, 4, rows) / 2 if weighted else None


def against_the_rest(score: Callable[..., float]) -> Callable[..., float]:
    """The mean over classes of a two-class score; of two classes that of the second."""

    def mean(y: Any, p: Any, weights: Any) -> float:
        classes = range(p.shape[1]) if p.shape[1] > 2 else [1]
        known = [c for c in classes if 0 < (y == c).sum() < len(y)]
        return float(np.mean([score(y == c, p[:, c], sample_weight=weights) for c in known]))

    return mean


def hard(score: Callable[..., float], **options: Any) -> Callable[..., float]:
    return lambda y, p, weights: float(score(y, p.argmax(axis=1), sample_weight=weights, **options))


REFERENCES: dict[Callable[..., float], Callable[..., float]] = {
    metrics.auc: against_the_rest(reference.roc_auc_score),
    metrics.average_precision: against_the_rest(reference.average_precision_score),
    metrics.f1: hard(reference.f1_score, average="macro"),
    metrics.balanced_error: lambda y, p, w: 1 - hard(reference.balanced_accuracy_score)(y, p, w),
}


@pytest.mark.parametrize("weighted", WEIGHTED)
@pytest.mark.parametrize(("rows", "classes"), SHAPES)
@pytest.mark.parametrize("metric", REFERENCES, ids=lambda metric: str(metric.__name__))
def test_as_scikit_learn(metric: Callable[..., float], rows: int, classes: int, weighted: bool) -> None:
    y, p, weights = case(rows, classes, weighted)
    assert metric(y, p, weights) == pytest.approx(REFERENCES[metric](y, p, weights), abs=1e-12)


@pytest.mark.parametrize("metric", REFERENCES, ids=lambda metric: str(metric.__name__))
def test_a_class_that_no_row_has_counts_for_nothing(metric: Callable[..., float]) -> None:
    y, p, weights = case(80, 5, True)
    y[y == 3] = 1
    p[:, 3] = 0
    assert metric(y, p, weights) == pytest.approx(REFERENCES[metric](y, p, weights), abs=1e-12)


@pytest.mark.parametrize("weighted", WEIGHTED)
@pytest.mark.parametrize(("rows", "classes"), SHAPES)
def test_the_matrix_and_the_shares_of_each_class_are_those_of_scikit_learn(
    rows: int, classes: int, weighted: bool
) -> None:
    y, p, weights = case(rows, classes, weighted)
    counts = metrics.confusion(y, p, weights)
    assert counts == pytest.approx(reference.confusion_matrix(y, p.argmax(axis=1), sample_weight=weights))
    expected = reference.precision_recall_fscore_support(y, p.argmax(axis=1), sample_weight=weights)
    for found, known in zip(metrics.shares(counts), expected[:3], strict=True):
        assert found == pytest.approx(known)


@pytest.mark.parametrize(("rows", "classes"), SHAPES)
@pytest.mark.parametrize("weighted", WEIGHTED)
def test_brier(rows: int, classes: int, weighted: bool) -> None:
    """Of more classes than two it is the sum over the classes, as Brier wrote it."""
    y, p, weights = case(rows, classes, weighted)
    squares = np.square(p - np.eye(classes)[y])
    known = reference.brier_score_loss(y, p[:, 1], sample_weight=weights) if classes == 2 else None
    expected = np.average(squares.sum(axis=1), weights=weights) if known is None else known
    assert metrics.brier(y, p, weights) == pytest.approx(expected, abs=1e-12)


def test_calibration_by_hand() -> None:
    """Bins of 1/15. 0.95 and 0.97 lie in the last, 14/15 = 0.933 and above; 0.6 in [9/15, 10/15); 0.59 below it.

    The last: confidence 1.92, one hit, gap 0.92. The second: 1.2 and one hit, gap 0.2. The first: 0.59 and a hit, gap
    −0.41, which makes up for no other one. (0.92 + 0.2 + 0.41) / 5 = 0.306.
    """
    p = np.array([[0.95, 0.05], [0.97, 0.03], [0.4, 0.6], [0.6, 0.4], [0.59, 0.41]])
    y = np.array([0, 1, 0, 0, 0])
    assert metrics.calibration_error(y, p) == pytest.approx(0.306)
    # the third row weighs 5 and the others 1: (0.92 + 5·0.6 + 0.6 − 1 + 0.41) / 9
    assert metrics.calibration_error(y, p, np.array([1, 1, 5, 1, 1])) == pytest.approx(3.93 / 9)


def test_probabilities_that_say_what_happens_are_calibrated() -> None:
    p = np.tile([0.75, 0.25], (8, 1))
    assert metrics.calibration_error(np.array([0, 0, 0, 1, 0, 0, 0, 1]), p) == 0


def test_rounding_above_one_falls_into_the_last_bin() -> None:
    assert metrics.calibration_error(np.array([0]), np.array([[1 + 1e-16, 0]])) == 0
    assert metrics.calibration_error(np.array([1]), np.array([[1.0000001, 0]])) == pytest.approx(1)


def test_without_anything_to_tell_apart_there_is_no_area() -> None:
    y, p = np.zeros(4, int), np.full((4, 2), 0.5)
    assert np.isnan(metrics.auc(y, p))
    assert np.isnan(metrics.average_precision(y, p))
    assert np.isnan(metrics.auc(y, np.full((4, 3), 1 / 3)))


def test_ties_count_half() -> None:
    """Four pairs: 0.9 beats both, 0.5 ties with one and beats the other: 3.5 / 4."""
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    p = np.stack([1 - scores, scores], axis=1)
    assert metrics.auc(np.array([1, 1, 0, 0]), p) == pytest.approx(3.5 / 4)


@given(st.integers(0, 10_000))
def test_a_weight_of_two_is_the_row_twice(seed: int) -> None:
    y, p, _ = case(40, 3, False, seed)
    weights = np.random.default_rng(seed).integers(1, 3, 40)
    rows = np.repeat(np.arange(40), weights)
    for metric in (*REFERENCES, metrics.brier, metrics.calibration_error):
        assert metric(y, p, weights.astype(float)) == pytest.approx(metric(y[rows], p[rows]), abs=1e-12)
