import math
from collections.abc import Collection

import pytest

from nnrun.config.space.space import Space
from nnrun.search.strategies.halving import Halving, Rung, rung_table
from nnrun.search.strategies.strategy import Brief, Point

SPACE = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})


def rows(brief: Brief) -> list[tuple[int, int, int]]:
    return [(rung.first, rung.size, rung.epochs) for rung in rung_table(brief)]


def test_the_rung_table() -> None:
    # 40 = 27 + 9 + 3 + 1; epochs 81 / 27, 81 / 9, 81 / 3 and 81.
    assert rows(Brief(SPACE, 0, (40,), epochs=81)) == [(0, 27, 3), (27, 9, 9), (36, 3, 27), (39, 1, 81)]
    # 50: 35 + 11 + 3 + 1; 50 epochs in thirds, rounded up: 2, 6, 17, 50.
    assert rows(Brief(SPACE, 0, (50,), epochs=50)) == [(0, 35, 2), (35, 11, 6), (46, 3, 17), (49, 1, 50)]
    # 12 cannot be 9 + 3 + 1; two levels, 9 + 3.
    assert rows(Brief(SPACE, 0, (12,), epochs=50)) == [(0, 9, 17), (9, 3, 50)]
    # 2 epochs cannot be divided by 3: one level.
    assert rows(Brief(SPACE, 0, (12,), epochs=2)) == [(0, 12, 2)]
    # One trial fewer than 40 is too few for four levels: 27 + 9 + 3.
    assert rows(Brief(SPACE, 0, (39,), epochs=81)) == [(0, 27, 9), (27, 9, 27), (36, 3, 81)]


@pytest.mark.parametrize("trials", range(1, 60))
def test_the_rungs_hold_every_trial_once(trials: int) -> None:
    table = rung_table(Brief(SPACE, 0, (trials,), epochs=30, first=1))
    assert [n for rung in table for n in rung.numbers] == list(range(1, trials))
    assert all(rung.size > 0 for rung in table)
    if table:
        assert table[-1].epochs == 30


def test_an_extension_opens_a_bracket() -> None:
    table = rung_table(Brief(SPACE, 0, (13, 17), epochs=9))
    assert table == [
        Rung(0, 0, 0, 9, 1),
        Rung(0, 1, 9, 3, 3),
        Rung(0, 2, 12, 1, 9),
        Rung(1, 0, 13, 3, 3),
        Rung(1, 1, 16, 1, 9),
    ]


def test_trials_that_go_on_are_not_compared_with_fresh_ones() -> None:
    """Of the bracket of the extension the last also end at epoch 9, as the two of the first bracket do."""
    brief = Brief(SPACE, 0, (2, 15), epochs=9)
    assert rows(brief) == [(0, 2, 9), (2, 9, 1), (11, 3, 3), (14, 1, 9)]
    assert Halving.compared(brief, range(15)) == {0, 1}


def played(strategy: Halving, loss: dict[int, float], stopped: Collection[int] = ()) -> list[Point]:
    """All trials, with the loss of the fresh ones by number; a continued one has its parent's."""
    points: list[Point] = []
    while batch := strategy.ask(100):
        for point in batch:
            if point.resume is not None:
                loss[point.number] = loss[point.resume]
            strategy.tell(point.number, point.values, loss[point.number], stopped=point.number in stopped)
        points += batch
    return points


def test_the_best_third_goes_on_with_its_own_settings() -> None:
    strategy = Halving(Brief(SPACE, 0, (13,), epochs=9))
    points = played(strategy, dict(enumerate([5.0, 1, 8, 3, 9, 2, 7, 4, 6])))
    assert [(point.epochs, point.resume) for point in points[9:]] == [(3, 1), (3, 5), (3, 3), (9, 9)]
    assert points[9].values == points[1].values
    assert points[12].values == points[1].values
    assert all((point.epochs, point.resume) == (1, None) for point in points[:9])
    assert [strategy.behind(point.number) for point in points] == [0] * 9 + [1, 1, 1, 3]


