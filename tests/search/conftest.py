"""Small searches: wine, eight units, four epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.runs.rundir import RunDir
from nnrun.search.executors import Executor, Inline, Work
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord, TrialResult
from nnrun.search.running import SearchOutcome
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Point
from nnrun.search.study import Study, Watcher
from nnrun.search.trials import Trial
from nnrun.search.verbs import begin
from tests.asked import asking

CONFIG = """
seed: 3
data: {source: wine}
network: {hidden: [8]}
training: {epochs: 4}
search:
  trials: 12
  strategy: random
  space:
    optimizer.learning_rate: {log: [1e-4, 0.1]}
    regularization.dropout: {choice: [0, 0.2, 0.5]}
    regularization.l2: {log: [1e-4, 10]}
    training.batch_size: {choice: [16, 32]}
"""
OF_A_CALL = ("time", "seconds", "host", "attempt", "checksum")  # what equal searches may differ in

Trained = dict[int, bytes]  # checkpoints by trial
Stored = Callable[[RunDir], tuple[list[TrialRecord], Trained]]


class Hearing(Watcher):
    """Passes on what it is told besides trials."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def say(self, line: str) -> None:
        self._say(line)


@pytest.fixture
def kept() -> Callable[[list[TrialRecord]], list[TrialRecord]]:
    """What equal searches have in common, by number."""

    def of(records: list[TrialRecord]) -> list[TrialRecord]:
        ordered = sorted(records, key=lambda record: int(record["number"]))
        return [{key: value for key, value in record.items() if key not in OF_A_CALL} for record in ordered]

    return of


@pytest.fixture
def stored(kept: Callable[[list[TrialRecord]], list[TrialRecord]]) -> Stored:
    """The ledger without what differs from call to call, and the bytes of every finished trial's checkpoint."""

    def of(run: RunDir) -> tuple[list[TrialRecord], Trained]:
        records, broken = Ledger(run.path / "trials.jsonl").read()
        assert broken == 0
        numbers = [record["number"] for record in records if record["status"] == "done"]
        folder = run.path / "trials"
        best = {n: sorted((folder / f"{n:04d}").rglob("best.safetensors")) for n in numbers}
        assert all(best.values())
        return kept(records), {n: b"".join(path.read_bytes() for path in paths) for n, paths in best.items()}

    return of


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., SearchOutcome]:
    """A new search around CONFIG with `key=value` settings and options."""

    def search(*settings: str, root: Path | None = None, told_to_stop: Any = None, **options: Any) -> SearchOutcome:
        loaded = load_config(None, settings, text=CONFIG)
        stop = told_to_stop or (lambda: False)
        return begin(loaded, root or tmp_path / "runs", asking(**options), Watcher(), stop)

    return search


@dataclass
class Heard(Watcher):
    """Keeps what it hears: number of the trial, number of the best."""

    trials: list[tuple[int, int]]

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        self.trials.append((record["number"], best["number"]))


SPACE = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """A study of any work; `shape` tells which trials may be handed out together, four at most."""

    def study(
        work: Work,
        executor: Executor | None = None,
        shape: Callable[[int], str] = lambda number: "",
        metric: str = "dev_error",
        strategy: str = "random",
        make: Callable[[Point], Trial | TrialResult] | None = None,
        **job: Any,
    ) -> Study:
        def plain(point: Point) -> Trial:
            text = shape(point.number)
            return Trial(point.number, point.values, {}, shape=text, most=4 if text else 1)

        return Study(
            strategy=STRATEGIES[strategy](Brief(SPACE, 0, [1000])),
            make=make or plain,
            given=[],
            metric=Objective(metric),
            ledger=Ledger(tmp_path / "trials.jsonl"),
            executor=executor or Inline(),
            work=work,
            job=job,
            watcher=Heard([]),
        )

    return study


@pytest.fixture
def config_text() -> str:
    return CONFIG
