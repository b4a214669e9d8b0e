import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.search.strategies.coarse_to_fine import SIZE, CoarseToFine, _segment
from nnrun.search.strategies.strategy import Brief, Random, Strategy

Loss = Callable[[list[float]], float]


def cube(dimensions: int) -> Space:
    keys = ["learning_rate", "epsilon", "clip_norm", "beta1", "beta2", "weight_decay"][:dimensions]
    return Space.of({f"optimizer.{key}": {"uniform": [0, 1]} for key in keys})


def play(strategy: Strategy, loss: Loss, trials: int) -> list[tuple[list[float], float]]:
    """The points of the unit cube that were tried, each with its loss."""
    found: list[tuple[list[float], float]] = []
    while len(found) < trials:
        for point in strategy.ask(trials - len(found)):
            units = strategy.brief.space.encode(point.values)
            assert units is not None
            found.append((units, loss(units)))
            strategy.tell(point.number, point.values, found[-1][1])
    return found


def sphere(centre: list[float]) -> Loss:
    return lambda units: sum((u - c) ** 2 for u, c in zip(units, centre, strict=True))


def ellipsoid(centre: list[float]) -> Loss:
    """Steepness from 1 in the first direction to 100 in the last."""
    steepness = np.logspace(0, 2, len(centre))
    return lambda units: float((steepness * (np.array(units) - centre) ** 2).sum())


@pytest.mark.parametrize("dimensions", [2, 5])
@pytest.mark.parametrize("function", [sphere, ellipsoid])
def test_it_is_better_than_random_with_twice_the_trials(function: Callable[..., Loss], dimensions: int) -> None:
    space, zoomed, random = cube(dimensions), [], []
    for seed in range(20):
        loss = function(np.random.default_rng(seed).uniform(0.15, 0.85, dimensions).tolist())
        zoomed.append(min(value for _, value in play(CoarseToFine(Brief(space, seed, (48,))), loss, 48)))
        random.append(min(value for _, value in play(Random(Brief(space, seed, (96,))), loss, 96)))
    assert np.median(zoomed) < np.median(random)


def boxes(strategy: CoarseToFine) -> list[dict[str, list[Any]]]:
    return [{change["key"]: change["new"] for change in stage["changes"]} for stage in strategy.stages()]


@pytest.mark.parametrize("seed", range(10))
def test_the_best_point_stays_in_the_box_and_boxes_shrink(seed: int) -> None:
    space = cube(3)
    strategy = CoarseToFine(Brief(space, seed, (60,)))
    found = play(strategy, sphere([0.3, 0.5, 0.7]), 60)
    widths = [1.0]
    for stage, box in zip(strategy.stages(), boxes(strategy), strict=True):
        best, value = min(found[: stage["first"]], key=lambda row: row[1])
        assert (stage["finished"], stage["value"], found[stage["best"]][1]) == (stage["first"], value, value)
        for unit, (low, high) in zip(best, box.values(), strict=True):
            assert low <= unit <= high
            assert low >= 0 and high <= 1 and high - low >= 0.05 - 1e-12
        widths.append(float(np.prod([high - low for low, high in box.values()])))
    assert len(widths) == 5
    assert widths[-1] < 0.1 * widths[1] < 0.1


def test_the_box_is_that_of_the_best_tenth_rounded_up_and_of_three_at_least() -> None:
    strategy = CoarseToFine(Brief(cube(1), 0, (60,)))
    play(strategy, sphere([0.5]), 37)
    assert [change["why"].split(" trials")[0] for stage in strategy.stages() for change in stage["changes"]] == [
        "the best 3 of 12", "the best 3 of 24", "the best 4 of 36"
    ]  # fmt: skip


def test_most_trials_of_a_later_stage_lie_in_its_box_and_a_share_everywhere() -> None:
    space = cube(2)
    strategy = CoarseToFine(Brief(space, 1, (48,)))
    found = play(strategy, sphere([0.5, 0.5]), 48)
    [*_, box] = boxes(strategy)
    inside = [all(low <= u <= high for u, (low, high) in zip(units, box.values(), strict=True)) for units, _ in found]
    assert all(inside[36:46])
    assert inside[46:] == [False, False]  # this box holds less than a tenth of the square