def test_a_rung_waits_for_the_one_below() -> None:
    strategy = Halving(Brief(SPACE, 0, (13,), epochs=9))
    first = strategy.ask(100)
    assert len(first) == 9
    for point in first[1:]:
        strategy.tell(point.number, point.values, 1.0)
        assert strategy.ask(1) == []
    strategy.tell(0, first[0].values, 0.5)
    assert [point.resume for point in strategy.ask(9)] == [0, 1, 2]  # of equal ones the lower numbers


def test_a_diverged_trial_never_survives() -> None:
    strategy = Halving(Brief(SPACE, 0, (13,), epochs=9))
    loss = dict.fromkeys(range(13), math.nan) | {4: 3.0, 6: math.inf, 10: 1.0, 11: math.nan}
    points = played(strategy, loss)
    # Only trial 4 is left; fresh draws, trained from the start, take the two other places.
    assert [(point.epochs, point.resume) for point in points[9:]] == [(3, 4), (3, None), (3, None), (9, 10)]
    assert len({point.values["optimizer.learning_rate"] for point in points}) == 11


@pytest.mark.parametrize(
    ("skips_stopped", "stopped", "goes_on"),
    [
        (True, {0, 2}, [1, 3, 4, 9]),
        (True, {0, 2, 9, 10}, [1, 3, 4, 11]),
        (True, {0, *range(2, 9), 9}, [1, None, None, 10]),  # fresh draws take the places that are left
        (False, {0, 2}, [0, 1, 2, 9]),  # a search of an early version
    ],
)
def test_what_early_stopping_has_ended_does_not_go_on(
    skips_stopped: bool, stopped: set[int], goes_on: list[int | None]
) -> None:
    strategy = Halving(Brief(SPACE, 0, (13,), epochs=9, skips_stopped=skips_stopped))
    points = played(strategy, {number: float(number) for number in range(13)}, stopped)
    assert [point.resume for point in points[9:]] == goes_on


def test_the_checkpoints_of_what_does_not_go_on_are_not_needed() -> None:
    strategy = Halving(Brief(SPACE, 0, (13,), epochs=9))
    for point in strategy.ask(9):
        strategy.tell(point.number, point.values, 1.0, stopped=point.number == 4)
    assert [strategy.may_continue(number) for number in (3, 4, 5)] == [True, False, True]


def test_the_users_own_trials_take_no_part() -> None:
    for told in (True, False):  # nor does a rung wait for them: they train for all epochs
        strategy = Halving(Brief(SPACE, 0, (14,), epochs=9, first=1, awaited=frozenset({0})))
        if told:
            strategy.tell(0, {"optimizer.learning_rate": 0.01}, -1.0)
        points = played(strategy, {number: float(number) for number in range(1, 14)})
        assert [point.resume for point in points[9:]] == [1, 2, 3, 10]


def test_the_rungs_are_told_before_the_start() -> None:
    # 9 + 3 + 1 trials beside trial 0; 9 epochs in all, a third of them and a third of that on the rungs below.
    assert Halving.heading(Brief(SPACE, 0, [14], epochs=9, first=1)) == [
        "rung     trials 1 to 9 until epoch 1",
        "rung     trials 10 to 12 until epoch 3, the best of those until epoch 1",
        "rung     trials 13 to 13 until epoch 9, the best of those until epoch 3",
    ]


def test_rungs_begin_behind_the_known_settings() -> None:
    first, *_ = Halving.heading(Brief(SPACE, 0, [16], epochs=9, first=3))
    assert first == "rung     trials 3 to 11 until epoch 1"  # 9 of the 13 trials behind the config and two others


def test_a_search_of_the_given_trials_alone_has_no_rungs_to_tell() -> None:
    assert Halving.heading(Brief(SPACE, 0, [1], epochs=9, first=1)) == []
