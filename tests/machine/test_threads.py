"""BLAS has one thread, of whichever library; a team shares tasks and changes nothing that comes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from nnrun.errors import UsageError
from nnrun.machine import threads
from nnrun.machine.capacity import usable_cores
from tests.forked import exit_code

KNOWN = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
TELL = f"print(*[os.environ.get(name) for name in {KNOWN}])"


def test_every_blas_is_told_to_use_one_thread(tmp_path: Path) -> None:
    environment = {**os.environ, **dict.fromkeys(KNOWN, "7")}
    others = "with threads.one_for_blas_of_others(): "
    program = ["from nnrun.machine import threads", others + TELL, TELL, "threads.one_for_blas()", TELL]
    command = [sys.executable, "-c", "\n".join(["import os", *program])]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert [*map(str.split, done.stdout.splitlines())] == [[n] * len(KNOWN) for n in "171"], done.stderr


def test_a_blas_that_is_loaded_later_has_one_thread_here_too(tmp_path: Path) -> None:
    """As SciPy's, which evaluates beside NumPy's; both have as many as before behind it."""
    tell = "print(*[each['num_threads'] for each in threadpool_info() if each['user_api'] == 'blas'])"
    program = ["import numpy", "from nnrun.machine.threads import one_for_blas_here", "with one_for_blas_here():",
               "    import scipy.optimize", f"    {tell}", tell]  # fmt: skip
    command = [sys.executable, "-c", "\n".join(["from threadpoolctl import threadpool_info", *program])]
    environment = {**os.environ, **dict.fromkeys(KNOWN, "2")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["1 1", "2 2"], done.stderr


def test_a_blas_that_is_loaded_between_two_blocks_is_held_in_the_second(tmp_path: Path) -> None:
    """Though nothing is looked for where nothing was loaded."""
    tell = "print(*[each.num_threads for each in found.lib_controllers if each.user_api == 'blas'])"
    block = f"with one_for_loaded_blas() as found: {tell}"
    program = ["from nnrun.machine.threads import one_for_loaded_blas", "import numpy", block, block, "old = found",
               "with one_for_loaded_blas() as found: print(found is old)", "import scipy.linalg.blas",
               block]  # fmt: skip
    environment = {**os.environ, **dict.fromkeys(KNOWN, "2")}
    command = [sys.executable, "-c", "\n".join(program)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["1", "1", "True", "1 1"], done.stderr


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    monkeypatch.setenv(threads.OURS, str(request.param))
    return int(request.param)


@pytest.mark.parametrize("team", [1, 2, 5], indirect=True)
def test_results_come_in_the_order_of_the_tasks(team: int) -> None:
    assert threads.share(lambda k: k * k, range(100)) == [k * k for k in range(100)]
    assert threads.share(lambda k: k, []) == []


@pytest.mark.parametrize("team", [3], indirect=True)
def test_all_threads_take_part(team: int) -> None:
    together = threading.Barrier(team, timeout=60)  # which only as many at once can pass
    assert sorted(threads.share(lambda _: together.wait(), range(team))) == [0, 1, 2]


@pytest.mark.parametrize("team", [1, 3], indirect=True)
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_an_error_is_raised_when_nobody_works_any_more(team: int, wrong: int) -> None:
    together, working, done = threading.Barrier(team, timeout=60), set[int](), list[int]()

    def work(task: int) -> None:
        if task < team:
            together.wait()
        if task == wrong:
            raise ValueError("this one")
        working.add(task)
        time.sleep(0.05)
        working.discard(task)
        done.append(task)

    with pytest.raises(ValueError, match="this one"):
        threads.share(work, range(1000))
    assert not working
    assert len(done) < 10  # nobody went on
    assert threads.share(lambda k: k, [1, 2]) == [1, 2]  # and the team is as it was


@pytest.mark.parametrize("team", [2, 3], indirect=True)
def test_work_may_share_in_turn(team: int) -> None:
    together = threading.Barrier(team, timeout=60)

    def row(task: int) -> list[list[int]]:
        if task < team:
            together.wait()  # so that nobody is free when they share
        return threads.share(lambda k: threads.share(lambda m: 100 * task + 10 * k + m, range(3)), range(4))

    found = threads.share(row, range(2 * team))
    assert found == [[[100 * task + 10 * k + m for m in range(3)] for k in range(4)] for task in range(2 * team)]
    meet(team)


def in_the_call() -> None:
    raise KeyboardInterrupt


def by_signal() -> None:
    """To this thread."""
    signal.raise_signal(signal.SIGINT)


def from_outside() -> None:
    """To the process, as Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("team", [3], indirect=True)
@pytest.mark.parametrize(
    ("at_work", "interrupt"), [(True, in_the_call), (True, by_signal), (False, by_signal), (False, from_outside)]
)
def test_an_interrupt_is_raised_once_when_nobody_works_any_more(
    team: int, at_work: bool, interrupt: Callable[[], None]
) -> None:
    """It comes while the caller is at work itself, or waits for the others."""
    together, first, working = threading.Barrier(team, timeout=60), threading.Lock(), set[int]()

    def work(task: int) -> None:
        together.wait()
        called = threading.current_thread() is threading.main_thread()
        if called and not at_work:
            return
        working.add(task)
        try:
            if called == at_work and first.acquire(blocking=False):
                time.sleep(0.05)  # until the others are at work, or the caller waits
                interrupt()
            time.sleep(0.1)
        finally:
            working.discard(task)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.share(work, range(team))
        assert not working
        meet(team)
        assert threads.share(lambda k: k, range(5)) == [0, 1, 2, 3, 4]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("team", [2], indirect=True)
def test_a_process_that_is_forked_has_a_team_of_its_own(team: int) -> None:
    meet(team)
    assert exit_code(meet, team) == 0


def meet(team: int) -> None:
    """Only as many threads at once come through."""
    together = threading.Barrier(team, timeout=60)
    threads.share(lambda _: together.wait(), range(team))


@pytest.mark.parametrize("team", [2], indirect=True)
def test_helpers_share_the_state_of_numpys_warnings(team: int) -> None:
    together = threading.Barrier(team, timeout=60)

    def overflow(_: int) -> str:
        together.wait()
        return np.geterr()["over"]

    with np.errstate(over="ignore"):
        assert threads.share(overflow, range(team)) == ["ignore"] * team


def test_a_team_is_as_large_as_asked_else_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.OURS, raising=False)
    assert threads.count() == usable_cores()
    monkeypatch.setenv(threads.OURS, "3")
    assert threads.count() == 3
    for wrong in ("0", "-1", "two", "1.5", "5000", "²"):
        monkeypatch.setenv(threads.OURS, wrong)
        with pytest.raises(UsageError, match=f"NNRUN_THREADS={wrong}: must be a whole number from 1 to 1024"):
            threads.count()


@pytest.mark.parametrize("before", [None, "3"])
def test_no_team_for_a_while(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(threads.OURS, raising=False)
    if before:
        monkeypatch.setenv(threads.OURS, before)
    with suppress(KeyError), threads.alone():
        assert threads.count() == 1
        raise KeyError
    assert os.environ.get(threads.OURS) == before
