"""The fit finds laws that are known, and its intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from nnrun.insight.diagnosis.learning_curve import PowerLaw, draws, fit, scatter

SIZES = np.repeat([50.0, 100, 200, 400, 800, 1600], 3)


def drawn(law: PowerLaw, dev_rows: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Mistakes `(trainings, dev rows)`: each dev row is as hard for all trainings, as real ones are."""
    hardness = np.random.default_rng(seed).random(dev_rows)
    return np.stack([hardness < law(n) for n in SIZES]).astype(float)


@pytest.mark.parametrize(("a", "b", "c"), [(0.05, 2.0, 0.5), (0.0, 1.0, 0.35), (0.02, 20.0, 1.0)])
def test_an_exact_law_is_found(a: float, b: float, c: float) -> None:
    exact = PowerLaw(np.array(a), np.array(b), np.array(c))
    mistakes = np.array([[float(exact(n))] for n in SIZES])  # one dev row, wrong to this degree
    found = fit(SIZES, mistakes)
    assert found.c[0] == pytest.approx(c, abs=0.026)  # the grid's step is 0.05
    for n in (50, 1600, 3200):
        assert found(n)[0] == pytest.approx(float(exact(n)), abs=0.003)


def test_a_flat_curve_has_no_slope_and_a_rising_one_none_either() -> None:
    for errors in (np.full(18, 0.3), 0.1 + SIZES / 1e5):
        found = fit(SIZES, errors[:, None])
        assert (found(1600) - found(3200))[0] == pytest.approx(0)
        assert found.a[0] >= 0


def test_the_interval_holds_the_true_change_about_as_often_as_it_says() -> None:
    """40 dev sets of 400 rows drawn from one law; 95% of 40 are 38, and at least 32 must be right."""
    law = PowerLaw(np.array(0.05), np.array(1.0), np.array(0.4))
    true = float(law(3200) - law(1600))
    held = 0
    for seed in range(40):
        several = draws(SIZES, drawn(law, 400, seed))
        low, high = np.quantile(several(3200) - several(1600), [0.025, 0.975])
        held += bool(low <= true <= high)
    assert held >= 32


def test_what_is_measured_scatters_as_sizes_lie_off_the_law() -> None:
    """Means of 10% and 40% in turn, the law between: 15 points off at each of six sizes, three of them free.

    Σ (0.15² / 0.25) / 3 = 0.18, by 0.25 + 0.25 is 0.09: a deviation of 30 points.
    """
    mistakes = np.where(np.arange(18) // 3 % 2, 0.4, 0.1)[:, None]
    flat = PowerLaw(np.array([0.25]), np.array([0.0]), np.array([1.0]))
    found = scatter(SIZES, mistakes, flat, 1600)
    assert found.std() == pytest.approx(0.3, rel=0.1)
    assert scatter(SIZES, np.full((18, 1), 0.25), flat, 1600) == pytest.approx(0)


def test_a_larger_dev_set_tells_more() -> None:
    law = PowerLaw(np.array(0.05), np.array(1.0), np.array(0.4))
    widths = []
    for dev_rows in (100, 4000):
        several = draws(SIZES, drawn(law, dev_rows, 0))
        widths.append(np.ptp(np.quantile(several(3200) - several(1600), [0.025, 0.975])))
    assert widths[1] < widths[0] / 2


def test_no_error_at_all_is_no_trouble() -> None:
    found = fit(SIZES, np.zeros((18, 5)))
    assert (found.a[0], found(1600)[0]) == (0, 0)