def test_the_first_stage_covers_every_parameter_evenly() -> None:
    found = play(CoarseToFine(Brief(cube(3), 5, (SIZE,))), sphere([0.5] * 3), SIZE)
    for column in np.array([units for units, _ in found]).T:
        assert sorted(np.floor(column * SIZE).astype(int).tolist()) == list(range(SIZE))


def test_a_box_near_an_end_is_pushed_back_into_the_range() -> None:
    strategy = CoarseToFine(Brief(cube(2), 0, (60,)))
    play(strategy, sphere([0.0, 1.0]), 60)
    [*_, box] = boxes(strategy)
    assert all(0 <= low < high <= 1 for low, high in box.values())
    assert box["optimizer.learning_rate"][1] > 0.8  # keys are sorted: epsilon falls towards 0, the rate rises to 1
    assert box["optimizer.epsilon"][0] < 0.2


def test_boxes_follow_the_scale_of_the_parameter() -> None:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-6, 1]}})
    strategy = CoarseToFine(Brief(space, 0, (60,)))
    play(strategy, sphere([0.5]), 60)  # the best rate is 1e-3
    low, high = boxes(strategy)[-1]["optimizer.learning_rate"]
    assert low < 1e-3 < high
    # The floor is 5% of six decades: a factor of two, shared by both sides.
    assert high / low == pytest.approx(10**0.3, rel=0.3)


CHOICES = Space.of({"network.activation": {"choice": ["relu", "tanh", "elu"]}, "optimizer.beta1": {"uniform": [0, 1]}})


def test_choices_are_dropped_only_with_evidence() -> None:
    indifferent = CoarseToFine(Brief(CHOICES, 0, (24,)))
    play(indifferent, lambda units: units[1], 24)
    assert boxes(indifferent)[0]["network.activation"] == ["relu", "tanh", "elu"]

    clear = CoarseToFine(Brief(CHOICES, 0, (120,)))
    found = play(clear, lambda units: (0 if 0.3 < units[0] < 0.6 else 1) + 0.01 * units[1], 120)
    # 4 of the first 12 trials have each choice. That 4 of 12 are not among the best 3 happens by chance
    # in C(8, 3) / C(12, 3) = 56 / 220 = 25% of all cases: no evidence.
    assert [sum(units[0] == unit for units, _ in found[:12]) for unit in (1 / 6, 0.5, 5 / 6)] == [4, 4, 4]
    assert boxes(clear)[0]["network.activation"] == ["relu", "tanh", "elu"]
    assert boxes(clear)[-1]["network.activation"] == ["tanh"]
    reasons = {stage["number"]: change["why"] for stage in clear.stages() for change in stage["changes"][:1]}
    assert reasons[1] == "no choice is clearly worse"
    assert "trials has relu, elu" in reasons[9]


def test_a_parameter_that_is_rarely_active_keeps_its_box() -> None:
    space = Space.of(
        {
            "optimizer.name": {"choice": ["adam", "sgd"]},
            "optimizer.beta2": {"uniform": [0, 0.9], "when": {"optimizer.name": "adam"}},
        }
    )
    strategy = CoarseToFine(Brief(space, 0, (24,)))
    for point in strategy.ask(12):  # with adam, everything diverges
        strategy.tell(point.number, point.values, 1.0 if point.values["optimizer.name"] == "sgd" else math.nan)
    strategy.ask(1)
    beta2 = next(change for change in strategy.stages()[0]["changes"] if change["key"] == "optimizer.beta2")
    assert (beta2["new"], beta2["why"]) == ([0, 0.9], "too few trials with this parameter: 0")


def test_failed_trials_do_not_count_and_a_stage_without_results_stays_wide() -> None:
    strategy = CoarseToFine(Brief(cube(2), 0, (36,)))
    for point in strategy.ask(12):
        strategy.tell(point.number, point.values, math.inf)
    for point in strategy.ask(12):
        strategy.tell(point.number, point.values, math.nan if point.number % 2 else float(point.number))
    strategy.ask(1)
    assert [(stage["number"], stage["finished"], stage["best"]) for stage in strategy.stages()] == [(2, 6, 12)]


