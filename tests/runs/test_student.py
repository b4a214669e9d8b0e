"""Quantiles of Student's t, beside those that SciPy has."""

from __future__ import annotations

import pytest
from scipy.special import stdtrit

from nnrun.runs.student import MOST, quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 10, 29, 30, 99, MOST])
def test_they_are_those_of_scipy(degrees: int) -> None:
    for share in (0.6, 0.95, 0.975, 0.9875, 0.9999):
        assert quantile(share, degrees) == pytest.approx(stdtrit(degrees, share), rel=1e-9)
    assert quantile(0.5, degrees) == pytest.approx(0, abs=1e-9)


def test_of_many_degrees_of_freedom_they_are_nearly_normal() -> None:
    assert 1.959964 < quantile(0.975, 10**9) < 1.959964 * 1.002
