import sys

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.errors import UsageError
from nnrun.installation import installing
from nnrun.search.strategies.strategy import Brief, Point, Random, Strategy
from nnrun.search.strategies.tpe import Tpe

SPACE = Space.of(
    {
        "optimizer.learning_rate": {"log": [1e-4, 1]},
        "optimizer.name": {"choice": ["adam", "sgd"]},
        "optimizer.beta1": {"uniform": [0, 0.9], "when": {"optimizer.name": "adam"}},
    }
)


def test_without_optuna_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError) as caught:
        Tpe(Brief(SPACE, 0, (10,)))
    assert str(caught.value) == f"the strategy tpe needs optuna; to install: {installing('tpe')}"


def best(strategy: Strategy) -> float:
    values = []
    while len(values) < 40:
        for point in strategy.ask(40 - len(values)):
            units = SPACE.encode(point.values)
            assert units is not None
            values.append((units[0] - 0.3) ** 2 + (units[1] - 0.7) ** 2 + (units[2] > 0.5))
            strategy.tell(point.number, point.values, values[-1])
    return min(values)


def test_it_is_better_than_random() -> None:
    pytest.importorskip("optuna")
    found = [best(Tpe(Brief(SPACE, seed, (40,)))) for seed in range(8)]
    drawn = [best(Random(Brief(SPACE, seed, (40,)))) for seed in range(8)]
    assert np.median(found) < np.median(drawn)


def value_of(point: Point) -> float:
    units = SPACE.encode(point.values)
    assert units is not None
    return (units[0] - 0.3) ** 2 + (units[1] - 0.7) ** 2


def test_what_is_proposed_follows_from_the_results_alone() -> None:
    """However they came to it: one by one, all at once as in a search that is resumed, or asked for once more."""
    pytest.importorskip("optuna")
    brief, points = Brief(SPACE, 3, (30,)), list[Point]()
    going = Tpe(brief)
    while len(points) < 30:
        for point in going.ask(30 - len(points)):
            points.append(point)
            going.tell(point.number, point.values, value_of(point))
    resumed = Tpe(brief)
    for point in reversed(points):
        resumed.tell(point.number, point.values, value_of(point))
    for number in (26, 10, 11, 22, 29):
        assert resumed.propose(number) == points[number]
