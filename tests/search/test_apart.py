"""Which of the best settings do better when they are trained again."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
import pytest

from nnrun.engine.scores import Objective
from nnrun.search.apart import better_than_first, lowest
from nnrun.search.record import Repeated
from nnrun.search.telling import repeat_lines


def repeated(trial: int, values: Sequence[float]) -> Repeated:
    spread = stdev(values) if len(values) > 1 else None
    mean = fmean(values) if values else None
    told = {"trial": trial, "chosen": 0.01, "mean": mean, "deviation": spread, "n": len(values), "lost": 0}
    return {**told, "values": [*values]}  # type: ignore[typeddict-item]


def better(*settings: Sequence[float]) -> int | None:
    found = better_than_first([repeated(trial, values) for trial, values in enumerate(settings)])
    return found and found["trial"]


def test_equal_settings_are_hardly_ever_told_apart() -> None:
    rng = np.random.default_rng(0)
    for count in (2, 5):
        told = [better(*rng.normal(0.1, 0.02, (3, count)).tolist()) is not None for _ in range(2000)]
        assert np.mean(told) < 0.04  # 2.5% at most; where the lowest mean was told, it was 67%


def test_settings_that_differ_by_far_more_than_seeds_do_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    told = [better(*(rng.normal(mean, 0.01, 5).tolist() for mean in (0.1, 0.05, 0.08))) for _ in range(200)]
    assert told.count(1) > 190


def test_a_worked_example() -> None:
    # Means 3 and 1, variances 1 and 1, 3 runs each: √(1/3 + 1/3) = 0.816, and t of 4 degrees is 2.776 for one other,
    # 3.495 for two: bands 2.27 and 2.85.
    first = (2, 3, 4)
    assert better(first, (-0.3, 0.7, 1.7)) == 1  # 2.3 lower
    assert better(first, (-0.2, 0.8, 1.8)) is None
    assert better(first, (-0.3, 0.7, 1.7), first) is None
    assert better(first, (-0.9, 0.1, 1.1), first) == 1  # 2.9 lower
    assert better((2.9, 3, 3.1), (0, 0.1, 0.2), (-4, 0, 4)) == 1, "the lowest mean is not the surest"


@pytest.mark.parametrize(
    "settings", [((0.1,), (0.01,)), ((0.1, 0.1), (0.05, 0.05)), ((), (0.1, 0.2)), ((0.1, 0.2), ())]
)
def test_of_too_little_nothing_is_told(settings: Sequence[Sequence[float]]) -> None:
    assert better(*settings) is None


def test_the_first_of_equal_means_is_the_lowest() -> None:
    repeats = [repeated(4, [0.1]), repeated(2, [0.1]), repeated(3, [])]
    assert lowest(repeats) == repeats[0]
    assert lowest([repeated(3, [])]) is None
    assert "note" not in "".join(repeat_lines(repeats, Objective("dev_error")))


def test_the_summary_says_which_does_better() -> None:
    repeats = [repeated(4, [0.1, 0.11, 0.12]), repeated(2, [0.03, 0.031, 0.032])]
    assert repeat_lines(repeats, Objective("dev_error"))[-2:] == [
        "note     with new seeds trial 2 does better than trial 4: 3.1% against 11.0%",
        "",
    ]
