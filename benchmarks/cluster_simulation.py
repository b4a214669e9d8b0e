"""A search on a thousand workers that are simulated: what it costs the process that searches, and whether that grows.

The study, its strategy and its ledger are the real ones. The executor keeps a clock of its own: a job takes its time
and a latency, workers die at random and come back after a while, and what they had in training is lost with them. So a
search of many days takes minutes here. No run directories are written and nothing is sent; `cluster_overhead.py`
measures what those cost. In the end every trial must stand in the ledger once.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from bookkeeping import SPACE, objective, without_waiting_for_the_disk

from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.executors import Failure, Result, Work, WorkerDiedError
from nnrun.search.executors import Job as AJob
from nnrun.search.ledger import Ledger
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Point
from nnrun.search.study import Budget, Study, Watcher
from nnrun.search.trials import Trial, TrialRecord

EPOCHS = 30
AWAY = 300.0  # seconds until a worker that died is there again
KILLED = -9
HOUR = 3600.0


class Event(NamedTuple):
    """Something that is going to happen: a job ends, a worker dies, or one comes back."""

    at: float
    order: int
    what: str
    worker: int
    life: int  # of the worker when this was planned; of an earlier life it does not happen


class Workers:
    """An executor whose time passes when it is asked for news, which a study does before it waits."""

    def __init__(self, number: int, seconds: float, latency: float, deaths: float) -> None:
        self.seconds, self.latency, self.deaths_an_hour = seconds, latency, deaths
        self.now, self.own_cpu, self.deaths, self.lost = 0.0, 0.0, 0, 0
        self._draw, self._orders = random.Random(0), count()
        self._free = list(range(number))
        self._lives = dict.fromkeys(range(number), 0)
        self._jobs: dict[int, tuple[Future[Any], Any, Any]] = {}
        self._events: list[Event] = []
        self.workers = number
        for worker in range(number):
            self._plan("dies", worker, self._until_death())

    def submit(
        self, work: Work[AJob, Result], job: AJob, freed: Callable[[], object] = lambda: None
    ) -> Future[Result | Failure]:
        """Begin it on a free worker."""
        began = time.process_time()
        future: Future[Result | Failure] = Future()
        worker = self._free.pop()
        self._jobs[worker] = future, work, job
        took = self.seconds * self._draw.lognormvariate(0, 0.5) + self._draw.expovariate(1 / self.latency)
        self._plan("ends", worker, took)
        self.own_cpu += time.process_time() - began
        return future

    def want(self, jobs: int) -> None:
        """There are no more to be had."""

    def news(self) -> list[str]:
        """None; but time goes on to the next end of a job, if one is in training."""
        began = time.process_time()
        while self._jobs and not self._happens(heapq.heappop(self._events)):
            pass
        self.own_cpu += time.process_time() - began
        return []

    def close(self) -> None:
        """Nothing runs."""

    def _happens(self, event: Event) -> bool:
        """Whether a job has ended by this."""
        if event.life != self._lives[event.worker]:
            return False
        self.now = event.at
        if event.what == "comes":
            self._lives[event.worker] += 1
            self._free.append(event.worker)
            self.workers += 1
            self._plan("dies", event.worker, self._until_death())
            return False
        running = self._jobs.pop(event.worker, None)
        if event.what == "dies":
            self.deaths += 1
            self.workers -= 1
            self._lives[event.worker] += 1
            self._plan("comes", event.worker, AWAY)
            if running is None:
                self._free.remove(event.worker)
                return False
            self.lost += 1
            running[0].set_exception(WorkerDiedError(KILLED))
            return True
        assert running is not None
        future, work, job = running
        self._free.append(event.worker)
        future.set_result(work(job))
        return True

    def _plan(self, what: str, worker: int, after: float) -> None:
        heapq.heappush(self._events, Event(self.now + after, next(self._orders), what, worker, self._lives[worker]))

    def _until_death(self) -> float:
        return self._draw.expovariate(self.deaths_an_hour) * HOUR if self.deaths_an_hour else math.inf


def result(job: Any) -> Any:
    """Records as long as those of trials of thirty epochs."""
    return {"results": [_result(trial["number"], trial["values"]) for trial in job["trials"]]}


def _result(number: int, values: dict[str, Any]) -> dict[str, Any]:
    error = objective(values) / 10
    return {
        "number": number,
        "values": values,
        "seed": number * 2_654_435_761 % 2**32,
        "status": "done",
        "final": {f"{part}_{name}": error / 3 for part in ("train", "dev") for name in ("error", "loss")} | {"cost": 1},
        "best_epoch": EPOCHS,
        "epochs": EPOCHS,
        "divergence": None,
        "curve": [error + 1 / (epoch + 3) for epoch in range(EPOCHS)],
        "seconds": 612.5,
        "host": "node-0123",
        "error": None,
    }


class Meter(Watcher):
    """CPU seconds and memory after each tenth of the trials."""

    def __init__(self, trials: int, workers: Workers) -> None:
        self.block, self.workers, self.process = max(1, trials // 10), workers, psutil.Process()
        self.begun, self.rows = self._now(), list[dict[str, float]]()

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """Note them."""
        if finished % self.block == 0:
            now = self._now()
            megabytes = self.process.memory_info().rss / 1e6
            row = {"trials": finished, "cpu_ms": 1000 * (now - self.begun) / self.block, "megabytes": megabytes}
            self.begun = now
            self.rows.append(row)
            print(f"{finished:,} trials", file=sys.stderr, flush=True)

    def _now(self) -> float:
        """CPU seconds of the search alone."""
        return time.process_time() - self.workers.own_cpu


def simulate(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures; an AssertionError where a trial is lost, or there twice."""
    workers = Workers(asked.workers, asked.seconds, asked.latency / 1000, asked.deaths / 100)
    ledger, meter = Ledger(folder / "trials.jsonl"), Meter(asked.trials, workers)
    study = Study(
        strategy=STRATEGIES[asked.strategy](Brief(Space.of(SPACE), 0, [asked.trials])),
        make=_trial,
        given=[],
        metric=Objective("dev_error"),
        ledger=ledger,
        executor=workers,
        work=result,
        job={"folder": "", "cache": "", "continued": False, "here": {}},  # type: ignore[typeddict-item]
        watcher=meter,
    )
    began = time.perf_counter()
    with without_waiting_for_the_disk():  # by itself it takes no CPU
        study.run(Budget(asked.trials))
    took, cpu = time.perf_counter() - began, sum(row["cpu_ms"] for row in meter.rows) * meter.block / 1000
    before, began = meter.process.memory_info().rss, time.process_time()
    numbers = Counter(record["number"] for record in study.records)
    read, lines = time.process_time() - began, ledger.path.read_bytes().count(b"\n")
    assert sorted(numbers) == list(range(asked.trials)), "a trial is lost"
    assert lines == asked.trials, "a trial is there twice"
    return {
        "simulated_hours": workers.now / HOUR,
        "deaths": workers.deaths,
        "jobs_lost_with_them": workers.lost,
        "busy": asked.trials * asked.seconds * math.exp(0.125) / (asked.workers * workers.now),
        "seconds_here": took,
        "cpu_share": cpu / workers.now,
        "ledger_bytes": ledger.path.stat().st_size,
        "read_seconds": read,
        "read_megabytes": max(0, meter.process.memory_info().rss - before) / 1e6,
        "blocks": meter.rows,
    }


