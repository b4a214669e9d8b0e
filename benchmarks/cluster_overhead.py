"""What a cluster costs a trial: a search of trials that each take a second, on workers of a dask scheduler.

Each trial trains a network of a few milliseconds and sleeps until its second is over, so that any number of workers fit
on one machine. Scheduler and workers are processes of their own on loopback, as a user starts them. Beside it stand the
same search with as many workers of this process, and bare tasks of dask that sleep for a second, and are sent and send
back as many bytes: one a worker, and the next one when the answer is there.

Printed are the time from the end of a worker's second to the beginning of its next one (the median, which says nothing
of a machine that stands still in between), the share of the trials that workers without any overhead would have trained
in the same time, the CPU time of each kind of process a trial, and the bytes that travel. A warm-up round, in which
workers fork and data are sent, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil

from nnrun.config.load import load_config
from nnrun.search import running
from nnrun.search.cluster import executor
from nnrun.search.cluster.arrivals import Arrivals
from nnrun.search.cluster.crew import Crew
from nnrun.search.cluster.executor import Cluster, Trained
from nnrun.search.cluster.worker import Refusal, Request, Train
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
SPANS = "CLUSTER_OVERHEAD_SPANS"  # a folder, in which each process notes when its seconds begin and end
SENT, BACK = 3_200, 22_600  # bytes of a bare task
ROWS = {
    "turn_ms": "from second to second, ms",
    "share_of_ideal": "share of ideal",
    "search_cpu_ms": "CPU of the search, ms a trial",
    "scheduler_cpu_ms": "CPU of the scheduler, ms a trial",
    "workers_cpu_ms": "CPU of dask's workers, ms a trial",
    "bytes_sent": "bytes sent, a trial",
    "bytes_back": "bytes back, a trial",
}


@contextmanager
def second() -> Iterator[None]:
    """Be busy for a second in all, and note it."""
    began = time.monotonic()
    yield
    time.sleep(max(0.0, began + 1 - time.monotonic()))
    with (Path(os.environ[SPANS]) / str(os.getpid())).open("a") as file:
        file.write(f"{began} {time.monotonic()}\n")


def one_second(job: Job) -> Answer:
    """Train the trial, and be busy with it for a second in all."""
    with second():
        return train_trials(job)


def bare_second(text: str) -> bytes:
    """What takes as long, and as much of the network, without nnrun."""
    with second():
        return bytes(BACK)


def turns(rounds: int) -> list[float]:
    """Seconds from the end of each second to the beginning of the next, in the last rounds of each process."""
    found = list[float]()
    for path in Path(os.environ[SPANS]).iterdir():
        spans = [[float(number) for number in line.split()] for line in path.read_text().splitlines()]
        found += [after[0] - before[1] for before, after in pairwise(spans)][-rounds:]
        path.unlink()
    return found


class Spent(NamedTuple):
    """The clock, and CPU seconds until now."""

    clock: float
    search: float
    scheduler: float
    workers: float


class Processes(NamedTuple):
    """Scheduler and workers that run, or none of both."""

    file: Path | None = None
    scheduler: Sequence[psutil.Process] = ()
    workers: Sequence[psutil.Process] = ()

    def spent(self) -> Spent:
        """By now."""
        of_dask = (sum(cpu_seconds(each) for each in some) for some in (self.scheduler, self.workers))
        return Spent(time.perf_counter(), time.process_time(), *of_dask)


def cpu_seconds(process: psutil.Process) -> float:
    """Of another process, until now."""
    times = process.cpu_times()
    return float(times.user + times.system)


class Noting(Watcher):
    """What had been spent when each trial was over."""

    def __init__(self, processes: Processes) -> None:
        self.processes, self.spent = processes, list[Spent]()

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """Note it."""
        assert record["status"] == "done", record
        self.spent.append(self.processes.spent())


class Counting(Cluster):
    """A cluster that counts the bytes of requests, and of trials' directories."""

    sent = came = trials = 0

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._arrivals = Weighing()

    def _asked(self, work: Train, request: Request, crew: Crew, address: str) -> Trained | Refusal:
        Counting.sent += len(json.dumps(request))
        return super()._asked(work, request, crew, address)


