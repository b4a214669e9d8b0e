"""A scheduler and workers started by hand on loopback, each in a directory of its own, which ends with it."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from nnrun.search.cluster.connecting import connected

PATIENCE = 120  # seconds, after which something hangs
# Of processes that live as long as all tests do: how often they look at themselves while nobody asks them for anything.
AT_REST = {
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__CYCLE": "100s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__INTERVAL": "10s",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What dask cuts, or gives up while it connects, it leaves to the collector, which may come in any of these."""
    unclosed = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(unclosed)


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Connections that are left to the collector end with the test that had them."""
    yield
    gc.collect()


class ByHand:
    """Processes as a user starts them."""

    def __init__(self, folder: Path, within: Sequence[str] = ()) -> None:
        self.folder, self.within, self.processes = folder, within, list[subprocess.Popen[bytes]]()
        self.file = folder / "scheduler.json"
        told = ["--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = self._start("scheduler", "scheduler", *told)
        until(lambda: self.file.exists() and self.file.stat().st_size > 0)  # dask makes it, and writes it then

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(json.loads(self.file.read_bytes())["address"])

    def worker(
        self, *options: str, by: str | None = None, within: Sequence[str] = (), **variables: str
    ) -> subprocess.Popen[bytes]:
        """One more, in a folder of its own; it may reach the scheduler by another address, within another program."""
        own = f"worker-{len(self.processes)}"
        told = [by or self.address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        local = ["--local-directory", str(self.folder / own)]
        return self._start(own, "worker", *told, *local, *options, within=within, **variables)

    def close(self) -> None:
        """End all of them, nannies with their workers."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, own: str, *words: str, within: Sequence[str] = (), **variables: str) -> subprocess.Popen[bytes]:
        folder = self.folder / own
        folder.mkdir(exist_ok=True)
        program = [sys.executable, "-m", "distributed.cli.dask_" + words[0], "--host", "127.0.0.1"]
        command = [*self.within, *within, *program, *words[1:]]
        with (folder / "log").open("wb") as log:
            environment = {**os.environ, **AT_REST, **variables}
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        self.processes.append(process)
        return process


def until(what: Callable[[], object]) -> None:
    """Wait for it to be true."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    cluster = ByHand(tmp_path_factory.mktemp("cluster"))
    try:
        for _ in range(2):
            cluster.worker("--no-nanny")
        with connected(str(cluster.file), PATIENCE) as client:
            until(lambda: len(client.nthreads()) == 2)
        yield cluster
    finally:
        cluster.close()
