"""Searches of short trials to which something happens, and what has to come of them all the same."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nnrun.config.load import Loaded, load_config
from nnrun.errors import NnrunError
from nnrun.runs.rundir import RunDir
from nnrun.search.record import TrialRecord
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin, resume
from tests.asked import asking
from tests.search.cluster.remains import left
from tests.search.conftest import CONFIG

SETTINGS = ["training.epochs=250", "search.space={optimizer.learning_rate: {log: [1e-4, 0.1]}}"]


class AtTrial(Watcher):
    """Does something to the cluster, so many times, each a while after a trial has ended."""

    def __init__(self, act: Callable[[], None], times: int) -> None:
        self.act, self.times, self.done, self.draw = act, times, 0, random.Random(times)
        self.said = list[str]()

    def say(self, line: str) -> None:
        self.said.append(line)

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        if self.done < self.times:
            time.sleep(self.draw.random() / 10)
            self.done += 1
            self.act()


def long(trials: int) -> Loaded:
    """Trials that take so long that something may happen to them."""
    return load_config(None, [f"search.trials={trials}", *SETTINGS], text=CONFIG)


def begun_or_resumed(trials: int, root: Path, options: Options, watcher: Watcher) -> RunDir:
    """The search, however this call ended."""
    there = [*root.glob("*-search-*")]
    with suppress(NnrunError):
        if there:
            resume(RunDir(there[0]), None, options, watcher)
        else:
            begin(long(trials), root, options, watcher)
    return RunDir(next(root.glob("*-search-*")))


def lines(root: Path) -> int:
    """Trials that stand in the ledger."""
    return sum(len(path.read_bytes().splitlines()) for path in root.glob("*-search-*/trials.jsonl"))


def assert_as_alone(run: RunDir, trials: int, folder: Path) -> None:
    """Each trial stands there once, as one worker here leaves it."""
    numbers = [json.loads(line)["number"] for line in (run.path / "trials.jsonl").read_text().splitlines()]
    assert sorted(numbers) == list(range(trials))
    assert left(run) == left(begin(long(trials), folder, asking(stack=1), Watcher()).run)
