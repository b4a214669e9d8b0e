"""What random search would be expected to reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.importance import random_search_expected
from nnrun.search.running import SearchOutcome
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Strategy
from nnrun.search.telling import expected_line

SPACE = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})


def strategy(name: str, first: int = 1) -> Strategy:
    return STRATEGIES[name](Brief(SPACE, 0, [60], epochs=9, first=first))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("random", []),  # all are, and there is nothing to compare them with
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


@pytest.mark.parametrize(("name", "trials"), [("coarse_to_fine", 50), ("coarse_to_fine", 20), ("tpe", 50)])
def test_it_is_what_random_searches_of_as_many_trials_reach(name: str, trials: int) -> None:
    if name == "tpe":
        pytest.importorskip("optuna")
    drawn, rng = strategy(name), np.random.default_rng(0)
    told = [random_search_expected(records(*rng.random(trials)), drawn) for _ in range(2000)]
    assert told[0] is not None
    draws = told[0]["trials"]
    # The lowest of n uniform numbers is 1 / (n + 1) in the mean, with a deviation of as much at most.
    expected = 1 / (draws + 1)
    assert np.mean([each["value"] for each in told if each]) == pytest.approx(expected, rel=5 / 2000**0.5)


def test_only_what_was_drawn_counts_and_what_has_no_result_is_no_best() -> None:
    metrics = [0, None, 2, 3, None, 4, *[5] * 6, *[1] * 10, 1.5, 6]  # of coarse to fine: 1 to 11, 22 and 23 are drawn
    expected = random_search_expected(records(*metrics), strategy("coarse_to_fine"))
    assert expected == {"value": 1.5, "trials": 13, "draws": 13}


@pytest.mark.parametrize("metrics", [(0, 1, 2, 3, 4), (0, None, None, None, None, None), ()])
def test_too_few_draws_say_nothing(metrics: tuple[float | None, ...]) -> None:
    assert random_search_expected(records(*metrics), strategy("coarse_to_fine")) is None


def test_the_summary_says_from_how_many_draws() -> None:
    line = "random   search of 20 trials is expected to reach 2.1%, by 20 draws from the whole space"
    assert expected_line({"value": 0.021, "trials": 20, "draws": 20}, Objective("dev_error")) == [line]
    assert expected_line(None, Objective("dev_error")) == []


def test_a_search_keeps_it_in_its_record(search: Callable[..., SearchOutcome]) -> None:
    found = search("search.strategy=coarse_to_fine", "search.trials=14")
    best = min(record["metric"] for record in found.records[1:12] if record["metric"] is not None)
    assert found.record["random_search_expected"] == {"value": best, "trials": 11, "draws": 11}
    for strategy in ("random", "halving"):
        assert search(f"search.strategy={strategy}").record["random_search_expected"] is None
