"""Workers that are killed at any instant, or stand still: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from nnrun.config.load import load_config
from nnrun.search.record import TrialRecord
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.search.cluster.conftest import UNCLOSED, ByHand
from tests.search.cluster.test_same_ledger import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
pytestmark = UNCLOSED


@pytest.fixture
def nannies(tmp_path: Path) -> Iterator[ByHand]:
    cluster = ByHand(tmp_path)
    try:
        for _ in range(2):
            cluster.worker("--nanny")
        yield cluster
    finally:
        cluster.close()


def workers_of(nanny: int) -> list[psutil.Process]:
    """What a nanny watches over: not the process that removes semaphores."""
    with suppress(psutil.Error):
        return [each for each in psutil.Process(nanny).children() if "resource_tracker" not in " ".join(each.cmdline())]
    return []


class Killer(Watcher):
    """Kills a worker each time that a trial has ended, while the other one trains."""

    def __init__(self, nannies: ByHand, kills: int) -> None:
        self.nannies, self.kills, self.killed, self.draw = nannies, kills, 0, random.Random(kills)

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        if self.killed == self.kills:
            return
        time.sleep(self.draw.random() / 10)
        there = [worker for nanny in self.nannies.processes[1:] for worker in workers_of(nanny.pid)]
        for worker in self.draw.sample(there, min(1, len(there))):
            with suppress(psutil.Error):
                worker.kill()
                self.killed += 1


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_workers_that_are_killed_change_nothing(kills: int, nannies: ByHand, tmp_path: Path) -> None:
    space = "search.space={optimizer.learning_rate: {log: [1e-4, 0.1]}}"
    long = load_config(None, [f"search.trials={2 * kills}", "training.epochs=250", space], text=CONFIG)
    expected = begin(long, tmp_path / "here", Options(stack=1), Watcher())
    killer = Killer(nannies, kills)
    found = begin(long, tmp_path / "there", Options(stack=1, cluster=str(nannies.file)), killer)
    numbers = [json.loads(line)["number"] for line in (found.run.path / "trials.jsonl").read_text().splitlines()]
    assert killer.killed == kills
    assert sorted(numbers) == list(range(2 * kills))
    assert left(found.run) == left(expected.run)