def _trial(point: Point) -> Trial:
    return Trial(point.number, point.values, {})


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--strategy", choices=list(STRATEGIES), default="random")
    parser.add_argument("--seconds", type=float, default=600, help="of a trial, the median")
    parser.add_argument("--latency", type=float, default=20, help="milliseconds to a worker and back, the mean")
    parser.add_argument("--deaths", type=float, default=1, help="percent of the workers an hour")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = simulate(asked, Path(folder))
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    size = found["ledger_bytes"]
    print(f"{asked.trials:,} trials on {asked.workers:,} workers, {found['simulated_hours']:,.1f} simulated hours")
    print(f"  workers died      {found['deaths']:,}, with {found['jobs_lost_with_them']:,} jobs, all run again")
    print(f"  workers busy      {found['busy']:.1%}")
    print(f"  CPU of the search {found['cpu_share']:.3%} of one core")
    print(f"  ledger            {size / 1e6:,.1f} MB, {size / asked.trials:,.0f} bytes a trial")
    print(f"  to read it        {found['read_seconds']:,.1f} s of CPU, {found['read_megabytes']:,.0f} MB of memory")
    print("| trials | CPU, ms each | memory, MB |\n| --: | --: | --: |")
    for row in found["blocks"]:
        print(f"| {row['trials']:,} | {row['cpu_ms']:.3f} | {row['megabytes']:,.0f} |")


if __name__ == "__main__":
    main()
