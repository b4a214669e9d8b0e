import math
from collections.abc import Callable, Collection
from typing import Any

import pytest

from nnrun.config.space.space import Space
from nnrun.runs.rundir import RunDir
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.strategies.coarse_to_fine_halving import CoarseToFineHalving, _fresh_from, _is_fresh, _number_of
from nnrun.search.strategies.strategy import Brief, Point
from nnrun.search.study import Watcher
from nnrun.search.verbs import resume

SPACE = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}, "regularization.l2": {"uniform": [0, 1]}})
RATE = "optimizer.learning_rate"

Loss = Callable[[Point], float]


def made(**about: Any) -> CoarseToFineHalving:
    return CoarseToFineHalving(Brief(SPACE, 3, (50,), epochs=30, **about))


def test_the_lengths_of_a_stage_are_told_before_it_begins() -> None:
    told = CoarseToFineHalving.heading(Brief(SPACE, 3, (50,), epochs=50))
    assert told == ["stage    12 trials until epoch 17, then the best 4 of those until epoch 50"]


def play(
    strategy: CoarseToFineHalving, loss: Loss, trials: int, begin: int = 0, stopped: Collection[int] = ()
) -> dict[int, Point]:
    points: dict[int, Point] = {}
    while begin + len(points) < trials:
        for point in strategy.ask(trials - begin - len(points)):
            points[point.number] = point
            strategy.tell(point.number, point.values, loss(point), stopped=point.number in stopped)
    return points


def off(point: Point) -> float:
    """Decades between its learning rate and 0.01."""
    return float(abs(math.log10(point.values[RATE]) + 2))


def test_the_best_third_of_a_stage_goes_on_to_the_end() -> None:
    points = play(made(), off, 20)
    assert all((points[n].epochs, points[n].resume) == (10, None) for n in [*range(12), *range(16, 20)])
    best = sorted(range(12), key=lambda n: off(points[n]))[:4]
    assert [(points[n].epochs, points[n].resume) for n in range(12, 16)] == [(None, parent) for parent in best]
    assert [points[n].values for n in range(12, 16)] == [points[parent].values for parent in best]


def test_the_next_box_comes_from_the_finalists_results_at_the_end() -> None:
    points: dict[int, Point] = {}

    def crossing(point: Point) -> float:  # the best after few epochs is the worst of the finalists at the end
        points[point.number] = point
        return off(point) if point.resume is None else 10 - off(point)

    strategy = made()
    play(strategy, crossing, 17)
    [stage] = strategy.stages()
    worst, *others = sorted(range(12), key=lambda n: off(points[n]))[:4]
    assert (stage["number"], stage["first"], stage["finished"], stage["best"]) == (1, 16, 4, others[-1])
    assert stage["value"] == crossing(points[15])
    change = next(change for change in stage["changes"] if change["key"] == RATE)
    assert change["why"].startswith("the best 3 of 4 trials have ")
    ends = sorted(points[n].values[RATE] for n in others)
    assert change["why"].endswith(f"{ends[0]:.4g} to {ends[-1]:.4g}")
    assert worst not in (stage["best"], *others)


def test_the_zoom_numbers_fresh_trials_alone() -> None:
    fresh = [number for number in range(48) if _is_fresh(number)]
    assert fresh == [*range(12), *range(16, 28), *range(32, 44)]
    assert [_fresh_from(number) for number in fresh] == list(range(36))
    assert [_number_of(i) for i in range(36)] == fresh
    assert [_fresh_from(finalist) for finalist in (12, 15, 28, 31)] == [12, 12, 24, 24], "the next fresh one"


def test_it_zooms() -> None:
    points = play(made(), off, 64)
    assert [round(off(points[n])) for n in range(48, 58)] == [0] * 10  # two more are drawn from everywhere
    assert min(map(off, points.values())) < 0.05


