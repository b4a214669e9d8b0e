"""What a cluster costs a trial: a search of trials that each take a second, on workers of a dask scheduler.

Each trial trains a network of a few milliseconds and sleeps until its second is over, so that any number of workers fit
on one machine. Scheduler and workers are processes of their own on loopback, as a user starts them. Printed are the
CPU time of the searching process and of the scheduler a trial, what a trial takes beyond its second, the share of the
trials that workers without any overhead would have trained in the same time, and the bytes that travel a trial. A
warm-up round, in which workers fork and data are sent, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnrun.config.load import load_config
from nnrun.search import running
from nnrun.search.cluster import executor
from nnrun.search.cluster.crew import Crew
from nnrun.search.cluster.executor import Cluster
from nnrun.search.cluster.worker import Reply, Request, Train
from nnrun.search.record import TrialRecord
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.trials import Answer, Job, train_trials
from nnrun.search.verbs import begin

CONFIG = """\
data: {source: wine}
network: {hidden: [16]}
training: {epochs: 4, batch_size: 64}
search: {space: {optimizer.learning_rate: {log: [1e-3, 1e-1]}}}
"""


def one_second(job: Job) -> Answer:
    """Train the trial, and be busy with it for a second in all."""
    end = time.monotonic() + 1
    answer = train_trials(job)
    time.sleep(max(0.0, end - time.monotonic()))
    return answer


class Clock(Watcher):
    """Seconds and CPU seconds, of this process and of the scheduler, when each trial was over."""

    def __init__(self, scheduler: int) -> None:
        import psutil

        self.scheduler = psutil.Process(scheduler)
        self.times = list[tuple[float, float, float]]()

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """Note them."""
        assert record["status"] == "done", record
        self.times.append((time.perf_counter(), time.process_time(), cpu_seconds(self.scheduler.cpu_times())))


class Counting(Cluster):
    """A cluster that counts the bytes of requests, and of replies with their directories."""

    sent = came = jobs = 0

    def _asked(self, work: Train, request: Request, crew: Crew, address: str) -> tuple[Reply, bytes]:
        reply, parcel = super()._asked(work, request, crew, address)
        Counting.jobs += 1
        Counting.sent += len(json.dumps(request))
        Counting.came += len(json.dumps(reply)) + 1 + len(parcel)
        return reply, parcel


def cpu_seconds(times: Any) -> float:
    """Of another process, until now."""
    return float(times.user + times.system)


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[Path, int]]:
    """A scheduler file, and the process of the scheduler."""
    file = folder.resolve() / "scheduler.json"
    known = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}  # where `one_second` is

    def start(command: str, *words: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", f"distributed.cli.dask_{command}", "--scheduler-file", str(file), *words]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(line, cwd=folder, env=known, stdout=quiet, stderr=quiet)

    started = [start("scheduler", "--port", "0", "--no-dashboard")]
    try:
        while not file.exists():
            time.sleep(0.1)
        for _ in range(workers):
            started.append(start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"))
        yield file, started[0].pid
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def measure(workers: int, trials: int) -> dict[str, float]:
    """The figures, by name."""
    import cluster_overhead  # by the name that workers know it by

    running.train_trials = cluster_overhead.one_second
    executor.Cluster = Counting  # type: ignore[misc]
    with tempfile.TemporaryDirectory(dir=".") as folder, cluster(workers, Path(folder)) as (file, scheduler):
        wait_for(workers, file)
        clock = Clock(scheduler)
        warm_up = 2 * workers
        config = load_config(None, [f"search.trials={trials + warm_up}"], text=CONFIG)
        begin(config, Path(folder) / "runs", Options(stack=1, cluster=str(file)), clock)
    first, last = clock.times[warm_up - 1], clock.times[-1]
    seconds, parent, scheduling = (end - begun for begun, end in zip(first, last, strict=True))
    return {
        "parent_cpu_ms": 1000 * parent / trials,
        "scheduler_cpu_ms": 1000 * scheduling / trials,
        "beyond_the_second_ms": 1000 * (seconds * workers / trials - 1),
        "share_of_ideal": trials / (seconds * workers),
        "bytes_sent": Counting.sent / Counting.jobs,
        "bytes_back": Counting.came / Counting.jobs,
    }


def wait_for(workers: int, file: Path) -> None:
    """Until all workers are there."""
    from distributed import Client

    with Client(scheduler_file=str(file), set_as_default=False) as client:
        client.wait_for_workers(workers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    figures = measure(asked.workers, asked.trials)
    if asked.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{asked.trials} trials of a second on {asked.workers} workers")
    print(f"  CPU of the search   {figures['parent_cpu_ms']:6.1f} ms a trial")
    print(f"  CPU of the scheduler{figures['scheduler_cpu_ms']:6.1f} ms a trial")
    print(f"  beyond the second   {figures['beyond_the_second_ms']:6.1f} ms a trial")
    print(f"  share of ideal      {figures['share_of_ideal']:6.1%}")
    print(f"  sent, and back      {figures['bytes_sent']:,.0f} and {figures['bytes_back']:,.0f} bytes a trial")


if __name__ == "__main__":
    main()
