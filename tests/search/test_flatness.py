"""Ending a search when hardly anything is to be expected of the rest."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nnrun.config.load import load_config
from nnrun.engine.scores import Objective
from nnrun.errors import UsageError
from nnrun.runs.rundir import RunDir
from nnrun.search.flatness import AHEAD, FEWEST, KEPT, Flatness
from nnrun.search.running import SearchOutcome
from nnrun.search.study import Watcher
from nnrun.search.telling import flat_lines
from nnrun.search.verbs import begin, resume
from tests.asked import asking
from tests.search.conftest import CONFIG, Hearing

Search = Callable[..., SearchOutcome]


def told(*values: float, given: int = 0, learns: bool = False, size: float = 0.0, total: int = 1000) -> Flatness:
    flatness = Flatness(size, total, given, learns)
    for number, value in enumerate(values):
        flatness.tell(number, value)
    return flatness


def test_a_worked_example() -> None:
    flatness = told(4, 1, 8, 2)
    # One more: the last of the four gained 2 − 1 where it was the best of them, which it is in a quarter of the orders.
    assert flatness.expected(1) == pytest.approx(1 / 4)
    # Two more: the best of the two before was 1 in three of six pairs, 2 in two (2 4, 2 8), 4 in one.
    assert flatness.expected(2) == pytest.approx((3 * 1 + 2 * 2 + 4) / 6 - 1)
    # Six more: three times as much, as there are no more than two with two before them.
    assert flatness.expected(6) == pytest.approx(3 * flatness.expected(2))


def test_it_is_the_mean_over_all_orders() -> None:
    values = [0.3, 0.1, 0.5, 0.2, 0.2, 0.9, 0.4]
    gained = [min(order[:4]) - 0.1 for order in permutations(values)]
    assert told(*values).expected(3) == pytest.approx(np.mean(gained))


def test_only_the_lowest_count_of_very_many() -> None:
    values = np.random.default_rng(0).random(5 * KEPT)
    ordered = np.sort(values)
    n, k = len(values), len(values) // 2
    chances = [math.comb(n - i, n - k - 1) / math.comb(n, n - k) for i in range(1, k + 2)]  # of each to be the lowest
    assert told(*values).expected(k) == pytest.approx(chances @ ordered[: k + 1] - ordered[0])


def test_what_has_no_value_counts_like_the_worst() -> None:
    assert told(4, 1, math.nan, 2).expected(2) == told(4, 1, 4, 2).expected(2)
    assert told(math.nan, math.inf).expected(1) == math.inf


@pytest.mark.parametrize("given", [0.5, 3, math.nan])
def test_what_was_given_is_no_draw(given: float) -> None:
    assert told(given, 4, 1, 8, 2, given=1).expected(2) == told(4, 1, 8, 2).expected(2)
    assert told(given, math.nan, given=1).expected(1) == math.inf


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_searches_lose_no_more_than_they_were_told_however_good_the_given_value_is(share: float) -> None:
    rng = np.random.default_rng(0)
    told_of, lost = [], []
    for values in rng.random((200, 100)):
        values[0] = share  # so large a part of the space is better
        if found := told(*values, given=1, size=0.02, total=100).found:
            told_of.append(found["expected"])
            lost.append(values[: found["trials"]].min() - values.min())
    assert len(lost) > 100
    assert min(told_of) > 0, "that draws have not beaten it yet is no proof that they will not"
    assert np.mean(lost) < np.mean(told_of)


def test_of_a_strategy_that_learns_the_order_counts() -> None:
    values = (8, 4, 2, 1)
    assert told(*values, learns=True).expected(2) == 4 - 1
    assert told(*values[::-1], learns=True).expected(2) == told(*values).expected(2)


def test_the_first_number_of_trials_is_found_in_whatever_order_they_end() -> None:
    rng = np.random.default_rng(1)
    values = rng.random(60) ** 3
    expected = told(*values, size=0.002, total=60).found
    assert expected is not None
    assert FEWEST <= expected["trials"] < 60
    assert expected["expected"] < 0.002
    for _ in range(20):
        shuffled = Flatness(0.002, 60, 0, learns=False)
        for number in rng.permutation(60):
            shuffled.tell(int(number), values[number])
        assert shuffled.found == expected


def test_it_waits_for_enough_draws_and_for_something_left() -> None:
    assert told(*[1.0] * FEWEST, given=1, size=0.1).found is None
    found = told(*[1.0] * (FEWEST + 1), given=1, size=0.1).found
    assert found == {"trials": FEWEST + 1, "left": 1000 - FEWEST - 1, "expected": 0, "size": 0.1}
    assert told(*[1.0] * FEWEST, size=0.1, total=FEWEST).found is None, "it is at its end anyway"


def test_it_is_no_less_than_what_draws_gain_on_average() -> None:
    rng = np.random.default_rng(2)
    for shape in (0.5, 1, 4):  # of the distribution's lower end: many good ones, or hardly any
        searches = rng.random((200, 60)) ** shape
        estimates = np.array([told(*values[:40]).expected(20) for values in searches])
        gained = searches[:, :40].min(axis=1) - searches.min(axis=1)
        assert estimates.mean() > gained.mean() - 3 * gained.std() / math.sqrt(len(gained))


def test_not_many_trials_begin_that_may_not_be_wanted() -> None:
    begun = [number for number in range(100) if told(0.5, given=1).ready(number, workers=1)]
    assert begun == [*range(FEWEST + 1)], "as many are needed anyway"
    later = told(*[0.5] * 30, given=1)
    assert [number for number in range(100) if later.ready(number, workers=2)] == [*range(30 + AHEAD)]
    assert later.ready(89, workers=30) and not later.ready(90, workers=30)


# searches


FLAT = ("search.trials=32", "training.epochs=2")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    loaded = load_config(None, FLAT, text=CONFIG)
    return begin(loaded, tmp_path_factory.mktemp("flat"), asking(stop_when_flat=0.05, stack=1), Watcher())


def test_a_search_ends_when_it_is_flat_and_says_why(flat: SearchOutcome) -> None:
    found = flat.record["flat"]
    assert found is not None
    assert flat.record["ended_by"] == "flat"
    assert len(flat.records) == found["trials"] == 32 - found["left"] > FEWEST
    line = " ".join(flat_lines(found, Objective("dev_error")))
    assert line.startswith(f"flat     after {found['trials']} trials the {found['left']} left are expected to improve")
    assert yaml.safe_load(flat.run.read("search.yaml"))["limits"]["stop_when_flat"] == 0.05


def test_it_ends_for_the_same_reason_with_any_number_of_workers(search: Search, flat: SearchOutcome) -> None:
    for options in ({"workers": 2, "stack": 2}, {"stack": 8}):
        other = search(*FLAT, stop_when_flat=0.05, **options)
        assert other.record["flat"] == flat.record["flat"]
        assert 0 <= len(other.records) - len(flat.records) <= AHEAD, "what has ended meanwhile counts"


def again(run: RunDir, trials: int | None = None, said: list[str] | None = None, **options: Any) -> SearchOutcome:
    watcher = Watcher() if said is None else Hearing(said.append)
    return resume(run, trials, asking(stack=1, **options), watcher)


def test_resuming_keeps_it_and_nought_lifts_it(
    flat: SearchOutcome, search: Search, stored: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    run = RunDir(shutil.copytree(flat.run.path, tmp_path / "copy" / flat.run.id))
    same = again(run, said=said)
    assert (same.record["flat"], len(same.records)) == (flat.record["flat"], len(flat.records))
    assert any(line.startswith("flat     after") for line in said)
    whole = again(run, stop_when_flat=0.0)
    assert (whole.record["ended_by"], whole.record["flat"]) == ("trials", None)
    assert stored(whole.run) == stored(search(*FLAT).run)


@pytest.mark.parametrize(
    ("settings", "size", "words"),
    [
        (["search.strategy=halving"], 0.1, "--stop-when-flat: halving goes on with the best of its trials at its end"),
        ([], 5.0, "--stop-when-flat 5: dev_error is a share; write 5% or a number below 1"),
    ],
)
def test_what_makes_no_sense_is_refused(search: Search, settings: list[str], size: float, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        search(*settings, stop_when_flat=size)
    assert words in str(refused.value)
