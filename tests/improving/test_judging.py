"""When one setting counts as better than another."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from nnrun.improving.judging import LEVEL, DevRows, compare, guess
from nnrun.improving.results import Results
from nnrun.runs.stored import StoredRun

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


def test_where_seeds_differ_more_than_what_is_left_they_alone_tell_how_sure_it_is() -> None:
    """Without a rest: MS_seeds 1.5 with one degree of freedom, MS_rows 0.02; together 1.52² / 1.5² degrees."""
    found = compare(np.array([[1.0, 1.2, 1.1], [0, 0.2, 0.1]]), np.zeros((2, 3)))
    freedom, error = 1.52**2 / 1.5**2, sqrt(1.52 / 6)
    assert found.gain == pytest.approx(0.6)
    assert found.high - found.gain == pytest.approx(t.ppf(0.975, freedom) * error)
    assert found.chance == pytest.approx(t.sf(0.6 / error, freedom)) and found.chance > 0.1


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


class Known(Results):
    """Of trainings whose mistakes on the dev rows are known."""

    def __init__(self, mistakes: dict[int, list[float]], weights: Array | None = None, groups: Array | None = None):
        super().__init__(Path())
        self._looked_into = lambda k: DevRows(np.array(mistakes[k]), weights, groups)  # type: ignore[assignment]


def trained(*numbers: int, status: str = "done") -> Any:
    return [{"number": number, "status": status} for number in numbers]


def test_steps_are_judged_by_the_weights_and_groups_of_the_dev_rows() -> None:
    old, new, weights = [1.0, 0, 0, 1] * 25, [0.0, 0, 0, 1] * 25, np.array([3.0, 1, 1, 1] * 25)
    known = {0: old, 1: old, 2: new, 3: new}
    plain = Known(known).compare(trained(0, 1), trained(2, 3))
    assert plain.gain == pytest.approx(1 / 4) and plain.better
    assert Known(known, weights).compare(trained(0, 1), trained(2, 3)).gain == pytest.approx(3 / 6)
    together = Known(known, groups=np.arange(100) % 4).compare(trained(0, 1), trained(2, 3))
    assert together.gain == pytest.approx(1 / 4) and not together.better, "one group of four did better"
    lost = [*trained(0, status="diverged"), *trained(1)]  # the other knows of the rows
    assert Known(known, weights).compare(lost, trained(2, 3)).gains == pytest.approx([5 / 6, 3 / 6])


@pytest.mark.parametrize(("kinds", "error"), [("abccc", 0.4), ("aaab", 0.25)])
def test_a_guess_is_the_most_frequent_class(
    kinds: str, error: float, train_run: Callable[..., Any], tmp_path: Path
) -> None:
    path, rows = tmp_path / "rows.csv", (f"{k % 7},{kinds[k % len(kinds)]}" for k in range(200))
    path.write_text("\n".join(["x,kind", *rows]) + "\n")
    run = train_run(f"data.source={path}", "data.target=kind", "network.hidden=[4]", "training.epochs=1").run
    guessed = guess(StoredRun(run))
    assert {*guessed.tolist()} == {0.0, 1.0} and guessed.mean() == pytest.approx(error)


def test_a_guess_of_a_number_is_the_mean(train_run: Callable[..., Any]) -> None:
    run = train_run("data.source=diabetes", "network.hidden=[4]", "training.epochs=1").run
    assert guess(StoredRun(run)).mean() == pytest.approx(1, abs=0.02)
