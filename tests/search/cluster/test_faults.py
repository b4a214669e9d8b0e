"""What else ends: the scheduler, the search itself; workers that stand still, come late or leave."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from nnrun.runs.rundir import RunDir
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.crew import USUAL, Crew, own_probe
from nnrun.search.executors import WorkerDiedError
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin, resume
from tests.asked import asking
from tests.search.cluster.conftest import PATIENCE, ByHand, until
from tests.search.cluster.harm import SETTINGS, AtTrial, assert_as_alone, begun_or_resumed, lines, long
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SOAK = pytest.mark.soak


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., ByHand]]:
    """Clusters of two workers, or of so many, which end with the test."""
    made: list[ByHand] = []

    def make(workers: int = 2) -> ByHand:
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        made.append(ByHand(folder))
        for _ in range(workers):
            made[-1].worker("--no-nanny")
        return made[-1]

    try:
        yield make
    finally:
        for cluster in made:
            cluster.close()


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=SOAK)])
def test_a_scheduler_that_is_killed_loses_nothing(kills: int, fresh: Callable[..., ByHand], tmp_path: Path) -> None:
    """The search goes on with the next scheduler each time, and in the end without one."""
    trials = 3 * kills + 2
    for _ in range(kills):
        cluster = fresh()
        killing = AtTrial(cluster.scheduler.kill, 1)
        options = asking(stack=1, cluster=str(cluster.file), cluster_wait=0.5)
        run = begun_or_resumed(trials, tmp_path / "there", options, killing)
        assert killing.done and run.status == "failed"
        cluster.close()
    before = lines(tmp_path / "there")
    assert kills <= before < trials
    resume(run, None, asking(stack=1), Watcher())
    assert_as_alone(run, trials, tmp_path / "here")


def test_another_scheduler_is_waited_for(fresh: Callable[..., ByHand], tmp_path: Path) -> None:
    """It has another address, which stands in the same file."""
    cluster = fresh(workers=1)

    def replace() -> None:
        cluster.file.unlink()
        cluster.scheduler.kill()
        shutil.copy(fresh(workers=1).file, cluster.file)

    watcher = AtTrial(replace, 1)
    options = asking(stack=1, cluster=str(cluster.file), cluster_wait=PATIENCE)
    found = begin(long(5), tmp_path / "there", options, watcher)
    assert watcher.done and found.status == "done"
    assert f"cluster  the scheduler is gone; another one is waited for, {PATIENCE} s at most" in watcher.said
    assert_as_alone(found.run, 5, tmp_path / "here")


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=SOAK)])
def test_a_search_that_is_killed_goes_on(kills: int, by_hand: ByHand, tmp_path: Path) -> None:
    trials, draw = 8 * kills + 2, random.Random(kills)  # more than there is time for between the kills
    (tmp_path / "config.yaml").write_text(CONFIG)
    root = tmp_path / "there"
    told = ["--runs", str(root), "--cluster", str(by_hand.file), "--quiet"]
    settings = [word for each in (f"search.trials={trials}", *SETTINGS) for word in ("--set", each)]
    for _ in range(kills):
        found, before = [*root.glob("*-search-*")], lines(root)
        begun = ["search", str(tmp_path / "config.yaml"), *settings, "--stack", "1"]
        words = ["resume", found[0].name] if found else begun
        command = [sys.executable, "-m", "nnrun", *words, *told]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        until(lambda before=before: lines(root) > before)  # type: ignore[misc]
        time.sleep(draw.random() / 3)
        process.kill()
        process.wait()
    run = RunDir(next(root.glob("*-search-*")))
    resume(run, None, asking(stack=1, cluster=str(by_hand.file)), Watcher())
    assert_as_alone(run, trials, tmp_path / "here")


@pytest.mark.parametrize("seconds", [pytest.param(30, marks=SOAK)])
def test_a_worker_that_stands_still(seconds: float, fresh: Callable[..., ByHand], tmp_path: Path) -> None:
    cluster = fresh()
    stopped = cluster.processes[1]

    def stop() -> None:
        stopped.send_signal(signal.SIGSTOP)
        threading.Timer(seconds, stopped.send_signal, [signal.SIGCONT]).start()

    found = begin(long(6), tmp_path / "there", asking(stack=1, cluster=str(cluster.file)), AtTrial(stop, 1))
    assert_as_alone(found.run, 6, tmp_path / "here")


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many workers the search that was begun last may use."""
    made, initialise = list[Crew](), Crew.__init__

    def noted(self: Crew, *given: Any, **named: Any) -> None:
        initialise(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(Crew, "__init__", noted)
    return lambda: made[-1].size


@pytest.mark.parametrize("changes", [1, pytest.param(10, marks=SOAK)])
def test_workers_that_join_and_leave(changes: int, by_hand: ByHand, size: Callable[[], int], tmp_path: Path) -> None:
    """Each takes trials from when it has joined, and leaves as one does whose time is over, most often with a trial."""
    trials, heard = 4 * changes + 6, list[str]()

    def join() -> None:
        before = size()
        by_hand.worker("--no-nanny")
        until(lambda: size() > before)

    def leave() -> None:
        before = size()
        by_hand.processes[-1].terminate()
        until(lambda: size() < before)  # else the next one that joins takes the place of one that is still counted

    steps = cycle([join, leave])
    watcher = AtTrial(lambda: next(steps)(), 2 * changes)
    watcher.say = heard.append  # type: ignore[method-assign]
    found = begin(long(trials), tmp_path / "there", asking(stack=1, cluster=str(by_hand.file)), watcher)
    assert sum("has joined" in line for line in heard) == changes
    assert watcher.done == 2 * changes
    assert_as_alone(found.run, trials, tmp_path / "here")


def test_a_worker_that_leaves_with_its_answer_is_missed(by_hand: ByHand) -> None:
    """It has done its work, and dies before that is fetched: dask alone would wait for it for ever."""
    with connected(str(by_hand.file)) as client:
        others = {*client.nthreads()}
        leaving = by_hand.worker("--no-nanny")
        until(lambda: {*client.nthreads()} - others)
        (address,) = {*client.nthreads()} - others
        with closing(Crew(client, own_probe(**USUAL), None, any_bits=False)) as crew:
            future = client.submit(bytes, 10, workers=[address], pure=False)
            until(future.done)
            leaving.kill()
            leaving.wait()  # until it is gone, it may still answer
            with pytest.raises(WorkerDiedError):
                crew.answers.fetch(future, address)
