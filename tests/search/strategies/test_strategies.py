import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.config.values import Settings
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Point, Strategy, draw

SPACE = Space.of(
    {
        "optimizer.name": {"choice": ["adam", "sgd"]},
        "optimizer.learning_rate": {"log": [1e-4, 1]},
        "optimizer.beta1": {"one_minus_log": [0.9, 0.999], "when": {"optimizer.name": "adam"}},
        "network.width": {"int": [50, 100]},
    }
)
TWO = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}, "regularization.l2": {"uniform": [0, 1]}})


def made(name: str, space: Space = SPACE, seed: int = 3, totals: tuple[int, ...] = (40,), **about: Any) -> Strategy:
    if name == "tpe":
        pytest.importorskip("optuna")
    return STRATEGIES[name](Brief(space, seed, totals, **about))


def loss(values: Settings) -> float:
    """Best at a rate of 0.01; every rate above 0.5 diverges."""
    rate = values["optimizer.learning_rate"]
    return math.nan if rate > 0.5 else abs(math.log10(rate) + 2) + (values.get("network.width") or 0) / 1000


def searched(strategy: Strategy, trials: int, at_once: int = 1, shuffle: int | None = None) -> list[Point]:
    """The trials of a search with so many in flight; with `shuffle` they finish in a random order."""
    rng = np.random.default_rng(shuffle)
    flying: list[Point] = []
    done: list[Point] = []
    while True:
        room = min(at_once - len(flying), trials - len(done) - len(flying))
        flying += strategy.ask(room) if room > 0 else []
        if not flying:
            return sorted(done, key=lambda point: point.number)
        point = flying.pop(0 if shuffle is None else int(rng.integers(len(flying))))
        strategy.tell(point.number, point.values, loss(point.values))
        done.append(point)


every_strategy = pytest.mark.parametrize("name", STRATEGIES)


@every_strategy
def test_the_list_is_the_same_with_one_worker_and_with_many(name: str) -> None:
    alone = searched(made(name), 40)
    assert len(alone) == 40
    assert [point.number for point in alone] == list(range(40))
    assert all(SPACE.contains(point.values) for point in alone)
    for workers, order in ((2, None), (7, 1), (64, 2)):
        assert searched(made(name), 40, workers, order) == alone


def test_draws_are_those_of_older_searches() -> None:
    assert draw(Brief(TWO, 7, (9,)), 3) == pytest.approx([0.7058663686222059, 0.015868462403442862])


@every_strategy
def test_another_seed_gives_another_list(name: str) -> None:
    assert searched(made(name, seed=4), 20) != searched(made(name), 20)


@every_strategy
@pytest.mark.parametrize("told", [1, 13, 27])
def test_a_search_is_rebuilt_by_telling_its_finished_trials(name: str, told: int) -> None:
    whole = searched(made(name), 40)
    again = made(name)
    # Trials finish in any order: one of those in flight when the search was killed is missing, the next is there.
    finished = [point for point in whole if point.number < told or point.number == told + 1]
    for point in reversed(finished):
        again.tell(point.number, point.values, loss(point.values))
    rest = searched(again, 40 - len(finished), 3, 5)
    assert rest == [point for point in whole if point not in finished]


@pytest.mark.parametrize("name", ["coarse_to_fine", "halving", "coarse_to_fine_halving"])
def test_of_equal_values_the_dev_loss_decides(name: str) -> None:
    def play(told: Callable[[float], tuple[float, float]]) -> list[Point]:
        strategy, points = made(name), list[Point]()
        while batch := strategy.ask(40 - len(points)):
            for point in batch:
                strategy.tell(point.number, point.values, *told(loss(point.values)))
            points += batch
        return points

    by_value = play(lambda found: (found, math.inf))
    assert play(lambda found: (0 * found, found)) == by_value
    assert play(lambda found: (0 * found, math.inf)) != by_value


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "halving"])
def test_a_longer_search_begins_like_a_shorter_one(name: str) -> None:
    assert searched(made(name, totals=(26,)), 26) == searched(made(name, totals=(41,)), 41, 4, 1)[:26]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "halving"])
def test_trials_that_the_user_gave_are_waited_for_and_learnt_from(name: str) -> None:
    def play(given_first: bool) -> list[Point]:
        strategy = made(name, first=2, awaited=frozenset({0}))  # trial 1 lies outside the space
        values = SPACE.decode([0.5, 0.5, 0.5, 0])
        points = []
        if given_first:
            strategy.tell(0, values, 0.1)
        else:  # it is still in flight while the strategy's own first trials finish
            early = strategy.ask(8)
            for point in early:
                strategy.tell(point.number, point.values, loss(point.values))
            points += early
            strategy.tell(0, values, 0.1)
        return points + searched(strategy, 30 - len(points), 3)

    late, early = play(given_first=False), play(given_first=True)
    assert late == early
    assert late[0].number == 2


@pytest.mark.parametrize("name", ["coarse_to_fine", "tpe"])
def test_what_depends_on_a_given_trial_is_not_proposed_before_it_is_told(name: str) -> None:
    strategy = made(name, first=1, awaited=frozenset({0}))
    first = strategy.ask(100)
    for point in first:
        strategy.tell(point.number, point.values, loss(point.values))
    assert [point.number for point in first] == list(range(1, 12 if name == "coarse_to_fine" else 10))
    assert strategy.ask(1) == []
    strategy.tell(0, SPACE.decode([0.5, 0.5, 0.5, 0]), 0.1)
    assert strategy.ask(1)[0].number == len(first) + 1


@every_strategy
def test_it_tells_of_itself_before_the_first_trial(name: str) -> None:
    strategy = made(name)
    assert strategy.stages() == [] and strategy.warnings() == []
    assert bool(strategy.heading(strategy.brief)) == ("halving" in name)  # as their trials train for different times


@every_strategy
def test_a_search_in_which_everything_diverges_goes_on(name: str) -> None:
    strategy = made(name)
    points: list[Point] = []
    while len(points) < 40 and (batch := strategy.ask(5)):
        for point in batch:
            strategy.tell(point.number, point.values, math.nan)
        points += batch
    assert [point.number for point in points] == list(range(len(points)))
    assert len(points) >= 40


@pytest.mark.parametrize("name", ["random", "sobol", "coarse_to_fine"])
def test_25_trials_try_25_values_of_each_parameter(name: str) -> None:
    points = searched(made(name, TWO), 25)
    for key in TWO.keys:
        assert len({point.values[key] for point in points}) == 25


def test_the_grid_tries_few_values_of_each_parameter() -> None:
    points = searched(made("grid", TWO), 25)
    rates, penalties = ({point.values[key] for point in points} for key in TWO.keys)
    assert sorted(penalties) == [0, 0.25, 0.5, 0.75, 1]
    assert sorted(rates) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert len({(p.values["optimizer.learning_rate"], p.values["regularization.l2"]) for p in points}) == 25


def test_sobol_fills_the_square_more_evenly_than_chance() -> None:
    # 64 points of a Sobol sequence put exactly one point in each of 64 strips of each axis.
    points = searched(made("sobol", TWO), 64)
    strips = {math.floor(point.values["regularization.l2"] * 64) for point in points}
    assert len(strips) == 64
    drawn = searched(made("random", TWO), 64)
    assert len({math.floor(point.values["regularization.l2"] * 64) for point in drawn}) < 50


def test_every_strategy_says_what_it_is() -> None:
    assert all(len(strategy.help) > 20 for strategy in STRATEGIES.values())
