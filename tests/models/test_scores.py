"""The scores of rows that come in chunks, and what two predictors' mistakes on the same rows tell of a gain."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnrun.data.features.target import Target
from nnrun.engine.losses import LOSSES, Loss
from nnrun.models.scores import Scores, paired_gain


def scored(mistakes: np.ndarray, groups: np.ndarray | None = None, classes: Any = None) -> Any:
    target = SimpleNamespace(classes=classes)
    return SimpleNamespace(mistakes=lambda: mistakes, groups=groups, weights=None, target=target)


def test_the_gain_of_rows_is_as_sure_as_their_mean() -> None:
    one, other = np.array([1.0, 1, 0, 1]), np.zeros(4)
    found = paired_gain(scored(one), scored(other))
    half = 3.1824 * 0.25  # Student's t with three degrees of freedom, and the standard error
    assert found == pytest.approx(
        {"error": 0.75, "standard_error": 0.25, "low": 0.75 - half, "high": 0.75 + half}, abs=1e-4
    )


def test_copies_of_rows_make_it_no_surer() -> None:
    """Nine copies of each row, which are a group."""
    one, groups = np.array([1.0, 1, 0, 1]), np.repeat(np.arange(4), 9)
    found = paired_gain(scored(np.repeat(one, 9), groups), scored(np.zeros(36)))
    assert found["standard_error"] == pytest.approx(one.std(ddof=1) / 2)


def test_of_one_group_nothing_is_known() -> None:
    found = paired_gain(scored(np.ones(9), np.zeros(9)), scored(np.zeros(9)))
    assert found == {"error": 1.0, "standard_error": None, "low": None, "high": None}


@pytest.mark.parametrize(("rows", "sure"), [(2, False), (3, False), (12, True)])
@pytest.mark.parametrize("copies", [1, 5])
def test_a_few_rows_that_all_differ_alike_prove_nothing(rows: int, sure: bool, copies: int) -> None:
    """McNemar's exact test has a chance of 0.5, 0.25 and 0.0005 for them; copies of a row are a group."""
    one, groups = np.ones(rows * copies), np.repeat(np.arange(rows), copies)
    found = paired_gain(scored(one, groups, ["a", "b"]), scored(0 * one))
    assert found["error"] == found["high"] == 1, "and no share is more than that"
    assert found["low"] is not None and (found["low"] > 0) is sure


def test_of_many_rows_half_a_row_each_way_changes_little() -> None:
    one, other = np.random.default_rng(0).integers(0, 2, (2, 400)).astype(float)
    of_classes, of_numbers = (paired_gain(scored(one, None, classes), scored(other)) for classes in (["a", "b"], None))
    assert of_classes["standard_error"] == pytest.approx(of_numbers["standard_error"], rel=0.01)


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        (Target("y", "classification", ("a", "b"), None, None), LOSSES["cross_entropy"](2)),
        (Target("y", "regression", None, 10.0, 2.0), LOSSES["squared_error"](1)),
    ],
    ids=["classes", "numbers"],
)
def test_rows_that_come_in_chunks_are_scored_as_if_they_came_at_once(target: Target, loss: Loss) -> None:
    logits, y = np.array([[2.0], [-1], [0.5], [-3], [1]]), np.array([0, 1, 1, 0, 1])
    goal = y if target.classes else y[:, None].astype(float)
    whole, chunks = Scores(loss, target), Scores(loss, target)
    whole.add(logits, goal)
    chunks.add_all(((rows, logits[rows]) for rows in (slice(0, 2), slice(2, 3), slice(3, 5))), goal)
    for rows in (5, 3):
        assert chunks.latest(rows) == pytest.approx(whole.latest(5)[-rows:])
    assert chunks.rows == 5
    assert chunks.metrics() == pytest.approx(whole.metrics())
    assert chunks.mistakes() == pytest.approx(whole.mistakes())
