"""A search whose trials are trained in folds: stacked fold by fold, to the bits of each alone, compared by means."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.engine.scores import Objective
from nnrun.errors import ConfigError, UsageError
from nnrun.runs import verbs
from nnrun.runs.checkpoints import why_dropped
from nnrun.runs.finding import name_of, search_of
from nnrun.runs.members import member, members_of
from nnrun.runs.rundir import RunDir
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.trial_lines import best_table
from nnrun.search.verbs import begin, resume
from tests.search.conftest import CONFIG

Search = Callable[..., SearchOutcome]
FOLDS = ("data.folds=3", "data.split=[0.6,0.2,0.2]", "search.trials=5", "training.epochs=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    """A search that is only read, or copied."""
    root = tmp_path_factory.mktemp("search")
    return begin(load_config(None, FOLDS, text=CONFIG), root, Options(), Watcher())


@pytest.fixture
def copied(whole: SearchOutcome, tmp_path: Path) -> RunDir:
    """The same in a folder of its own."""
    return RunDir(Path(shutil.copytree(whole.run.path, tmp_path / whole.run.id)))


def trial(outcome: SearchOutcome | RunDir, number: int) -> RunDir:
    run = outcome if isinstance(outcome, RunDir) else outcome.run
    return RunDir(run.path / "trials" / f"{number:04d}")


def bits(run: RunDir) -> list[Any]:
    rows = [[{**row, "seconds": 0} for row in one.metrics()] for one in (run, *members_of(run))]
    return [rows, *(fold.read("checkpoints/best.safetensors") for fold in members_of(run))]


def test_stacked_trials_are_those_trained_alone(whole: SearchOutcome, tmp_path: Path) -> None:
    assert [record["status"] for record in whole.records] == ["done"] * 5
    for number in (0, 4):
        alone = verbs.train(load_config(trial(whole, number).resolved), tmp_path / "alone").run
        assert bits(alone) == bits(trial(whole, number))
        assert alone.read("data.json") == trial(whole, number).read("data.json")


def test_trials_are_compared_by_the_mean_over_folds(whole: SearchOutcome) -> None:
    outcome = whole
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
    table = best_table(outcome.records, Objective("dev_error"), "")
    assert " ± " in table[1] and table[-1].endswith("one standard error of the mean over folds")


def test_what_trials_are_compared_by_has_its_standard_error(search: Search) -> None:
    outcome = search(*FOLDS, "metrics.primary=auc", "search.trials=2")
    aucs = [(fold.read_record()["final"] or {})["dev_auc"] or 0 for fold in members_of(trial(outcome, 1))]
    of_mean = outcome.records[1]["final"]["dev_auc_se"]
    assert of_mean == pytest.approx(stdev(aucs) / 3**0.5)
    table = best_table(outcome.records, Objective("-dev_auc"), "")
    assert all(" ± 0.0" in line for line in table[1:3])
    assert table[-1].endswith("one standard error of the mean over folds")
    titles, *rows = csv.reader(outcome.run.read("trials.csv").decode().splitlines())
    assert float(rows[1][titles.index("dev_auc_se")]) == of_mean and "dev_error_se" in titles


def test_pruned_with_its_folds_a_trial_comes_again(
    whole: SearchOutcome, copied: RunDir, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nnrun.search.study.CHECKPOINTS_KEPT", 2)
    resume(copied, None, Options(), Watcher())
    pruned = [number for number in range(5) if why_dropped(trial(copied, number))]
    assert len(pruned) == 3
    for number in pruned:
        assert not any((fold.path / "checkpoints").exists() for fold in members_of(trial(copied, number)))
    again = verbs.train(load_config(trial(copied, pruned[0]).resolved), tmp_path / "again").run
    assert bits(again) == bits(trial(whole, pruned[0]))


def test_a_trial_that_was_killed_in_a_fold_is_trained_anew(whole: SearchOutcome, copied: RunDir) -> None:
    broken = trial(copied, 4)
    broken.update_record(status="created")
    shutil.rmtree(member(broken, 3).path)
    ledger = copied.path / "trials.jsonl"
    gone = ('"number": 4,', '"number": 2,')
    lines = [line for line in ledger.read_text().splitlines() if not any(number in line for number in gone)]
    ledger.write_text("\n".join(lines) + "\n")  # a line alone is written from what the trial's directory has
    again = resume(copied, None, Options(), Watcher())
    assert [record["metric"] for record in again.records] == [record["metric"] for record in whole.records]
    assert [bits(trial(again, number)) for number in range(5)] == [bits(trial(whole, number)) for number in range(5)]


def test_a_trial_that_diverges_in_a_fold_leaves_the_others_alone(search: Search) -> None:
    space = "search.space={optimizer.learning_rate: {choice: [1e-2, 1e30]}}"
    outcome = search(*FOLDS, space, "optimizer.name=sgd", "search.strategy=grid", "search.trials=3")
    lost = [record["number"] for record in outcome.records if record["status"] == "diverged"]
    assert 0 < len(lost) < 3
    assert all(record["metric"] is not None for record in outcome.records if record["number"] not in lost)
    assert [fold.exists for fold in members_of(trial(outcome, lost[0]))] == [True, False, False]


def test_a_fold_of_a_trial_belongs_to_the_search(whole: SearchOutcome) -> None:
    fold = member(trial(whole, 0), 2)
    found = search_of(fold)
    assert found and found.path == whole.run.path.resolve()
    assert name_of(fold) == f"{whole.run.id}/trials/0000/members/02"


def test_how_long_it_takes_counts_the_folds(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("nnrun.search.duration.epoch_seconds", lambda config, dataset: 10.0)
    monkeypatch.setattr(Watcher, "outlook", lambda self, lines: told.extend(lines()))
    search(*FOLDS, "search.trials=2")
    assert told[0].startswith("time     about 2 min for 2 trials of 2 epochs in each of 3 folds")


def test_nothing_is_chosen_by_rows_that_were_trained_on(search: Search, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leaves no dev rows to choose by; search without it"):
        search(*FOLDS, "data.fold=all")
    assert not list(tmp_path.glob("**/search.yaml"))


def test_what_goes_on_with_trials_is_refused(search: Search) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.folds=3: halving goes on with some of its trials, which folds cannot"
    ):
        search(*FOLDS, "search.strategy=halving")


@pytest.mark.parametrize(
    "where", ["search.space={training.epochs: {int: [5, 60]}}", "training.changes={2: {training.epochs: 9}}"]
)
def test_epochs_are_not_searched_where_the_strategy_decides_them(search: Search, where: str) -> None:
    with pytest.raises(
        ConfigError, match=r"halving decides how many epochs each trial has; leave training\.epochs out"
    ):
        search("search.strategy=halving", "training.epochs=9", where)
