"""How a search ends, and what it leaves behind: times, limits, errors, the count of looks at the test part."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.config.load import load_config
from nnrun.errors import ConfigError, UsageError
from nnrun.models.model import load_model
from nnrun.models.reads import count_read
from nnrun.models.verbs import evaluate
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search import choosing, running, state
from nnrun.search.record import TrialRecord
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.trials import entry
from nnrun.search.verbs import begin, resume
from tests.asked import asking
from tests.engines import LACKING
from tests.search.conftest import Hearing

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], Any]


def again(run: RunDir, **options: Any) -> SearchOutcome:
    return resume(run, None, asking(**options), Watcher())


@LACKING
def test_code_of_every_precision_is_compiled_before_there_are_workers(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no folder keeps it they are handed it; a search that is over needs none."""
    asked: list[list[str]] = []

    def compiled(dtypes: list[str], heard: object) -> list[str]:
        asked.append(dtypes)
        return []

    monkeypatch.setattr(running, "uncompiled", sorted)  # whatever there is already
    monkeypatch.setattr(running, "compile_for_workers", compiled)
    space = "search.space={training.dtype: {choice: [float32, float64]}}"
    run = search("training.engine=compiled", space, "search.trials=1").run
    again(run)
    resume(run, 2, asking(), Watcher())
    assert asked == [["float32", "float64"]] * 2


# time and limits


def test_a_call_that_was_killed_counts_for_what_it_wrote_down(search: Search) -> None:
    """Whatever the time of day is: it may have stood still, or the clock may have been set."""
    run = search("search.trials=3").run
    run.update_record(status="running", started="2020-01-01T00:00:00.000+00:00", running_seconds=7.0)
    began = time.monotonic()
    for _ in range(2):  # nothing is counted twice
        seconds = again(run).record["running_seconds"]
        assert -0.01 <= seconds - 7 <= time.monotonic() - began + 0.01


def test_the_running_time_is_written_down_while_a_search_runs(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "KEPT_EVERY", 0.0)
    seen = []

    def look() -> bool:
        for run in (tmp_path / "runs").glob("*-search-*"):
            seen.append(RunDir(run).read_record().get("running_seconds", 0.0))
        return False

    outcome = search("search.trials=3", told_to_stop=look)
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert 0 <= seen[0] < seen[-1] <= outcome.record["running_seconds"]


def test_limits_are_kept_and_new_ones_take_their_places(search: Search) -> None:
    run = search("search.trials=2", trial_timeout=60.0, stack=2).run
    again(run, stack=1, target=0.5)
    assert yaml.safe_load(run.read("search.yaml"))["limits"] == {
        "timeout": None,
        "target": 0.5,
        "stop_when_flat": None,
        "trial_timeout": 60.0,
        "trial_memory": None,
        "cluster_wait": None,
        "stack": 1,
    }


@pytest.mark.parametrize(
    ("settings", "options", "why"),
    [
        ([], {}, "trials"),
        ([], {"target": 1.0}, "target"),
        ([], {"timeout": 0.0}, "timeout"),
        (["search.strategy=grid", "search.space={network.width: {choice: [3, 4]}}"], {}, "points"),
    ],
)
def test_it_says_what_ended_it(search: Search, settings: list[str], options: dict[str, Any], why: str) -> None:
    assert search(*settings, stack=1, **options).record["ended_by"] == why


# errors in the middle


