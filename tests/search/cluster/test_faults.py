"""What else ends: the scheduler, the search itself, a connection; workers that stand still, come late or leave."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from nnrun.config.load import Loaded, load_config
from nnrun.errors import NnrunError
from nnrun.runs.rundir import RunDir
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.crew import USUAL, Crew, own_probe
from nnrun.search.executors import WorkerDiedError
from nnrun.search.record import TrialRecord
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin, resume
from tests.search.cluster.conftest import UNCLOSED, ByHand, until
from tests.search.cluster.test_same_ledger import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SPACE = "search.space={optimizer.learning_rate: {log: [1e-4, 0.1]}}"
SOAK = pytest.mark.soak
pytestmark = UNCLOSED


class AtTrial(Watcher):
    """Does something to the cluster, so many times, each a while after a trial has ended."""

    def __init__(self, act: Callable[[], None], times: int) -> None:
        self.act, self.times, self.done, self.draw = act, times, 0, random.Random(times)

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        if self.done < self.times:
            time.sleep(self.draw.random() / 10)
            self.done += 1
            self.act()


def long(trials: int) -> Loaded:
    return load_config(None, [f"search.trials={trials}", "training.epochs=250", SPACE], text=CONFIG)


def begun_or_resumed(trials: int, root: Path, options: Options, watcher: Watcher) -> RunDir:
    """The search, however this call ended."""
    there = [*root.glob("*-search-*")]
    with suppress(NnrunError):
        if there:
            resume(RunDir(there[0]), None, options, watcher)
        else:
            begin(long(trials), root, options, watcher)
    return RunDir(next(root.glob("*-search-*")))


def assert_equal(run: RunDir, trials: int, folder: Path) -> None:
    """Each trial stands there once, as one worker here leaves it."""
    numbers = [json.loads(line)["number"] for line in (run.path / "trials.jsonl").read_text().splitlines()]
    assert sorted(numbers) == list(range(trials))
    assert left(run) == left(begin(long(trials), folder, Options(stack=1), Watcher()).run)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[], ByHand]]:
    """Clusters of two workers, which end with the test."""
    made: list[ByHand] = []

    def make() -> ByHand:
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        made.append(ByHand(folder))
        for _ in range(2):
            made[-1].worker("--no-nanny")
        return made[-1]

    try:
        yield make
    finally:
        for cluster in made:
            cluster.close()


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=SOAK)])
def test_a_scheduler_that_is_killed_loses_nothing(kills: int, fresh: Callable[[], ByHand], tmp_path: Path) -> None:
    trials = 3 * kills + 2
    for k in range(kills + 1):
        cluster = fresh()
        options = Options(stack=1, cluster=str(cluster.file))
        run = begun_or_resumed(trials, tmp_path / "there", options, AtTrial(cluster.scheduler.kill, int(k < kills)))
        cluster.close()
    assert_equal(run, trials, tmp_path / "here")


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=SOAK)])
def test_a_search_that_is_killed_goes_on(kills: int, by_hand: ByHand, tmp_path: Path) -> None:
    trials, draw = 3 * kills + 2, random.Random(kills)
    (tmp_path / "config.yaml").write_text(CONFIG)
    root = tmp_path / "there"
    told = ["--runs", str(root), "--cluster", str(by_hand.file), "--quiet"]
    settings = ["--set", f"search.trials={trials}", "--set", "training.epochs=250", "--set", SPACE, "--stack", "1"]
    for _ in range(kills):
        found = [*root.glob("*-search-*/trials.jsonl")]
        before = len(found[0].read_bytes().splitlines()) if found else 0
        words = ["resume", found[0].parent.name] if found else ["search", str(tmp_path / "config.yaml"), *settings]
        command = [sys.executable, "-m", "nnrun", *words, *told]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        until(lambda before=before: lines(root) > before)
        time.sleep(draw.random() / 3)
        process.kill()
        process.wait()
    run = RunDir(next(root.glob("*-search-*")))
    resume(run, None, Options(stack=1, cluster=str(by_hand.file)), Watcher())
    assert_equal(run, trials, tmp_path / "here")


def lines(root: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in root.glob("*-search-*/trials.jsonl"))


@pytest.mark.parametrize("seconds", [pytest.param(30, marks=SOAK)])
def test_a_worker_that_stands_still(seconds: float, fresh: Callable[[], ByHand], tmp_path: Path) -> None:
    cluster = fresh()
    stopped = cluster.processes[1]

    def stop() -> None:
        stopped.send_signal(signal.SIGSTOP)
        threading.Timer(seconds, stopped.send_signal, [signal.SIGCONT]).start()

    found = begin(long(6), tmp_path / "there", Options(stack=1, cluster=str(cluster.file)), AtTrial(stop, 1))
    assert_equal(found.run, 6, tmp_path / "here")


@pytest.mark.parametrize("changes", [1, pytest.param(10, marks=SOAK)])
def test_workers_that_join_and_leave(changes: int, fresh: Callable[[], ByHand], tmp_path: Path) -> None:
    cluster, trials = fresh(), 3 * changes + 4

    def change() -> None:
        cluster.worker("--no-nanny")
        cluster.processes[-3].terminate()  # it leaves as one does whose time is over

    options = Options(stack=1, cluster=str(cluster.file))
    found = begin(long(trials), tmp_path / "there", options, AtTrial(change, changes))
    assert_equal(found.run, trials, tmp_path / "here")


def test_a_worker_that_leaves_with_its_answer_is_missed(fresh: Callable[[], ByHand]) -> None:
    """It has done its work, and dies before that is fetched: dask alone would wait for it for ever."""
    with connected(str((cluster := fresh()).file)) as client:
        crew = Crew(client, own_probe(**USUAL), None, any_bits=False)
        with closing(crew), crew.one(None) as address:
            future = client.submit(bytes, 10, workers=[address], pure=False)
            until(future.done)
            os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)
            with pytest.raises(WorkerDiedError):
                crew.wait_for(future, address)
    assert len(cluster.processes) == 3


class Proxy:
    """Passes on what comes on loopback, and can cut all connections, or hold back what is on its way."""

    def __init__(self, port: int) -> None:
        self.to, self.pairs, self.flows = port, list[socket.socket](), threading.Event()
        self.flows.set()
        self.threads = list[threading.Thread]()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, as a router does that has forgotten them."""
        pairs, self.pairs = self.pairs, []
        for each in pairs:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stall(self, seconds: float) -> None:
        """Nothing arrives for a while, as where packets are lost and sent again."""
        self.flows.clear()
        threading.Timer(seconds, self.flows.set).start()

    def close(self) -> None:
        """Take no more."""
        self.flows.set()
        self._server.close()
        self.cut()
        for thread in self.threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                self.pairs += [here, there]
                for pair in ((here, there), (there, here)):
                    self.threads.append(threading.Thread(target=self._pass_on, args=pair, daemon=True))
                    self.threads[-1].start()

    def _pass_on(self, source: socket.socket, goal: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                self.flows.wait()
                goal.sendall(content)
        for each in (source, goal):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.fixture
def proxy(by_hand: ByHand) -> Iterator[Proxy]:
    address = json.loads(by_hand.file.read_text())["address"]
    with closing(Proxy(int(address.rpartition(":")[2]))) as made:
        yield made


@pytest.mark.parametrize("stalls", [1, pytest.param(10, marks=SOAK)])
def test_a_network_that_stalls(stalls: int, proxy: Proxy, tmp_path: Path) -> None:
    trials = 2 * stalls + 2
    options = Options(stack=1, cluster=proxy.address)
    found = begin(long(trials), tmp_path / "there", options, AtTrial(lambda: proxy.stall(1.5), stalls))
    assert_equal(found.run, trials, tmp_path / "here")


@pytest.mark.parametrize("cuts", [1, pytest.param(10, marks=SOAK)])
def test_a_network_that_cuts(cuts: int, proxy: Proxy, tmp_path: Path) -> None:
    """The search goes on over new connections, or ends and may be resumed, and never waits for ever."""
    trials, options = 3 * cuts + 2, Options(stack=1, cluster=proxy.address)
    for k in range(cuts + 1):
        run = begun_or_resumed(trials, tmp_path / "there", options, AtTrial(proxy.cut, int(k < cuts)))
    assert_equal(run, trials, tmp_path / "here")