def test_failed_trials_do_not_go_on_and_others_take_their_places() -> None:
    points = play(made(), lambda point: off(point) if point.number in (3, 7) else math.nan, 17)
    assert {points[12].resume, points[13].resume} == {3, 7}
    assert [(points[n].epochs, points[n].resume) for n in (14, 15)] == [(None, None)] * 2
    assert points[14].values != points[15].values


def test_what_early_stopping_has_ended_makes_the_box_and_does_not_go_on() -> None:
    best, second, *others = sorted(range(12), key=lambda n: off(play(made(), off, 12)[n]))
    points = play(strategy := made(), off, 17, stopped={best, others[-1]})
    assert [points[n].resume for n in range(12, 16)] == [second, *others[:3]]
    [stage] = strategy.stages()
    assert (stage["finished"], stage["best"]) == (6, best)
    assert not strategy.may_continue(best)


def test_in_a_search_of_an_early_version_it_goes_on() -> None:
    best = sorted(range(12), key=lambda n: off(play(made(), off, 12)[n]))[:4]
    points = play(strategy := made(skips_stopped=False), off, 17, stopped=best[:2])
    assert [points[n].resume for n in range(12, 16)] == best
    assert strategy.stages()[0]["finished"] == 4


@pytest.mark.parametrize("first", [1, 12, 14, 16, 20])
def test_what_the_user_gave_makes_the_box_and_is_not_continued(first: int) -> None:
    strategy = made(first=first, awaited=frozenset({0}))
    values = SPACE.decode([0.9, 0.5])
    strategy.tell(0, values, -1.0)
    points = play(strategy, off, 40, begin=first)
    assert sorted(points) == list(range(first, 40))
    assert all(point.resume is None or point.resume >= first for point in points.values())
    stage = strategy.stages()[-1]
    assert (stage["first"], stage["best"], stage["value"]) == (32, 0, -1.0)


@pytest.mark.parametrize("number", [0, 11, 12, 15])  # the last two are those of finalists
def test_all_that_the_user_gave_makes_the_box(number: int) -> None:
    strategy = made(first=16, awaited=frozenset(range(16)))
    for given in range(16):
        strategy.tell(given, SPACE.decode([0.1 + given / 20, 0.5]), -1.0 if given == number else float(given))
    play(strategy, off, 17, begin=16)
    [stage] = strategy.stages()
    assert (stage["finished"], stage["best"], stage["value"]) == (16, number, -1.0)


def test_so_does_what_took_the_place_of_a_finalist() -> None:
    points = play(strategy := made(), lambda point: off(point) if point.number in (3, 7, 12, 13, 14) else math.nan, 17)
    [stage] = strategy.stages()
    assert stage["finished"] == 3 and points[14].resume is None


def test_the_record_is_there_again_after_a_restart() -> None:
    strategy, again = made(), made()
    for number, point in reversed(play(strategy, off, 40).items()):
        again.tell(number, point.values, off(point))
    assert [stage["first"] for stage in strategy.stages()] == [16, 32]
    assert again.stages() == strategy.stages()
    assert again.ask(8) == strategy.ask(8)


def test_workers_and_an_interruption_change_nothing(
    search: Callable[..., SearchOutcome], stored: Callable[[RunDir], Any]
) -> None:
    settings = ["search.strategy=coarse_to_fine_halving", "search.trials=19", "training.epochs=6"]
    alone = search(*settings, workers=1)
    epochs = [record["epochs"] for record in alone.records]
    # The config, 11 fresh trials for a third, 4 finalists, and the next stage's first three.
    assert epochs == [6] + [2] * 11 + [6] * 4 + [2] * 3
    assert stored(search(*settings, workers=2).run) == stored(alone.run)
    stopped = search(*settings, workers=1, told_to_stop=_after(5))
    assert 0 < len(stopped.records) < 19
    assert resume(stopped.run, None, Options(workers=2), Watcher()).status == "done"
    assert stored(stopped.run) == stored(alone.run)


def _after(looks: int) -> Callable[[], bool]:
    """False so many times, then True."""
    left = [looks]

    def told() -> bool:
        left[0] -= 1
        return left[0] < 0

    return told
