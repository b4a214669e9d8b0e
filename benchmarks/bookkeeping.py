"""Time that a search spends on a trial itself, with an objective that costs nothing: from the first to the last.

nnrun: ask the strategy, hand out, record in the ledger (on the disk before the next trial), tell; no run directories.
Optuna: ask, suggest, tell, with its random sampler, in memory and on a journal file. Both search the same five
parameters. The peers take turns, repeat after repeat; figures are medians of milliseconds a trial, a block of trials
each, so that growth with the number of trials shows.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.executors import Inline
from nnrun.search.ledger import Ledger
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Point
from nnrun.search.study import Budget, Study, Watcher
from nnrun.search.trials import Answer, Job, Trial, TrialRecord

SPACE: dict[str, dict[str, Any]] = {
    "network.width": {"choice": [32, 64, 128]},
    "optimizer.beta1": {"one_minus_log": [0.9, 0.999]},
    "optimizer.learning_rate": {"log": [1e-4, 1e-1]},
    "regularization.l2": {"log": [1e-4, 10]},
    "training.batch_size": {"choice": [32, 64, 128]},
}

Peer = Callable[[int, Path], list[float]]


def objective(values: dict[str, Any]) -> float:
    """Something to rank the trials by."""
    return float(values["optimizer.learning_rate"] + values["regularization.l2"])


def null_work(job: Job) -> Answer:
    """What a worker would return."""
    trials = [(trial["number"], trial["values"]) for trial in job["trials"]]
    return {
        "results": [
            {"number": n, "values": values, "status": "done", "final": {"dev_error": objective(values)}, "curve": []}
            for n, values in trials
        ]
    }


class Clock(Watcher):
    """When each trial was over."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def nnrun(strategy: str, trials: int, folder: Path) -> list[float]:
    """When each trial of a study was over, in s."""

    def make(point: Point) -> Trial:
        return Trial(point.number, point.values, {})

    clock = Clock()
    brief = Brief(Space.of(SPACE), 0, [trials])
    ledger = Ledger(folder / "trials.jsonl")
    study = Study(
        STRATEGIES[strategy](brief), make, [], Objective("dev_error"), ledger, Inline(), null_work, {}, watcher=clock
    )
    study.run(Budget(trials))
    return clock.times


def optuna(journal: bool, trials: int, folder: Path) -> list[float]:
    """The same of Optuna."""
    from optuna import create_study, logging, samplers
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    logging.set_verbosity(logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log"))) if journal else None
    study = create_study(storage=storage, sampler=samplers.RandomSampler(0))
    times = [time.perf_counter()]
    for _ in range(trials):
        trial = study.ask()
        values = {
            "network.width": trial.suggest_categorical("network.width", [32, 64, 128]),
            "optimizer.beta1": 1 - trial.suggest_float("1 - optimizer.beta1", 1e-3, 0.1, log=True),
            "optimizer.learning_rate": trial.suggest_float("optimizer.learning_rate", 1e-4, 1e-1, log=True),
            "regularization.l2": trial.suggest_float("regularization.l2", 1e-4, 10, log=True),
            "training.batch_size": trial.suggest_categorical("training.batch_size", [32, 64, 128]),
        }
        study.tell(trial, objective(values))
        times.append(time.perf_counter())
    return times


@contextmanager
def without_waiting_for_the_disk() -> Iterator[None]:
    """Nothing is made durable meanwhile; what that saves is the disk's share."""
    fsync = os.fsync
    os.fsync = lambda fd: None
    try:
        yield
    finally:
        os.fsync = fsync


def nnrun_without_disk(trials: int, folder: Path) -> list[float]:
    """The random search again, without waiting for the disk."""
    with without_waiting_for_the_disk():
        return nnrun("random", trials, folder)


def peers() -> dict[str, Peer]:
    """Whom to measure; Optuna if it is installed."""
    own: dict[str, Peer] = {
        "nnrun_random": lambda trials, folder: nnrun("random", trials, folder),
        "nnrun_coarse_to_fine": lambda trials, folder: nnrun("coarse_to_fine", trials, folder),
        "nnrun_random_without_fsync": nnrun_without_disk,
    }
    if not importlib.util.find_spec("optuna"):
        return own
    return own | {
        "optuna_memory": lambda trials, folder: optuna(False, trials, folder),
        "optuna_journal": lambda trials, folder: optuna(True, trials, folder),
    }


def milliseconds(times: list[float], block: int) -> list[float]:
    """Per trial, one number a block."""
    ends = times[::block]
    return [1000 * (end - begin) / block for begin, end in pairwise(ends)]


def measure(trials: int, block: int, repeats: int) -> dict[str, list[float]]:
    """Medians by peer, one a block."""
    taken: dict[str, list[list[float]]] = {name: [] for name in peers()}
    for repeat in range(repeats):
        print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
        for name, run in peers().items():
            with tempfile.TemporaryDirectory(dir=".") as folder:  # /tmp may be memory, where durability costs nothing
                taken[name].append(milliseconds(run(trials, Path(folder)), block))
    return {name: [statistics.median(blocks) for blocks in zip(*rows, strict=True)] for name, rows in taken.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--block", type=int, default=1000, help="trials a figure")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    figures = measure(asked.trials, asked.block, asked.repeats)
    if asked.json:
        print(json.dumps({"block": asked.block, "ms_a_trial": figures}, indent=2))
        return
    names = [name.replace("_", " ") for name in figures]
    print(f"| trials, ms each | {' | '.join(names)} |\n| --- |{' --: |' * len(names)}")
    for i, row in enumerate(zip(*figures.values(), strict=True)):
        cells = " | ".join(f"{value:.3f}" for value in row)
        print(f"| {i * asked.block + 1:,} to {(i + 1) * asked.block:,} | {cells} |")


if __name__ == "__main__":
    main()
