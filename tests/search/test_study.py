"""The loop alone, with work that returns at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from nnrun.errors import NnrunError
from nnrun.search.flatness import Flatness
from nnrun.search.ledger import Ledger
from nnrun.search.record import rank
from nnrun.search.strategies.strategy import Point
from nnrun.search.study import CHECKPOINTS_KEPT, LOOK_AHEAD, Budget, Study, Watcher
from nnrun.search.trials import Trial, failed

Studies = Callable[..., Study]
Job = dict[str, Any]


def record(number: int, values: Job, status: str = "done", **final: Any) -> Job:
    return {
        "number": number,
        "values": values,
        "seed": 0,
        "status": status,
        "final": final,
        "curve": [],
        "error": None,
    }


def by_rate(job: Job) -> Job:
    """The dev error of a trial is its learning rate."""
    rates = [(t["number"], t["values"], t["values"]["optimizer.learning_rate"]) for t in job["trials"]]
    return {"results": [record(n, values, dev_error=rate) for n, values, rate in rates]}


# bookkeeping


def test_the_work_of_a_step_does_not_grow(study: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Ledger] = []
    ranked: list[Any] = []
    read = Ledger.read
    monkeypatch.setattr(Ledger, "read", lambda ledger: reads.append(ledger) or read(ledger))
    monkeypatch.setattr("nnrun.search.study.rank", lambda r: ranked.append(r) or rank(r))
    one = study(by_rate)
    one.run(Budget(300))
    assert len(reads) == 1
    assert len(ranked) <= 3 * 300  # each record against the best so far, and once to find its place
    assert [r["number"] for r in one.records] == list(range(300))


def test_few_trials_wait_however_many_are_asked_for(study: Studies) -> None:
    waiting: list[int] = []

    def work(job: Job) -> Job:
        waiting.append(len(one._queue))
        return by_rate(job)

    one = study(work)
    one.run(Budget(600))
    assert len(one.records) == 600
    assert max(waiting) < LOOK_AHEAD


def test_the_watcher_hears_of_every_trial_and_the_best_so_far(study: Studies) -> None:
    one = study(by_rate)
    one.run(Budget(20))
    rates = [r["metric"] for r in one.records]
    assert one.watcher.trials == [(n, rates.index(min(rates[: n + 1]))) for n in range(20)]


def test_a_flat_search_is_one_however_many_trials_end_before_that_is_known(study: Studies) -> None:
    """As where one trial takes longer than all that others may train meanwhile: here all are known from the ledger."""
    study(by_rate).run(Budget(24))
    one = study(by_rate)
    one.run(Budget(24, flat=Flatness(9.0, 24, 1, learns=False)))
    assert len(one.records) == 24
    assert one.ended_by(lambda: False) == "flat"


# the best


def finals(*results: Job) -> Callable[[Job], Job]:
    return lambda job: {"results": [record(t["number"], t["values"], **results[t["number"]]) for t in job["trials"]]}


@pytest.mark.parametrize(
    ("metric", "results", "best"),
    [
        ("dev_error", [{"dev_error": 0.3}, {"dev_error": 0.1}, {"dev_error": 0.2}], 1),
        ("dev_error", [{"dev_error": 0.1, "dev_loss": 2.0}, {"dev_error": 0.1, "dev_loss": 1.0}], 1),
        ("dev_error", [{"dev_error": 0.1, "dev_loss": 1.0}, {"dev_error": 0.1, "dev_loss": 1.0}], 0),
        ("dev_error", [{"dev_error": 0.1}, {"dev_error": 0.1, "dev_loss": 9.0}], 1),
        ("-score", [{"score": 0.3}, {"score": 0.5}, {"score": 0.4}], 1),
        ("dev_error", [{"dev_error": 0.0, "status": "diverged"}, {"dev_error": 0.9}], 1),
        ("dev_error", [{"dev_error": None}, {"dev_error": float("nan")}, {"dev_error": 5.0}], 2),
        ("dev_error", [{"dev_error": 0.0, "status": "diverged"}], None),
        ("no_such_number", [{"dev_error": 0.1}], None),
    ],
)
def test_lowest_metric_then_dev_loss_then_number(
    study: Studies, metric: str, results: list[Job], best: int | None
) -> None:
    one = study(finals(*results), metric=metric)
    one.run(Budget(len(results)))
    found = one.best()
    assert (found and found["number"]) == best
    reread = study(finals(), metric=metric)
    reread.run(Budget(0))
    assert (reread.best() or {}).get("number") == best


# checkpoints


@pytest.mark.parametrize("stop", [0, 101, 130])
def test_only_the_best_hundred_trials_keep_their_checkpoints(study: Studies, stop: int) -> None:
    dropped: list[int] = []
    for trials in (stop, 150):
        one = study(by_rate)
        one.drop_checkpoints = dropped.append
        one.run(Budget(trials))
    ranked = sorted(one.records, key=rank)
    assert set(dropped) == {r["number"] for r in ranked[CHECKPOINTS_KEPT:]}
    assert len(set(dropped)) == 50


def test_a_checkpoint_goes_as_soon_as_its_trial_is_outranked(study: Studies) -> None:
    """Every trial is worse than the one before, so each from the 101st on goes when it ends."""
    dropped: list[int] = []
    one = study(lambda job: {"results": [record(t["number"], {}, dev_error=t["number"]) for t in job["trials"]]})
    one.drop_checkpoints = dropped.append
    one.watcher = Noting(lambda number: dropped == list(range(CHECKPOINTS_KEPT, number + 1)))
    one.run(Budget(110))
    assert one.watcher.held == [True] * 110


class Noting(Watcher):
    """Whether a condition holds after each trial."""

    def __init__(self, condition: Callable[[int], bool]) -> None:
        self.condition = condition
        self.held: list[bool] = []

    def trial(self, record: Job, best: Job, finished: int) -> None:
        self.held.append(self.condition(record["number"]))


def test_what_halving_may_continue_stays_until_the_end(study: Studies) -> None:
    dropped: list[int] = []
    one = study(by_rate, strategy="halving")
    one.drop_checkpoints = dropped.append
    one.run(Budget(1000, target=-1.0), told_to_stop=lambda: one.finished >= 900)
    assert dropped == []
    again = study(by_rate, strategy="halving")
    again.drop_checkpoints = dropped.append
    again.run(Budget(1000))
    ranked = sorted(again.records, key=rank)
    assert sorted(dropped) == sorted(r["number"] for r in ranked[CHECKPOINTS_KEPT:])


# budgets


def test_a_target_ends_it(study: Studies) -> None:
    results = [{"dev_error": value} for value in (0.5, 0.4, 0.2, 0.3, 0.1)]
    one = study(finals(*results))
    one.run(Budget(5, target=0.2))
    assert len(one.records) == 3


def test_what_is_in_the_ledger_is_not_run_again(study: Studies) -> None:
    study(by_rate).run(Budget(7))
    ran: list[int] = []

    def work(job: Job) -> Job:
        ran.extend(trial["number"] for trial in job["trials"])
        return by_rate(job)

    one = study(work)
    one.run(Budget(10))
    assert ran == [7, 8, 9]
    assert len(one.records) == 10


# failures


def test_a_trial_that_raises_is_tried_twice_and_then_failed_in_one_line(study: Studies) -> None:
    ran: list[int] = []

    def work(job: Job) -> Job:
        [trial] = job["trials"]
        ran.append(trial["number"])
        if trial["number"] == 2:
            raise ValueError("no such\nthing \udcff")
        return by_rate(job)

    one = study(work)
    one.run(Budget(5))
    assert ran == [0, 1, 2, 2, 3, 4]
    assert [r["status"] for r in one.records] == ["done", "done", "failed", "done", "done"]
    assert one.records[2]["error"] == "ValueError: no such; thing ?"
    assert one.records[2]["attempt"] == 2
    assert one.ledger.read()[0] == one.records


def test_a_trial_that_fails_once_succeeds_the_second_time(study: Studies) -> None:
    ran: list[int] = []

    def work(job: Job) -> Job:
        ran.append(job["trials"][0]["number"])
        return {"error": "a hiccup"} if ran.count(1) == 1 and ran[-1] == 1 else by_rate(job)

    one = study(work)
    one.run(Budget(3))
    assert ran == [0, 1, 1, 2]
    assert [r["attempt"] for r in one.records] == [1, 2, 1]


def test_of_a_cohort_only_the_culprit_fails(study: Studies) -> None:
    ran: list[list[int]] = []

    def work(job: Job) -> Job:
        numbers = [trial["number"] for trial in job["trials"]]
        ran.append(numbers)
        return {"error": "2 is odd here"} if 2 in numbers else by_rate(job)

    one = study(work, shape=lambda number: "same")
    one.run(Budget(8))
    assert ran[0] == [0, 1, 2, 3]
    assert [numbers for numbers in ran if len(numbers) > 1] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sorted(n for numbers in ran[1:] for n in numbers) == [0, 1, 2, 2, 3, 4, 5, 6, 7]
    assert {r["number"]: r["status"] for r in one.records if r["status"] != "done"} == {2: "failed"}


def test_a_full_disk_ends_the_search_and_fails_no_trial(study: Studies) -> None:
    def work(job: Job) -> Job:
        if job["trials"][0]["number"] == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return by_rate(job)

    one = study(work)
    with pytest.raises(NnrunError, match=r"^No space left on device$"):
        one.run(Budget(5))
    assert [r["status"] for r in one.records] == ["done", "done"]
    later = study(by_rate)
    later.run(Budget(5))
    assert [r["status"] for r in later.records] == ["done"] * 5


def test_trials_whose_settings_contradict_each_other_do_not_end_it(study: Studies) -> None:
    def make(point: Point) -> Any:
        if point.number < 30:  # the first two stages of coarse to fine, and a part of the third
            return failed(point.number, point.values, "contradiction")
        return Trial(point.number, point.values, {})

    one = study(by_rate, make=make, strategy="coarse_to_fine")
    one.run(Budget(40))
    assert sorted(r["number"] for r in one.records) == list(range(40))
    assert sum(r["status"] == "done" for r in one.records) == 10
