"""When one setting counts as better than another."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest

from nnrun.improving.judging import LEVEL, compare

Array = np.ndarray


def test_a_table_of_two_seeds_and_three_rows_by_hand() -> None:
    """Differences 1 1 0 and 1 0 0: means 2/3 and 1/3 by seed; 1, 1/2, 0 by row; 1/2 in all.

    MS_seeds = 3 (1/36 + 1/36) / 1 = 1/6; MS_rows = 2 (1/4 + 0 + 1/4) / 2 = 1/2; what is left of the cells is
    ∓1/6, ±1/3, ∓1/6, of which the squares add up to 2 (1/36 + 1/9 + 1/36) = 1/3, so MS_rest = 1/3 / 2 = 1/6, with 1 · 2
    degrees of freedom. The variance is (1/6 + 1/2 − 1/6) / 6 = 1/12, its degrees of freedom (1/2)² / (1/6)² · 2 = 18.
    """
    old = np.array([[1.0, 1, 0], [1, 1, 0]])
    new = np.array([[0.0, 0, 0], [0, 1, 0]])
    found = compare(old, new)
    assert found.gains == pytest.approx([2 / 3, 1 / 3])
    assert found.gain == pytest.approx(1 / 2)
    t_18 = 2.100922  # 97.5% of Student's t with 18 degrees of freedom lie below
    assert (found.low, found.high) == pytest.approx((1 / 2 - t_18 / sqrt(12), 1 / 2 + t_18 / sqrt(12)))
    assert found.chance == pytest.approx(0.0502, abs=2e-4)  # of t = √3 with 18 degrees of freedom
    assert not found.better


def test_the_same_mistakes_are_no_better() -> None:
    mistakes = np.random.default_rng(0).integers(0, 2, (5, 40)).astype(float)
    found = compare(mistakes, mistakes)
    assert (found.gain, found.chance, found.better) == (0.0, 1.0, False)


@pytest.mark.parametrize(("rows", "better"), [(2, False), (3, False), (20, True)])
def test_fewer_mistakes_everywhere_are_better_where_rows_are_more_than_a_few(rows: int, better: bool) -> None:
    old = np.ones((3, 2 * rows))
    for found in (compare(old[:, :rows], 0 * old[:, :rows]), compare(old, 0 * old, groups=np.arange(2 * rows) // 2)):
        assert found.better is better and found.low < 0.95 < found.gain < 1.05 < found.high


def test_one_seed_or_one_row_tells_nothing() -> None:
    for shape in ((1, 20), (3, 1)):
        found = compare(np.ones(shape), np.zeros(shape))
        assert (found.chance, found.low, found.high) == (1.0, -inf, inf)


def test_rows_count_by_their_weights() -> None:
    """A mistake less on a row that counts three times as much as each of two others: 3 of 5."""
    old, new = np.array([[1.0, 0, 0]] * 3), np.zeros((3, 3))
    assert compare(old, new, np.array([3.0, 1, 1])).gain == pytest.approx(0.6)


def test_in_groups_of_one_row_each_little_changes() -> None:
    """Their number stands for degrees of freedom, too."""
    old, new = np.random.default_rng(2).integers(0, 2, (2, 3, 40)).astype(float)
    plain, grouped = compare(old, new), compare(old, new, groups=np.arange(40))
    assert grouped.gain == plain.gain
    assert plain.high - plain.low < grouped.high - grouped.low < 1.02 * (plain.high - plain.low)


@pytest.mark.parametrize("count", [3, 6])
def test_few_groups_tell_little(count: int) -> None:
    """5% of 1,000 would be 50; with the degrees of freedom of the seeds alone it would be 80 to 100."""
    generator, groups, found = np.random.default_rng(6), np.repeat(np.arange(count), 50), 0
    for _ in range(1000):
        rate = np.clip(0.3 + 0.1 * generator.normal(size=count), 0, 1)[groups]
        old, new = (generator.random((5, len(groups))) < rates for rates in (0.3, rate))
        found += compare(old.astype(float), new.astype(float), groups=groups).better
    assert found <= 70


def test_a_change_that_suits_some_groups_by_luck_is_no_better_one() -> None:
    """20 groups of 50 rows, of which each does as much better as another one worse; 5% of 1,000 would be 50."""
    generator, groups = np.random.default_rng(5), np.repeat(np.arange(20), 50)

    def seems_better(by_groups: bool) -> int:
        found = 0
        for _ in range(1000):
            rate = np.clip(0.3 + 0.1 * generator.normal(size=20), 0, 1)[groups]
            old, new = (generator.random((3, 1000)) < rates for rates in (0.3, rate))
            found += compare(old.astype(float), new.astype(float), groups=groups if by_groups else None).better
        return found

    assert seems_better(by_groups=True) <= 70 < seems_better(by_groups=False)


@pytest.mark.parametrize("rows_alike", [0.0, 0.5, 0.9], ids=lambda share: f"{share:.0%} of a row's luck is the row's")
def test_where_nothing_differs_one_in_twenty_seems_better_at_most(rows_alike: float) -> None:
    """1,000 pairs of five seeds on 200 rows; 5% would be 50, and 70 is three deviations above that."""
    generator = np.random.default_rng(7)

    def mistakes() -> Array:
        shared, own = generator.random((1, 200)), generator.random((5, 200))
        return (np.where(generator.random((5, 200)) < rows_alike, shared, own) < 0.1).astype(float)

    assert sum(compare(mistakes(), mistakes()).better for _ in range(1_000)) < 1_000 * LEVEL + 20


def test_a_difference_of_five_points_is_mostly_found() -> None:
    """Beside it, so that the test above is no test that finds nothing: 10% of mistakes against 5%, on the same rows."""
    generator = np.random.default_rng(8)
    found = 0
    for _ in range(200):
        hard = generator.random((5, 300))
        found += compare((hard < 0.10).astype(float), (hard < 0.05).astype(float)).better
    assert found > 190
