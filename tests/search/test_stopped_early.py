"""Searches that continue trials, where early stopping ends some of them: these go on no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord
from nnrun.search.running import SearchOutcome
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.search.verbs import resume
from tests.asked import asking

Search = Callable[..., SearchOutcome]
PATIENCE = ("regularization.early_stopping={patience: 1, min_delta: 0.05}", "training.epochs=36", "search.trials=16")
HALVING = (*PATIENCE, "search.strategy=halving")

every_halving = pytest.mark.parametrize("strategy", ["halving", "coarse_to_fine_halving"])


def in_vain(records: list[TrialRecord]) -> list[int]:
    """Trials that have no epoch of their own."""
    return [r["number"] for r in records if "parent" in r and r["epochs"] == r["parent"]["epoch"]]


@every_halving
def test_no_place_is_taken_by_what_can_learn_no_more(search: Search, stored: Any, strategy: str) -> None:
    outcome = search(*PATIENCE, f"search.strategy={strategy}", workers=1)
    stopped = {r["number"] for r in outcome.records if r.get("stopped_early")}
    assert stopped & set(range(1, 9)), "some of the first trials"
    assert not stopped & {int(r["parent"]["id"]) for r in outcome.records if "parent" in r}
    assert not in_vain(outcome.records)
    assert stored(search(*PATIENCE, f"search.strategy={strategy}", workers=2, stack=1).run) == stored(outcome.run)


def test_a_trial_that_it_has_ended_is_a_whole_one(search: Search) -> None:
    outcome = search(*HALVING, repeat=2)
    found = StoredSearch(StoredRun(outcome.run))
    stopped = [r["number"] for r in outcome.records if r.get("stopped_early")]
    assert {*stopped} <= {trial["number"] for trial in found.whole}
    trials = [StoredRun(RunDir(outcome.run.path / f"trials/{number:04d}")) for number in stopped]
    assert {trial.config.training.epochs for trial in trials} == {36}
    assert not any(trial.record.get("pruned") for trial in trials)
    others = [r for r in outcome.records if r["number"] not in stopped and r["epochs"] < 36]
    ends = [StoredRun(RunDir(outcome.run.path / f"trials/{r['number']:04d}")).record for r in others]
    assert ends and all(end["pruned"] for end in ends), "their rung was over"


def test_a_search_that_was_begun_by_the_old_rule_goes_on_by_it(search: Search) -> None:
    begun = search(*HALVING, workers=1, told_to_stop=_after(3)).run
    plan = begun.read("search.yaml").decode()
    begun.write("search.yaml", plan[plan.index("\n") + 1 :].replace("skips_stopped: true\n", ""))
    assert len(Ledger.of(begun).read()[0]) < 11, "the second rung has not begun"
    outcome = resume(begun, None, asking(), Watcher())
    assert in_vain(outcome.records)
    assert "skips_stopped" not in begun.read("search.yaml").decode()


def test_the_ledger_is_rebuilt_with_it(search: Search, stored: Any) -> None:
    outcome = search(*HALVING)
    before = stored(outcome.run)
    (outcome.run.path / "trials.jsonl").unlink()
    resume(outcome.run, None, asking(), Watcher())
    assert stored(outcome.run) == before


def _after(looks: int) -> Callable[[], bool]:
    """Told to stop at the look of this number."""
    left = iter([False] * looks)
    return lambda: next(left, True)
