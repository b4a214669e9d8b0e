"""What MLflow reads of a run, by its own client, from a file store, which is the fastest of its stores to make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnrun.errors import UsageError
from nnrun.runs.labels import note
from nnrun.runs.rundir import RunDir
from nnrun.tracking.mlflow_store import Mlflow, address
from nnrun.tracking.verbs import write
from tests.tracking.conftest import found

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # its own


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return f"file://{tmp_path / 'mlruns'}"


def runs_in(store: str) -> dict[str, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("nnrun")
    return {run.data.tags["nnrun.id"]: run for run in client.search_runs([experiment.experiment_id])}


def history(store: str, run: Any, key: str) -> list[tuple[int, float]]:
    from mlflow.tracking import MlflowClient

    found = MlflowClient(tracking_uri=store).get_metric_history(run.info.run_id, key)
    return sorted((each.step, each.value) for each in found)


def recorded(run: RunDir, key: str) -> list[tuple[int, float]]:
    rows = map(json.loads, (run.path / "metrics.jsonl").read_text().splitlines())
    return [(row["epoch"], row[key]) for row in rows]


def test_curves_settings_and_words_come_back(root: Path, store: str) -> None:
    run = found(root, "one")
    write(run, Mlflow(store), print)
    (there,) = runs_in(store).values()
    for key in ("train_loss", "dev_loss", "train_error", "dev_error", "learning_rate"):
        assert history(store, there, key) == recorded(run, key)
    assert there.data.params["network.hidden"] == "[5]"
    assert there.data.metrics["best_dev_error"] == run.read_record()["final"]["dev_error"]  # type: ignore[index]
    assert there.info.status == "FINISHED"
    assert there.data.tags["nnrun.tags"] == "good, old" and "bias" in there.data.tags["nnrun.verdict"].lower()
    assert there.data.tags["mlflow.note.content"] == "why it's good"


def test_a_run_that_is_known_is_gone_on_with_or_replaced(root: Path, store: str) -> None:
    run = found(root, "one")
    lines = (run.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    whole = recorded(run, "dev_loss")
    RunDir(run.path).update_record(written=None, status="interrupted")
    (run.path / "metrics.jsonl").write_text("".join(lines[:2]))
    write(RunDir(run.path), Mlflow(store), print)
    (first,) = runs_in(store).values()
    assert first.info.status == "KILLED"
    (run.path / "metrics.jsonl").write_text("".join(lines))
    note(run, "another")
    write(RunDir(run.path), Mlflow(store), print)
    (second,) = runs_in(store).values()
    assert second.info.run_id == first.info.run_id
    assert history(store, second, "dev_loss") == whole
    assert second.data.tags["mlflow.note.content"] == "another"
    changed = [{**json.loads(line), "dev_loss": 9.0} for line in lines]
    (run.path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in changed))
    write(RunDir(run.path), Mlflow(store), print)
    (third,) = runs_in(store).values()
    assert third.info.run_id != first.info.run_id
    assert history(store, third, "dev_loss") == [(epoch, 9.0) for epoch in range(1, 5)]


def test_a_search_has_its_trials_below_it(trained: Path, store: str) -> None:
    run = found(trained, "many-search")
    for _ in range(2):
        write(run, Mlflow(store), print)
    there = runs_in(store)
    assert set(there) == {run.id, f"{run.id}/trials/0000", f"{run.id}/trials/0001"}
    for name in set(there) - {run.id}:
        assert there[name].data.tags["mlflow.parentRunId"] == there[run.id].info.run_id
        trial = RunDir(run.path / name.partition("/")[2])
        assert history(store, there[name], "dev_error") == recorded(trial, "dev_error")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MLflow cannot write there"):
        Mlflow("nonsense://x")
    assert address("a/b.db") == "sqlite:///a/b.db"