def test_the_record_is_plain_and_says_why() -> None:
    strategy = CoarseToFine(Brief(cube(1), 0, (24,)))
    play(strategy, sphere([0.5]), 24)
    record = json.loads(json.dumps(strategy.stages()[0]))
    assert {key: record[key] for key in ("number", "first", "finished")} == {"number": 1, "first": 12, "finished": 12}
    [change] = record["changes"]
    assert (change["key"], change["old"]) == ("optimizer.learning_rate", [0, 1])
    low, high = change["new"]
    assert 0.3 < low < 0.5 < high < 0.7
    assert change["why"].startswith("the best 3 of 12 trials have 0.")


def test_the_record_is_there_again_after_a_restart() -> None:
    strategy, again = (CoarseToFine(Brief(cube(2), 0, (40,))) for _ in range(2))
    for units, value in play(strategy, sphere([0.5, 0.2]), 40):
        again.tell(len(again._told), again.brief.space.decode(units), value)
    assert len(strategy.stages()) == 3
    assert again.stages() == strategy.stages()


def warned(written: dict[str, Any], best: list[float]) -> list[str]:
    strategy = CoarseToFine(Brief(Space.of(written), 0, (12,)))
    strategy.tell(0, strategy.brief.space.decode(best), 1.0)
    strategy.tell(1, strategy.brief.space.decode([0.5] * len(best)), 2.0)
    return strategy.warnings()


def test_the_best_of_equal_values_has_the_lowest_dev_loss() -> None:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})
    for at_edge, inside in ((0.2, 0.1), (0.1, 0.2)):
        strategy = CoarseToFine(Brief(space, 0, (12,)))
        strategy.tell(0, space.decode([0.995]), 0.5, at_edge)
        strategy.tell(1, space.decode([0.5]), 0.5, inside)
        assert bool(strategy.warnings()) is (at_edge < inside)


def test_a_best_value_at_an_edge_gives_a_warning_that_says_how_to_widen() -> None:
    written = {"optimizer.learning_rate": {"log": [1e-4, 1]}, "network.depth": {"int": [2, 4]}}
    assert warned(written, [0.5, 0.995]) == [
        "the best optimizer.learning_rate so far, 0.955, lies at the upper end of its range; "
        "to widen it: optimizer.learning_rate: {log: [0.0001, 10.0]}"
    ]
    assert warned(written, [0.1, 0.5]) == [
        "the best network.depth so far, 2, lies at the lower end of its range; "
        "to widen it: network.depth: {int: [1, 4]}"
    ]
    assert warned(written, [0.5, 0.5]) == []


def test_no_warning_of_a_trial_that_a_better_one_outside_the_space_has_beaten() -> None:
    strategy = CoarseToFine(Brief(Space.of({"network.depth": {"int": [2, 4]}}), 0, (12,)))
    strategy.tell(0, {"network.depth": 4}, 1.0)
    assert len(strategy.warnings()) == 1
    strategy.tell(1, {"network.depth": 9}, 0.5)
    assert strategy.warnings() == []


@pytest.mark.parametrize("written", [{"int": [1, 7]}, {"int_log": [1, 40]}, {"quantized": [4, 12, 4]}])
def test_a_box_is_told_with_the_values_that_it_draws(written: dict[str, Any]) -> None:
    ((domain,),) = ([p.domain for p in space.parameters] for space in [Space.of({"network.width": written})])
    for value in domain.each():
        box, _ = _segment(domain, np.full(3, domain.to_unit(value)), 12)
        drawn = {domain.from_unit(box.at(v)) for v in np.linspace(0.001, 0.999, 200)}
        assert box.values(domain) == [min(drawn), max(drawn)]


def test_no_warning_where_the_range_cannot_be_widened() -> None:
    assert warned({"regularization.input_dropout": {"uniform": [0, 0.5]}}, [0.0]) == []
    assert warned({"network.width": {"choice": [8, 16]}}, [0.0]) == []
    assert CoarseToFine(Brief(cube(1), 0, (12,))).warnings() == []
