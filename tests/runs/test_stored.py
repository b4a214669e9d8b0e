"""A run that is only read: once each file, and as it was then."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from nnrun import __version__
from nnrun.errors import ConfigError, DataError
from nnrun.files import sealed_text
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

FILES = ("resolved.yaml", "data.json", "run.json", "metrics.jsonl", "events.jsonl")


@pytest.fixture
def run(train_run: Callable[..., Outcome]) -> RunDir:
    return RunDir(train_run("data.source=iris", "training.epochs=2", "network.hidden=[4]").run.path)


def test_what_was_read_stays_when_the_files_are_gone(run: RunDir) -> None:
    stored = StoredRun(run)
    first = stored.config, stored.text, stored.data, stored.record, stored.rows, stored.events
    assert stored.config.training.epochs == len(stored.rows) == 2
    assert stored.data.task == "classification" and stored.events[-1]["event"] == "done"
    for file in FILES:
        (run.path / file).unlink()
    again = stored.config, stored.text, stored.data, stored.record, stored.rows, stored.events
    assert all(value is before for value, before in zip(again, first, strict=True))
    assert stored.loaded(["seed=7"]).config.seed == 7


def test_runs_on_the_same_data_share_what_was_fitted_on_it_unless_a_file_was_changed(run: RunDir) -> None:
    copy = RunDir(shutil.copytree(run.path, run.path.with_name("copy")))
    first, second = StoredRun(run), StoredRun(copy)
    assert second.data is first.data
    content = (copy.path / "data.json").read_bytes()
    (copy.path / "data.json").write_bytes(content.replace(b"iris", b"isis"))
    with pytest.raises(DataError, match=r"copy.data\.json: damaged"):
        _ = StoredRun(copy).data


def test_what_is_missing_is_told_by_its_file(run: RunDir) -> None:
    for file in FILES:
        (run.path / file).unlink()
    stored = StoredRun(run)
    with pytest.raises(DataError, match=r"resolved\.yaml"):
        _ = stored.config
    with pytest.raises(DataError, match=r"data\.json"):
        _ = stored.data
    with pytest.raises(DataError, match=r"run\.json"):
        _ = stored.record


@pytest.mark.parametrize(
    ("sealed", "version", "told"),
    [
        (True, "7.1.0", "nnrun 7.1.0"),
        (False, "7.1.0", "nnrun 7.1.0"),
        (True, __version__, f"another nnrun {__version__}"),
    ],
)
def test_a_run_of_a_newer_nnrun_says_so(run: RunDir, sealed: bool, version: str, told: str) -> None:
    change_resolved(run, "  tomorrow: 1\n", sealed)
    run.update_record(versions={**run.read_record()["versions"], "nnrun": version})
    with pytest.raises(ConfigError) as caught:
        StoredRun(run).loaded(["seed=7"])
    first, second = caught.value.problems
    assert first == f"{run.resolved}: written by {told}, and this is nnrun {__version__}"
    assert second.startswith(f"{run.resolved}:") and "training.tomorrow: unknown key" in second


def test_an_override_at_odds_with_the_file_is_no_mistake_of_the_file(train_run: Callable[..., Outcome]) -> None:
    run = StoredRun(train_run("data.source=iris", "training.epochs=1", "data.folds=3", "data.fold=1").run)
    with pytest.raises(ConfigError) as caught:
        run.loaded(["data.folds=null"])
    (told,) = caught.value.problems
    assert told.endswith("data.fold: needs data.folds, the number of them")


def test_a_mistake_that_may_be_the_users_is_told_alone(run: RunDir) -> None:
    with pytest.raises(ConfigError) as caught:
        StoredRun(run).loaded(["training.tomorrow=1"])
    assert len(caught.value.problems) == 1
    change_resolved(run, "  tomorrow: 1\n", sealed=False)
    with pytest.raises(ConfigError) as caught:
        StoredRun(run).loaded()
    assert len(caught.value.problems) == 1


def change_resolved(run: RunDir, line: str, sealed: bool) -> None:
    """Write a line below `training:`."""
    text = run.resolved.read_text().partition("\n")[2].replace("\ntraining:\n", f"\ntraining:\n{line}")
    run.resolved.write_text(sealed_text(text) if sealed else text)


def test_a_run_that_nobody_holds_has_no_result_yet(run: RunDir) -> None:
    assert StoredRun(run).final["dev_error"] == run.read_record()["final"]["dev_error"]
    run.update_record(status="running")
    with RunDir(run.path).locked():
        assert StoredRun(run).status == "running"
    stored = StoredRun(run)
    assert stored.record["status"] == stored.status == "interrupted" and stored.written["status"] == "running"
    assert stored.under_way and stored.final == {}


def test_a_record_that_another_process_replaces_is_read_again(run: RunDir) -> None:
    here, elsewhere = RunDir(run.path), RunDir(run.path)
    assert "chosen" not in here.read_record()
    elsewhere.update_record(chosen={"test_reads": 2})
    assert here.read_record()["chosen"] == {"test_reads": 2}
    here.update_record(error="none")
    assert elsewhere.read_record() == here.read_record() == run.read_json("run.json")
    assert {"error", "chosen"} <= here.read_record().keys()