class Breaks(Watcher):
    """Cannot bear the fifth trial."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        if finished == 5:
            raise self.error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (RuntimeError("odd\nand long"), "failed", "odd; and long"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_an_error_in_the_loop_is_recorded_and_loses_nothing(
    search: Search, stored: Stored, config_text: str, tmp_path: Path, error: BaseException, status: str, words: str
) -> None:
    with pytest.raises(type(error)):
        begin(load_config(None, text=config_text), tmp_path / "broken", asking(stack=1), Breaks(error))
    [path] = (tmp_path / "broken").glob("2*")
    run = RunDir(path)
    record = run.read_json("run.json")
    assert (record["status"], record["error"]) == (status, words)
    assert record["running_seconds"] > 0
    assert len(run.read("trials.csv").splitlines()) == 1 + 5
    outcome = again(run)
    assert (outcome.status, outcome.record["error"]) == ("done", None)
    assert stored(run) == stored(search(stack=1).run)


# the test part


def killed(*arguments: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["_copy", "_measured", "_rename"])
def test_killed_while_the_best_is_put_in_its_place_the_count_is_right(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(choosing, where, killed)
        search("search.trials=4")
    [path] = tmp_path.glob("runs/2*")
    run = RunDir(path)
    if where == "_rename":  # the test part has been read, and need not be read again
        monkeypatch.setattr(choosing, "_measured", killed)
    outcome = again(run)
    assert outcome.record["test_reads"] == 1
    assert "test_error" in outcome.record["final"]
    assert RunDir(run.path / "best").read_json("run.json")["final"] == outcome.record["final"]
    assert not (run.path / "best.new").exists()


def test_the_best_trial_is_measured_in_the_precision_that_it_was_trained_in(search: Search) -> None:
    space = "{training.dtype: {choice: [float64]}, optimizer.learning_rate: {choice: [0.05]}}"
    outcome = search("search.trials=2", "optimizer.learning_rate=1e-5", f"search.space={space}")
    assert (outcome.status, outcome.record["best_trial"]) == ("done", 1)
    chosen = outcome.record["final"]
    assert chosen is not None
    assert chosen["dev_loss"] == outcome.records[1]["final"]["dev_loss"]
    assert "test_error" in chosen


def test_killed_between_best_and_the_record_the_count_is_right(search: Search) -> None:
    outcome = search("search.trials=4")
    outcome.run.update_record(status="running", best_trial=None, final=None, test_reads=0)
    record = again(outcome.run).record
    assert record["test_reads"] == 1
    assert record["final"] == outcome.record["final"]
    assert record["best_trial"] == outcome.record["best_trial"]


def test_nobody_counts_a_read_while_a_search_trains(search: Search) -> None:
    """It replaces its best run when it ends; who wrote there meanwhile brought the old one back."""
    run = search("search.trials=2").run
    best = RunDir(run.path / "best")
    assert evaluate(load_model(StoredRun(best))).test_reads == 2
    with run.held():
        run.update_record(status="running")
        found = evaluate(load_model(StoredRun(best)))
        assert "test" not in found.results
        assert any("the search is still training" in note for note in found.notes)
        with pytest.raises(UsageError, match="is training this run"):  # it has been resumed since
            count_read(best)
    run.update_record(status="done")
    assert evaluate(load_model(StoredRun(best))).test_reads == 3


# what is mended


@pytest.mark.parametrize("with_directories", [True, False])
def test_a_torn_line_is_told(search: Search, with_directories: bool) -> None:
    run = search("search.trials=3", stack=1).run
    content = run.read("trials.jsonl")
    (run.path / "trials.jsonl").write_bytes(content[:-40])
    if not with_directories:
        for path in (run.path / "trials/0002").rglob("run.json"):
            path.unlink()
    told: list[str] = []
    resume(run, None, Options(), Hearing(told.append))
    fate = "trial 2 restored from its directory" if with_directories else "trial 2 runs again"
    assert told == [f"trials.jsonl: a torn last line was cut off; {fate}"]
    resume(run, None, Options(), Hearing(told.append))
    assert len(told) == 1
    assert run.read_json("run.json")["trials"] == 3


def test_lines_broken_in_the_middle_are_told(search: Search) -> None:
    run = search("search.trials=3", stack=1).run
    lines = run.read("trials.jsonl").splitlines(keepends=True)
    (run.path / "trials.jsonl").write_bytes(b"".join(line.replace(b"done", b"dune") for line in lines[:2]) + lines[2])
    told: list[str] = []
    resume(run, None, Options(), Hearing(told.append))
    assert told == [
        "trials.jsonl: 2 lines that are not whole were dropped; trials 0, 1 restored from their directories"
    ]


# what is refused


@pytest.mark.parametrize(("metric", "meant"), [("dev_rmse", "dev_error"), ("-train_rmse", "-train_error")])
def test_a_metric_that_classes_do_not_have(search: Search, metric: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        search(f"search.metric={metric}")
    assert str(caught.value).endswith(f"{metric} needs numbers to predict, and the target is classes; use {meant}")
    assert search(f"search.metric={metric}", "data.source=diabetes", "search.trials=1").status == "done"


def test_a_metric_of_which_more_is_better_has_to_be_maximised(search: Search) -> None:
    with pytest.raises(ConfigError) as caught:
        search("search.metric=dev_auc")
    assert str(caught.value).endswith("a higher auc is better; write -dev_auc")
    with pytest.raises(ConfigError) as caught:
        search("search.metric=-dev_auc", "data.source=diabetes")
    assert str(caught.value).endswith("-dev_auc needs classes to predict, and the target is a number; use dev_error")


OF_TWO_LOSSES = "search.space={training.loss: {choice: [squared_error, huber]}}"


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ("search.metric=dev_loss", "dev_error"),
        ("metrics.primary=loss", "dev_error"),
        ("search.metric=train_loss", "train_error"),
        ("search.metric=cost", "dev_error"),
    ],
)
def test_losses_of_two_kinds_do_not_rank_trials(search: Search, chosen: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"search.space.training.loss: cannot be searched by .*; use .*{meant}$"):
        search("data.source=diabetes", OF_TWO_LOSSES, chosen)
    assert search("data.source=diabetes", OF_TWO_LOSSES, "search.trials=2").status == "done"


def test_a_metric_that_the_dev_set_leaves_undefined(search: Search, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{'late' if i > 40 or i % 2 else 'early'}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("when,x,y\n" + rows)
    with pytest.raises(ConfigError, match=r"-dev_auc is not defined on the dev set, which has .*; use dev_error"):
        search(f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.time=when", "search.metric=-dev_auc")


def test_trials_are_compared_by_the_primary_metric(search: Search) -> None:
    outcome = search("metrics.primary=auc", "search.trials=3", "data.source=breast_cancer")
    finals = {record["number"]: record["final"] for record in outcome.records}
    assert outcome.record["best_trial"] == min(finals, key=lambda n: (-finals[n]["dev_auc"], finals[n]["dev_loss"], n))
    assert 0.5 < outcome.record["final"]["test_auc"] <= 1
    assert [record["metric"] for record in outcome.records] == [-final["dev_auc"] for final in finals.values()]


def test_trials_may_be_compared_by_another_metric_than_epochs(search: Search) -> None:
    outcome = search("search.metric=-dev_f1", "search.trials=2")
    assert all(record["metric"] == -record["final"]["dev_f1"] for record in outcome.records)
    assert "dev_f1" not in RunDir(outcome.run.path / "best").metrics()[0]


def test_all_of_the_section_is_checked_at_once(search: Search) -> None:
    with pytest.raises(ConfigError) as caught:
        search(
            "search.strategy=rundom", "search.metric=dev_eror", "search.space={optimizer.learning_rate: {log: [0, 1]}}"
        )
    words = ["did you mean random?", "did you mean dev_error?", "a log scale begins above 0"]
    assert [word in problem for word, problem in zip(words, caught.value.problems, strict=True)] == [True] * 3


# what is gone


HALVING = ("search.strategy=halving", "training.epochs=9")


@pytest.mark.parametrize("settings", [(), HALVING, (*HALVING, "optimizer.schedule=cosine"), ("data.folds=2",)])
def test_the_best_trial_is_trained_again_where_its_folder_is_gone(
    search: Search, stored: Stored, settings: tuple[str, ...]
) -> None:
    whole, told = search("search.trials=7", *settings, repeat=2), list[str]()
    run, before, best = whole.run, stored(whole.run), whole.record["best_trial"]
    for gone in ("best", "repeats", f"trials/{best:04d}"):
        shutil.rmtree(run.path / gone)
    outcome = resume(run, None, Options(), Hearing(told.append))
    assert [line for line in told if "trained again" in line] == [
        f"trial {best}: its folder {run.path}/trials/{best:04d} is gone, so it is trained again"
    ]
    assert stored(run) == before, "to the same bits"
    assert (outcome.status, outcome.record["final"]) == ("done", whole.record["final"])
    assert outcome.record["repeats"] == whole.record["repeats"]


@pytest.mark.parametrize("settings", [(), ("data.folds=2",)])
def test_a_damaged_checkpoint_of_the_best_trial_is_copied_again(
    search: Search, stored: Stored, settings: tuple[str, ...]
) -> None:
    whole, told = search("search.trials=3", *settings), list[str]()
    run, trial = whole.run, whole.run.path / f"trials/{whole.record['best_trial']:04d}"
    damaged = sorted((run.path / "best").rglob("best.safetensors"))[-1]
    before, content = stored(run), damaged.read_bytes()
    of_trial = trial / damaged.relative_to(run.path / "best")
    damaged.write_bytes(content[:100])
    outcome = resume(run, None, Options(), Hearing(told.append))
    assert damaged.read_bytes() == content and not told
    assert outcome.record["test_reads"] == whole.record["test_reads"], "nothing was measured again"
    damaged.unlink()
    of_trial.write_bytes(content[:100])
    resume(run, None, Options(), Hearing(told.append))
    assert told == [f"trial {int(trial.name)}: the checkpoints in {trial} cannot be read, so it is trained again"]
    assert damaged.read_bytes() == of_trial.read_bytes() == content
    assert stored(run) == before


def test_a_trial_of_a_rung_is_trained_again_within_its_schedule(
    search: Search, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was the best: here the first trial that was ended with its rung."""
    whole, told = search("search.trials=7", *HALVING, "optimizer.schedule=cosine"), list[str]()
    run, before, choose = whole.run, stored(whole.run), running.choose
    of_a_rung = next(record for record in whole.records if record["epochs"] < 9)
    shutil.rmtree(run.path / "trials" / f"{of_a_rung['number']:04d}")

    def after_that(run: RunDir, dataset_of: Any, best: Any, restore: choosing.Restore) -> Any:
        restore(of_a_rung)
        return choose(run, dataset_of, best, restore)

    monkeypatch.setattr(running, "choose", after_that)
    resume(run, None, Options(), Hearing(told.append))
    assert stored(run) == before, "to the same bits"
    assert not any("rounds otherwise" in line for line in told)


