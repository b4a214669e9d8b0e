"""A search whose trials are trained in folds: stacked fold by fold, to the bits of each alone, compared by means."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import ConfigError
from nnrun.runs import verbs
from nnrun.runs.checkpoints import why_pruned
from nnrun.runs.finding import name_of, search_of
from nnrun.runs.members import member, members_of
from nnrun.runs.rundir import RunDir
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options, expected_time
from nnrun.search.study import Watcher
from nnrun.search.telling import best_table
from nnrun.search.verbs import resume

Search = Callable[..., SearchOutcome]
FOLDS = ("data.folds=3", "data.split=[0.6,0.2,0.2]", "search.trials=5", "training.epochs=2")


def trial(outcome: SearchOutcome, number: int) -> RunDir:
    return RunDir(outcome.run.path / "trials" / f"{number:04d}")


def bits(run: RunDir) -> list[Any]:
    rows = [[{**row, "seconds": 0} for row in one.metrics()] for one in (run, *members_of(run))]
    return [rows, *(fold.read("checkpoints/best.safetensors") for fold in members_of(run))]


def test_stacked_trials_are_those_trained_alone(search: Search, tmp_path: Path) -> None:
    outcome = search(*FOLDS)
    assert [record["status"] for record in outcome.records] == ["done"] * 5
    for number in (0, 4):
        alone = verbs.train(load_config(trial(outcome, number).resolved), tmp_path / "alone").run
        assert bits(alone) == bits(trial(outcome, number))
        assert alone.read("data.json") == trial(outcome, number).read("data.json")


def test_trials_are_compared_by_the_mean_over_folds(search: Search) -> None:
    outcome = search(*FOLDS)
    for number, record in enumerate(outcome.records):
        errors = [(fold.read_record()["final"] or {})["dev_error"] or 0 for fold in members_of(trial(outcome, number))]
        assert record["metric"] == record["final"]["dev_error"] == pytest.approx(fmean(errors))
        assert record["final"]["dev_error_se"] == pytest.approx(stdev(errors) / 3**0.5)
        assert record["curve"] == [row["dev_error"] for row in trial(outcome, number).metrics()]
    best = min(outcome.records, key=lambda record: (record["metric"], record["final"]["dev_loss"] or 0))
    chosen = RunDir(outcome.run.path / "best").read_record()["chosen"]
    assert chosen["trial"] == best["number"] and chosen["test_reads"] == 1
    assert {name: chosen["final"][name] for name in best["final"]} == best["final"]
    assert "test_error" in chosen["final"] and "test_error" not in best["final"]
    table = best_table(outcome.records, "dev_error")
    assert " ± " in table[1] and table[-1].endswith("one standard error of the mean over folds")


def test_pruned_with_its_folds_a_trial_comes_again(
    search: Search, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = search(*FOLDS)
    monkeypatch.setattr("nnrun.search.study.CHECKPOINTS_KEPT", 2)
    outcome = search(*FOLDS)
    pruned = [number for number in range(5) if why_pruned(trial(outcome, number))]
    assert len(pruned) == 3
    for number in pruned[:1]:
        assert not any((fold.path / "checkpoints").exists() for fold in members_of(trial(outcome, number)))
        again = verbs.train(load_config(trial(outcome, number).resolved), tmp_path / "again").run
        assert bits(again) == bits(trial(whole, number))


def test_a_trial_that_was_killed_in_a_fold_is_trained_anew(search: Search) -> None:
    whole, outcome = search(*FOLDS), search(*FOLDS)
    broken = trial(outcome, 4)
    broken.update_record(status="created")
    shutil.rmtree(member(broken, 3).path)
    ledger = outcome.run.path / "trials.jsonl"
    lines = [
        line for line in ledger.read_text().splitlines() if '"number": 4,' not in line and '"number": 2,' not in line
    ]
    ledger.write_text("\n".join(lines) + "\n")  # a line alone is written from what the trial's directory has
    again = resume(outcome.run, None, Options(), Watcher())
    assert [record["metric"] for record in again.records] == [record["metric"] for record in whole.records]
    assert [bits(trial(again, number)) for number in range(5)] == [bits(trial(whole, number)) for number in range(5)]


def test_a_trial_that_diverges_in_a_fold_leaves_the_others_alone(search: Search) -> None:
    space = "search.space={optimizer.learning_rate: {choice: [1e-2, 1e30]}}"
    outcome = search(*FOLDS, space, "optimizer.name=sgd", "search.strategy=grid", "search.trials=3")
    lost = [record["number"] for record in outcome.records if record["status"] == "diverged"]
    assert 0 < len(lost) < 3
    assert all(record["metric"] is not None for record in outcome.records if record["number"] not in lost)
    assert [fold.exists for fold in members_of(trial(outcome, lost[0]))] == [True, False, False]


def test_a_fold_of_a_trial_belongs_to_the_search(search: Search) -> None:
    outcome = search(*FOLDS, "search.trials=1")
    fold = member(trial(outcome, 0), 2)
    found = search_of(fold)
    assert found and found.path == outcome.run.path.resolve()
    assert name_of(fold) == f"{outcome.run.id}/trials/0000/members/02"


def test_how_long_it_takes_counts_the_folds(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("nnrun.search.state.epoch_seconds", lambda config, dataset: 10.0)
    monkeypatch.setattr(Watcher, "outlook", lambda self, lines: told.extend(lines()))
    search(*FOLDS, "search.trials=2")
    assert told[0].startswith("time     about 2 min for 2 trials of 2 epochs in each of 3 folds") and expected_time


def test_what_goes_on_with_trials_is_refused(search: Search) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.folds=3: halving goes on with some of its trials, which folds cannot"
    ):
        search(*FOLDS, "search.strategy=halving")
