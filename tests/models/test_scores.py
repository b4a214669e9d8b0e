"""What two predictors' mistakes on the same rows tell of the gain of one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnrun.models.scores import paired_gain


def scored(mistakes: np.ndarray, groups: np.ndarray | None = None, weights: np.ndarray | None = None) -> Any:
    return SimpleNamespace(mistakes=lambda: mistakes, groups=groups, weights=weights)


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
