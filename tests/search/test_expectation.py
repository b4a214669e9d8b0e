"""What random search would be expected to reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.importance import expected_minimum, random_search_expected
from nnrun.search.running import SearchOutcome
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Strategy
from nnrun.search.telling import expected_line

SPACE = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})


def strategy(name: str, first: int = 1) -> Strategy:
    return STRATEGIES[name](Brief(SPACE, 0, [60], epochs=9, first=first))


def test_a_worked_example() -> None:
    # Of two draws from 1, 2, 4 the lowest is 1 with 1 − (2/3)² = 5/9, 2 with 4/9 − 1/9 = 3/9, 4 with 1/9.
    assert expected_minimum([4, 1, 2], 2) == pytest.approx((5 * 1 + 3 * 2 + 1 * 4) / 9)
    assert expected_minimum([4, 1, 2], 1) == pytest.approx(7 / 3)
    assert expected_minimum([-1.0, -1.0], 9) == -1


def test_it_is_the_mean_of_many_searches() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(20)
    lowest = rng.choice(values, (100_000, 7)).min(axis=1)
    # The deviation of a minimum is below 1, so that of the mean is below 0.0032.
    assert expected_minimum(values.tolist(), 7) == pytest.approx(lowest.mean(), abs=0.015)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("random", range(1, 60)),
        ("coarse_to_fine", [*range(1, 12), 22, 23, 34, 35, 46, 47, 58, 59]),
        ("sobol", []),
        ("grid", []),
        ("halving", []),
        ("tpe", range(1, 10)),
    ],
)
def test_which_trials_are_drawn_from_the_whole_space(name: str, numbers: list[int]) -> None:
    if name == "tpe":
        pytest.importorskip("optuna")
    drawn = strategy(name)
    assert [number for number in range(60) if drawn.independent(number)] == list(numbers)
    later = strategy(name, first=4)
    assert [number for number in range(60) if later.independent(number)] == [n for n in numbers if n >= 4]


def records(*metrics: float | None) -> list[dict[str, Any]]:
    return [{"number": number, "metric": metric} for number, metric in enumerate(metrics)]


def test_trials_without_a_result_count_like_the_worst() -> None:
    # Trial 0 is no draw. Of six trials: values 1, 2, 3, 3, 3 with weights 1 − 0.8⁶, 0.8⁶ − 0.6⁶, 0.6⁶.
    expected = random_search_expected(records(0, 1, None, 2, 3, None), strategy("random"))
    assert expected is not None
    assert expected["value"] == pytest.approx((1 - 0.8**6) + 2 * (0.8**6 - 0.6**6) + 3 * 0.6**6)
    assert (expected["trials"], expected["draws"]) == (6, 5)


@pytest.mark.parametrize("metrics", [(0, 1, 2, 3, 4), (0, None, None, None, None, None), ()])
def test_too_few_draws_say_nothing(metrics: tuple[float | None, ...]) -> None:
    assert random_search_expected(records(*metrics), strategy("random")) is None


def test_the_summary_says_from_how_many_draws() -> None:
    line = "random   search of 30 trials is expected to reach 2.1%, estimated from 20 draws"
    assert expected_line({"value": 0.021, "trials": 30, "draws": 20}, Objective("dev_error")) == [line]
    assert expected_line(None, Objective("dev_error")) == []


def test_a_search_keeps_it_in_its_record(search: Callable[..., SearchOutcome]) -> None:
    expected = search().record["random_search_expected"]
    assert (expected["trials"], expected["draws"]) == (12, 11)
    assert search("search.strategy=halving").record["random_search_expected"] is None