class Weighing(Arrivals):
    """What came back."""

    def settle(self, job: Job, parcel: bytes, most: int, bits: str | None) -> Answer:
        """Count its bytes, too."""
        Counting.trials += 1
        Counting.came += len(parcel)
        return super().settle(job, parcel, most, bits)


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[Processes]:
    """A scheduler and workers, all there."""
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
        with client_of(file) as client:
            client.wait_for_workers(workers)
        found = [psutil.Process(process.pid) for process in started]
        yield Processes(file, found[:1], found[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def client_of(file: Path) -> Any:
    """Of the scheduler there."""
    from distributed import Client

    return Client(scheduler_file=str(file), set_as_default=False)


def search(processes: Processes, workers: int, trials: int, folder: Path) -> Sequence[Spent]:
    """What had been spent after each trial of a search, on a cluster if there is one."""
    import cluster_overhead  # by the name that workers know it by

    running.train_trials = cluster_overhead.one_second
    executor.Cluster = Counting  # type: ignore[misc]
    noting = Noting(processes)
    config = load_config(None, [f"search.trials={trials}"], text=CONFIG)
    where = {"cluster": str(processes.file)} if processes.file else {"workers": workers}
    begin(config, folder / "runs", Options(limits={"stack": 1}, **where), noting)  # type: ignore[arg-type]
    return noting.spent


def bare(processes: Processes, workers: int, trials: int, folder: Path) -> Sequence[Spent]:
    """The same of bare tasks."""
    import cluster_overhead

    assert processes.file
    spent = list[Spent]()
    with client_of(processes.file) as client:

        def keep_busy(address: str) -> None:
            for _ in range(trials // workers):
                told = [cluster_overhead.bare_second, "x" * SENT]
                client.submit(*told, workers=[address], pure=False).result()
                spent.append(processes.spent())

        threads = [threading.Thread(target=keep_busy, args=[address]) for address in client.nthreads()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return spent


Load = Callable[[Processes, int, int, Path], Sequence[Spent]]


def measure(load: Load, workers: int, trials: int, by_dask: bool) -> dict[str, float]:
    """The figures, by name."""
    warm_up = 2 * workers
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        with cluster(workers, folder) if by_dask else nullcontext(Processes()) as processes:
            spent = load(processes, workers, trials + warm_up, folder)
    turn = median(turns(trials // workers))
    first, last = spent[warm_up - 1], spent[-1]
    clock, *cpu = (end - begun for begun, end in zip(first, last, strict=True))
    found = {"turn_ms": 1000 * turn, "share_of_ideal": trials / (clock * workers)}
    names = ["search_cpu_ms", *(["scheduler_cpu_ms", "workers_cpu_ms"] if by_dask else [])]
    return found | {name: 1000 * seconds / trials for name, seconds in zip(names, cpu, strict=False)}


def measured(workers: int, trials: int) -> dict[str, dict[str, float]]:
    """The figures of a cluster, of workers here and of bare tasks."""
    with tempfile.TemporaryDirectory() as os.environ[SPANS]:
        there, here, tasks = (
            measure(load, workers, trials, by_dask) for load, by_dask in ((search, True), (search, False), (bare, True))
        )
    there |= {"bytes_sent": Counting.sent / Counting.trials, "bytes_back": Counting.came / Counting.trials}
    return {"cluster": there, "workers here": here, "bare tasks": tasks}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    figures = measured(asked.workers, asked.trials)
    if asked.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{asked.trials} trials of a second on {asked.workers} workers")
    print(f"{'':34}" + "".join(f"{column:>14}" for column in figures))
    for name, words in ROWS.items():
        found = [column.get(name) for column in figures.values()]
        style = "{:.1%}" if name == "share_of_ideal" else "{:,.0f}" if name.startswith("bytes") else "{:.1f}"
        print(f"{words:34}" + "".join(f"{'' if each is None else style.format(each):>14}" for each in found))


if __name__ == "__main__":
    main()
