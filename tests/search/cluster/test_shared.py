"""Several searches on one worker, which has one trial at a time; and what a search leaves there that is gone."""

from __future__ import annotations

import gc
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import StoppedError
from nnrun.search.cluster.crew import PATIENCE
from nnrun.search.cluster.executor import Cluster
from nnrun.search.executors import SentJob
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.search.cluster.conftest import ByHand, until
from tests.search.cluster.harm import long
from tests.search.conftest import CONFIG, Hearing

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SOAK = pytest.mark.soak


@pytest.fixture(params=[pytest.param("1", marks=SOAK), "3"], ids=["one thread", "three threads"], scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """One worker, with so many threads for tasks of dask, which is nothing to most: the soak tests try both."""
    with closing(ByHand(tmp_path_factory.mktemp("shared"))) as cluster:
        cluster.worker("--no-nanny", "--nthreads", request.param)
        yield cluster


@pytest.fixture
def search(shared: ByHand, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Begins one more on that worker, with a limit of seconds a trial, and sends the data."""
    begun = list[Cluster]()

    def search(timeout: float | None = None) -> Cluster:
        begun.append(Cluster(str(shared.file), timeout, None, any_bits=False))
        assert sleep(begun[-1], 0, tmp_path).result() == {}
        return begun[-1]

    yield search
    for each in begun:
        each.close()


def sleep(search: Cluster, seconds: float, folder: Path) -> Future[Any]:
    """A job that takes so long, in the child as others."""
    config = load_config(None, text=CONFIG).config.resolved()
    work: Any = partial(eval, f"__import__('time').sleep({seconds}) or {{}}")
    job: SentJob = {"cache": str(folder), "trials": [{"number": 0, "config": config}]}
    return search.submit(work, job)


def in_training(shared: ByHand) -> list[Path]:
    """What attempts on the worker have written so far, each in a folder of its own, which ends with it."""
    return [*shared.folder.glob("worker-*/**/.unfinished-*/0000/metrics.jsonl")]


@pytest.fixture
def endless(shared: ByHand, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A search whose trial takes for ever and is in training."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    told = ["--cluster", str(shared.file), "--quiet", "--set", "training.epochs=1000000", "--trials", "1"]
    command = [sys.executable, "-m", "nnrun", "search", "config.yaml", *told]
    process = subprocess.Popen(command, cwd=tmp_path)
    until(lambda: in_training(shared))
    yield process
    process.kill()
    process.wait()
    until(lambda: not in_training(shared))


def test_each_search_has_its_own_limit(search: Callable[..., Cluster], tmp_path: Path) -> None:
    """Also where jobs of others come while its own waits."""
    first, patient, hasty = search(3), search(), search(0.5)
    running = sleep(first, 2, tmp_path)
    time.sleep(0.5)
    waiting = sleep(patient, 1.5, tmp_path)
    time.sleep(0.5)
    late = sleep(hasty, 2, tmp_path)
    assert running.result() == waiting.result() == {}
    with pytest.raises(TimeoutError):
        late.result()


def test_a_search_that_ends_takes_no_trial_of_another_along(search: Callable[..., Cluster], tmp_path: Path) -> None:
    going, ending = search(), search()
    running = sleep(going, 3, tmp_path)
    time.sleep(0.5)
    waiting = sleep(ending, 2, tmp_path)
    time.sleep(0.5)
    ending.close()
    with pytest.raises(Exception, match="over"):
        waiting.result(0)
    assert running.result() == {}


def test_a_search_that_meets_busy_workers_says_so_and_waits(
    endless: subprocess.Popen[bytes], shared: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.search.cluster.crew.FOR_BUSY", 0.5)
    heard = list[str]()

    def hear(line: str) -> None:
        heard.append(line)
        if "busy" in line:
            endless.kill()

    found = begin(long(1), tmp_path / "next", Options(cluster=str(shared.file)), Hearing(hear))
    assert found.status == "done"
    assert heard[0] == "cluster  1 worker busy with other work, for whose end trials wait"
    assert re.fullmatch("cluster  worker .* has joined, 1 to train", heard[1])


def test_a_search_that_waits_for_workers_hears_ctrl_c(
    endless: subprocess.Popen[bytes], shared: ByHand, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    told = iter([False] * 4 + [True])
    with pytest.raises(StoppedError, match="nothing was trained"):
        begin(long(1), tmp_path / "next", Options(cluster=str(shared.file)), Watcher(), lambda: next(told))
    assert time.monotonic() - began < PATIENCE
    assert not (tmp_path / "next").exists()
    time.sleep(1)
    gc.collect()  # which has dask's tasks tell of errors that nobody asked them for
    assert not caplog.records


@pytest.mark.parametrize("ends", ["killed", "twice"])
def test_a_search_that_is_gone_leaves_no_trial_in_training(
    ends: str, endless: subprocess.Popen[bytes], shared: ByHand, tmp_path: Path
) -> None:
    """However it has ended, the next one has the worker within seconds."""
    if ends == "killed":
        endless.kill()
    else:  # by Ctrl-C, of which the second leaves no time for words
        endless.send_signal(signal.SIGINT)
        endless.send_signal(signal.SIGINT)
    endless.wait()
    found = begin(long(1), tmp_path / "next", Options(cluster=str(shared.file)), Watcher())
    assert found.status == "done"
    until(lambda: not in_training(shared))


@pytest.mark.parametrize("seconds", [3, pytest.param(40, marks=SOAK)])
def test_a_search_that_stands_still_keeps_its_trial(
    seconds: float, endless: subprocess.Popen[bytes], shared: ByHand
) -> None:
    (before,) = in_training(shared)
    endless.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    size = before.stat().st_size
    endless.send_signal(signal.SIGCONT)
    until(lambda: before.stat().st_size > size)
    time.sleep(1)
    assert endless.poll() is None and in_training(shared) == [before]
