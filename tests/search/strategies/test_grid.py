"""The strategy grid: how it walks through lists, what it says it leaves out, and grids of earlier versions."""

import math
from collections import Counter
from itertools import combinations

import pytest

from nnrun.config.space.space import Space
from nnrun.search.strategies.grid import Grid
from nnrun.search.strategies.strategy import Brief

CONDITIONAL = {
    "network.depth": {"int": [1, 3]},
    "optimizer.name": {"choice": ["adam", "sgd"]},
    "optimizer.beta1": {"choice": [0.8, 0.9], "when": {"optimizer.name": "adam"}},
}
LISTS = {
    "network.width": {"choice": [8, 16, 32, 64]},
    "optimizer.learning_rate": {"choice": [0.001, 0.003, 0.01, 0.03]},
    "regularization.l2": {"choice": [0.0, 0.01, 0.1, 1.0]},
}


def grid(space: dict[str, dict[str, object]], seed: int = 0, trials: int = 50, first: int = 1) -> Grid:
    return Grid(Brief(Space.of(space), seed, (trials,), first=first))


def test_it_ends_when_every_combination_has_been_tried() -> None:
    points = grid(CONDITIONAL, first=0).ask(100)
    # Three depths, each with adam and two values of beta1 or with sgd and none: 3 × (2 + 1).
    assert len(points) == 9 == Space.of(CONDITIONAL).count
    assert len({tuple(point.values.values()) for point in points}) == 9


@pytest.mark.parametrize("sizes", [(4, 4, 4), (2, 3, 5), (2, 4, 6), (6, 1, 9)])
def test_whatever_is_tried_is_spread_evenly_over_all_choices(sizes: tuple[int, ...]) -> None:
    space = {key: {"choice": [2**i for i in range(n)]} for key, n in zip(LISTS, sizes, strict=True)}
    for seed in (0, 1):
        points = grid(space, seed).ask(1000)
        assert len(points) == math.prod(sizes) == len({tuple(point.values.values()) for point in points})
        for key, n in zip(LISTS, sizes, strict=True):
            for end in range(1, len(points) + 1):
                tried = Counter(point.values[key] for point in points[:end])
                assert max(tried.values()) - (min(tried.values()) if len(tried) == n else 0) <= 1
    assert grid(space, 0).ask(9) != grid(space, 1).ask(9) or math.prod(sizes) < 9


def test_pairs_of_choices_are_mixed_too() -> None:
    points = grid(LISTS).ask(49)
    for one, other in combinations(LISTS, 2):
        pairs = Counter((point.values[one], point.values[other]) for point in points)
        assert len(pairs) == 16 and max(pairs.values()) <= 4


def test_ranges_beside_lists_have_few_values_of_which_each_meets_every_choice() -> None:
    space = {"optimizer.name": {"choice": ["adam", "sgd"]}, "optimizer.learning_rate": {"log": [1e-4, 1]}}
    points = [tuple(point.values.values()) for point in grid(space).ask(10)]
    assert sorted({rate for rate, _ in points[:6]}) == pytest.approx([1e-4, 1e-2, 1])
    assert len(set(points[:6])) == 6 and len(set(points)) == 10 and len({rate for rate, _ in points}) == 5


def test_a_grid_of_more_combinations_than_memory_begins_at_once() -> None:
    keys = [*LISTS, *(f"optimizer.{name}" for name in ("beta1", "beta2", "epsilon", "clip_norm"))]
    vast = grid({key: {"choice": [float(i) for i in range(1, 1001)]} for key in keys})
    points = vast.ask(1000)
    assert all(len({point.values[key] for point in points}) == 1000 for key in keys)
    assert vast.heading(vast.brief)[0].startswith("note     of the grid's 1,000,000,000,000,000,000,000 combinations")


def test_it_says_how_many_combinations_are_left_out_and_what_takes_all() -> None:
    strategy, told = grid(LISTS), "of the grid's 64 combinations 15 are left out; --trials 65 tries all"
    assert strategy.heading(strategy.brief) == [f"note     {told}"] and strategy.warnings() == []
    for point in strategy.ask(49):
        strategy.tell(point.number, point.values, 0.1)
    assert strategy.warnings() == [told]
    for point in strategy.ask(15):
        strategy.tell(point.number, point.values, 0.1)
    assert strategy.warnings() == [] == strategy.heading(Brief(strategy.brief.space, 0, (50, 65), first=1))


@pytest.mark.parametrize("range_", [{"log": [1e-4, 1]}, {"int": [1, 4096]}, {"quantized": [1, 9, 1]}])
@pytest.mark.parametrize("beside", [{}, LISTS])
def test_of_ranges_which_are_refined_on_purpose_nothing_is_left_out(
    range_: dict[str, object], beside: dict[str, dict[str, object]]
) -> None:
    strategy = grid({**beside, "training.batch_size": range_}, trials=5)
    for point in strategy.ask(4):
        strategy.tell(point.number, point.values, 0.1)
    assert strategy.heading(strategy.brief) == [] == strategy.warnings()


def test_the_number_of_combinations_knows_of_conditions() -> None:
    """Of 5 depths one has 4 widths, of which two have a rate of 3 more; the others have neither."""
    space = {
        "network.depth": {"int": [1, 5]},
        "network.width": {"choice": [8, 16, 32, 64], "when": {"network.depth": [2, 7]}},
        "regularization.l2": {"choice": [0.0, 0.1, 1.0], "when": {"network.width": [8, 16, 16.0]}},
    }
    assert Space.of(space).count == 4 + 2 + 2 * 3 == len(grid(space).ask(100))


# From a search of an earlier version, which took a list of choices for a range: width and L2 of trials 1 to 6.
EARLIER = [(4, 0.1), (8, 0.1), (2, 0.1), (8, 0.0), (2, 0.0), (4, 0.0)]
OF_EARLIER = {"network.width": {"choice": [2, 4, 8]}, "regularization.l2": {"choice": [0.0, 0.1]}}


@pytest.mark.parametrize("ended", [[1, 2, 3], [3, 1], [2, 4]])
def test_a_grid_of_an_earlier_version_goes_on_in_its_order(ended: list[int]) -> None:
    assert [tuple(point.values.values()) for point in grid(OF_EARLIER).ask(9)] != EARLIER
    strategy = grid(OF_EARLIER)
    for number in ended:
        strategy.tell(number, dict(zip(OF_EARLIER, EARLIER[number - 1], strict=True)), 0.1)
    left = {point.number: tuple(point.values.values()) for point in strategy.ask(9)}
    assert left == {number: EARLIER[number - 1] for number in range(1, 7) if number not in ended}