@pytest.mark.parametrize("gone", [".", "checkpoints", "checkpoints/last.safetensors"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_trial_is_trained_again_where_another_goes_on_with_it(
    search: Search, stored: Stored, schedule: str, gone: str
) -> None:
    whole, told = search("search.trials=7", *HALVING, f"optimizer.schedule={schedule}"), list[str]()
    run, before = whole.run, stored(whole.run)
    went_on = [b for a, b in combinations(whole.records, 2) if a["seed"] == b["seed"]]
    parents = [a["number"] for a, b in combinations(whole.records, 2) if a["seed"] == b["seed"]]
    first = min(record["number"] for record in went_on)
    lines = run.read("trials.jsonl").decode().splitlines(keepends=True)
    (run.path / "trials.jsonl").write_text("".join(line for line in lines if json.loads(line)["number"] < first))
    for number in range(first, 7):
        shutil.rmtree(run.path / "trials" / f"{number:04d}")
    for number in parents:
        path = run.path / "trials" / f"{number:04d}" / gone
        path.write_bytes(path.read_bytes()[:100]) if path.is_file() else shutil.rmtree(path)
    resume(run, None, Options(), Hearing(told.append))
    assert stored(run) == before, "to the same bits"
    assert any("trained again" in line for line in told)


def test_a_trial_that_came_out_otherwise_is_told(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, told = search("search.trials=2"), list[str]()
    best = whole.record["best_trial"]
    shutil.rmtree(whole.run.path / "best")
    shutil.rmtree(whole.run.path / "trials" / f"{best:04d}")
    monkeypatch.setattr(choosing, "entry", lambda *given: {**entry(*given), "metric": 0.5})
    resume(whole.run, None, Options(), Hearing(told.append))
    assert f"trial {best} came to 50.0% now, which was " in "".join(told)
