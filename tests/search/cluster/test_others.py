"""Not searches alone: the seeds of an ensemble, and the parts of a learning curve, come out as they do here."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import NnrunError, UsageError
from nnrun.insight.diagnosis.learning_curve import learning_curve
from nnrun.runs.stored import StoredRun
from nnrun.runs.verbs import train
from nnrun.search.executors import Failure, Inline, Result, Work, WorkerDiedError
from nnrun.search.executors import Job as AJob
from nnrun.search.record import TrialRecord
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin_seeds, resume
from tests.asked import asking
from tests.search.cluster.conftest import ByHand
from tests.search.cluster.remains import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


class Counting(Watcher):
    finished = 0

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        self.finished = finished


class Mishaps(Inline):
    """Ends jobs as told, one after the other, before it runs the rest."""

    def __init__(self, *mishaps: Any) -> None:
        self.mishaps = [*mishaps]

    def submit(self, work: Work[AJob, Result], job: AJob) -> Future[Result | Failure]:
        if not self.mishaps:
            return super().submit(work, job)
        future: Future[Result | Failure] = Future()
        mishap = self.mishaps.pop()
        future.set_exception(mishap) if isinstance(mishap, Exception) else future.set_result(mishap)
        return future


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    settings = ["data.source=breast_cancer", "training.epochs=3", "network.ensemble=2"]
    return StoredRun(train(load_config(None, settings, text=CONFIG), tmp_path_factory.mktemp("runs")).run)


def test_seeds_on_a_cluster_are_those_trained_here(run: StoredRun, by_hand: ByHand, tmp_path: Path) -> None:
    watcher = Counting()
    here = begin_seeds(run, 4, tmp_path / "here", asking(stack=1), watcher, lambda: watcher.finished > 1)
    assert here.status == "interrupted"
    here = resume(here.run, None, Options(), Watcher())
    there = begin_seeds(run, 4, tmp_path / "there", Options(cluster=str(by_hand.file)), Watcher())
    assert sorted(record["seed"] for record in there.records) == [3, 4, 5, 6]
    assert all(record["values"] == {"seed": record["seed"]} for record in there.records)
    assert left(there.run) == left(here.run)
    alone = train(run.loaded(["seed=5", "network.ensemble=1"]), tmp_path).record["final"]["dev_error"]
    assert [record["final"]["dev_error"] for record in there.records if record["seed"] == 5] == [alone]


def test_a_cross_validation_has_no_seeds_apart(tmp_path: Path) -> None:
    folds = train(load_config(None, ["data.folds=2", "data.split=[0.6,0.2,0.2]"], text=CONFIG), tmp_path).run
    with pytest.raises(UsageError, match="is a cross-validation; without --cluster"):
        begin_seeds(StoredRun(folds), 4, tmp_path, Options(), Watcher())
    several = train(load_config(None, ["data.source=breast_cancer", "data.folds=2"], text=CONFIG), tmp_path).run
    with pytest.raises(UsageError, match="is made of several networks"):
        learning_curve(StoredRun(several), executor=Inline())


def test_a_learning_curve_is_that_trained_here(run: StoredRun, by_hand: ByHand) -> None:
    expected, heard, told = learning_curve(run), list[str](), list[tuple[int, int]]()
    executor = Options(cluster=str(by_hand.file)).executor()
    try:
        found = learning_curve(run, lambda *done: told.append(done), executor, heard.append)
    finally:
        executor.close()
    assert found | {"seconds": 0} == expected | {"seconds": 0}
    assert told == [(done, 19) for done in range(1, 20)]
    assert any(line.startswith("cluster  ") for line in heard)


def test_a_share_whose_worker_is_killed_is_trained_again(run: StoredRun) -> None:
    expected = learning_curve(run)
    found = learning_curve(run, executor=Mishaps(*[WorkerDiedError(-9)] * 3, WorkerDiedError(1)))
    assert found | {"seconds": 0} == expected | {"seconds": 0}


@pytest.mark.parametrize(
    ("mishaps", "words"),
    [
        ([WorkerDiedError(1)] * 2, "rows: the worker ended with code 1"),
        ([{"error": "out of memory"}], "rows: out of memory"),
        ([{"networks": [{"train_error": 0.1, "mistakes": [0.0]}]}], "is no answer to it"),
        ([{"networks": [{"train_error": "x", "mistakes": {}}]}], "is no answer to it"),
        ([{"networks": 3}], "is no answer to it"),
        ([{"network": 3}], "is no answer to it"),
    ],
)
def test_a_share_that_cannot_be_trained_is_told(run: StoredRun, mishaps: list[Any], words: str) -> None:
    with pytest.raises(NnrunError, match=words):
        learning_curve(run, executor=Mishaps(*mishaps))
