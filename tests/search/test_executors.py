"""A pool of workers that crash, hang and are killed: each takes only its own job with it."""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing import forkserver, get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from nnrun.errors import ShortageError
from nnrun.machine import threads
from nnrun.search import executors, forking
from nnrun.search.executors import UNKNOWN, Inline, Pool, WorkerDiedError, _Worker
from nnrun.search.forking import LOADED, LONGEST_START, begin_to_load
from nnrun.search.study import Budget, Study

Job = dict[str, Any]
Studies = Callable[..., Study]

GIGABYTE = 2**30
PATIENCE = 600  # seconds, after which something hangs


class OddError(Exception):
    """Cannot be rebuilt where it is unpickled, and holds what cannot be pickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")
        self.callback = lambda: None


def misbehave(job: Job) -> Job:
    """Each trial notes that it ran; the trial `job["at"]` does what `job["how"]` says."""
    records = []
    for trial in job["trials"]:
        number = trial["number"]
        with (Path(job["folder"]) / "ran").open("a") as file:
            file.write(f"{number}\n")
        if number == job["at"]:
            HOW[job["how"]](job)
        about = {"number": number, "values": trial["values"], "seed": 0, "status": "done", "error": None}
        records.append({**about, "final": {"dev_error": 0.5}, "curve": []})
    return {"results": records}


def _raise(job: Job) -> None:
    raise OddError("this", "that")


def _hang(job: Job) -> None:
    (Path(job["folder"]) / f"{os.getpid()} hangs").touch()
    time.sleep(6000)


def _be_killed_once(job: Job) -> None:
    mark = Path(job["folder"]) / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


HOW: dict[str, Callable[[Job], Any]] = {
    "raise": _raise,
    "hang": _hang,
    "20 GB": lambda job: np.ones(20 * GIGABYTE // 8),
    "segfault": lambda job: ctypes.string_at(0),
    "exit": lambda job: os._exit(3),
    "sys.exit": lambda job: sys.exit(4),
    "be killed once": _be_killed_once,
}


TIMEOUT = 7.5


@pytest.fixture
def time_is_up_for_who_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By the clock of this test a job takes no time, and for ever once it hangs; the seconds that each was granted."""
    answer, granted = _Worker.answer, list[float]()

    def patient(worker: _Worker, timeout: float, is_wanted: Callable[[], bool]) -> Job:
        granted.append(timeout)
        while not wait([worker._connection, worker._process.sentinel], 0.01):
            if (tmp_path / f"{worker._process.pid} hangs").exists():
                return answer(worker, 0.0, is_wanted)
        return answer(worker, math.inf, is_wanted)

    monkeypatch.setattr(_Worker, "answer", patient)
    return granted


def ran(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "ran").read_text().split()]


@pytest.mark.parametrize("shape", ["", "same"])
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("raise", "OddError: this and that"),
        ("20 GB", "out of memory"),
        ("segfault", "the worker ended with signal 11"),
        ("exit", "the worker ended with code 3"),
        ("sys.exit", "SystemExit: 4"),
    ],
)
def test_a_crash_fails_its_own_trial_after_one_retry(
    study: Studies, tmp_path: Path, how: str, error: str, shape: str
) -> None:
    check_that_trial_2_fails(study, tmp_path, Pool(2, memory=4 * GIGABYTE), how, error, shape)


@pytest.mark.parametrize("shape", ["", "same"])
def test_a_trial_that_hangs_is_given_up(
    study: Studies, tmp_path: Path, shape: str, time_is_up_for_who_hangs: list[float]
) -> None:
    check_that_trial_2_fails(study, tmp_path, Pool(2, TIMEOUT), "hang", "took longer than --trial-timeout", shape)
    trials = {TIMEOUT * n for n in (1, 2, 4)} if shape else {TIMEOUT}
    assert set(time_is_up_for_who_hangs) == {LONGEST_START, *trials}


def test_time_goes_by(tmp_path: Path) -> None:
    for_ever = {"trials": [{"number": 0, "values": {}}], "at": 0, "how": "hang", "folder": str(tmp_path)}
    with closing(Pool(1, timeout=0.01)) as pool, pytest.raises(TimeoutError):
        pool.submit(misbehave, for_ever).result()


def check_that_trial_2_fails(study: Studies, tmp_path: Path, pool: Pool, how: str, error: str, shape: str) -> None:
    one = study(misbehave, pool, shape=lambda number: shape, folder=str(tmp_path), at=2, how=how)
    one.run(Budget(7))
    by_number = {record["number"]: record for record in one.records}
    assert sorted(by_number) == list(range(7))
    assert {n: r["status"] for n, r in by_number.items() if r["status"] != "done"} == {2: "failed"}
    assert by_number[2]["error"] == error
    attempts = 1 if how == "hang" else 2  # what hangs would do so once more
    assert by_number[2]["attempt"] == attempts
    assert ran(tmp_path).count(2) == attempts + bool(shape)  # with its cohort, and then alone


def test_a_worker_killed_from_outside_costs_no_attempt(study: Studies, tmp_path: Path) -> None:
    one = study(misbehave, Pool(2), folder=str(tmp_path), at=2, how="be killed once")
    one.run(Budget(5))
    assert {record["status"] for record in one.records} == {"done"}
    assert {record["attempt"] for record in one.records} == {1}
    assert sorted(ran(tmp_path)) == [0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("code", "what"),
    [(errno.EAGAIN, "processes"), (errno.EMFILE, "open files"), (errno.ENFILE, "open files"), (errno.ENOMEM, "memory")],
)
def test_where_the_system_lets_no_worker_start_no_trial_has_failed(
    study: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, what: str
) -> None:
    def start(process: BaseProcess) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(forking, "BETWEEN_TRIES", (0.0,))
    monkeypatch.setattr(BaseProcess, "start", start)
    job = {"folder": str(tmp_path), "at": None, "how": ""}
    one, told = study(misbehave, Pool(2), **job), f"no worker could be started: the system gives no more {what} ("
    with pytest.raises(ShortageError, match=f"^{re.escape(told)}"):
        one.run(Budget(3))
    assert one.records == []
    later = study(misbehave, **job)
    later.run(Budget(3))
    assert [(record["status"], record["attempt"]) for record in later.records] == [("done", 1)] * 3


@pytest.mark.parametrize("error", [OSError(errno.EAGAIN, "no more"), ConnectionRefusedError(), EOFError()])
def test_a_shortage_that_passes_ends_nothing(
    study: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Another process was there for a moment, or the server had been killed."""
    start, failing = BaseProcess.start, [error, error]

    def try_to_start(process: BaseProcess) -> None:
        if failing:
            raise failing.pop()
        start(process)

    monkeypatch.setattr(BaseProcess, "start", try_to_start)
    one = study(misbehave, Pool(1), folder=str(tmp_path), at=None, how="")
    one.run(Budget(2))
    assert [(record["status"], record["attempt"]) for record in one.records] == [("done", 1)] * 2


def test_a_worker_whose_end_nobody_knows_of_is_no_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server was killed with it."""

    def gone(worker: _Worker, *given: Any) -> None:
        raise WorkerDiedError(UNKNOWN)

    monkeypatch.setattr(_Worker, "answer", gone)
    with closing(Pool(1)) as pool, pytest.raises(WorkerDiedError):
        pool.submit(misbehave, {"trials": [{"number": 0}], "at": None}).result(PATIENCE)


@pytest.mark.parametrize(
    ("memory", "told"),
    [(1, "the system gives no more (threads|memory)"), ("much", "the worker ended with code 1 before its first job")],
)
def test_a_worker_that_ends_before_its_first_job_is_no_trials_fault(memory: Any, told: str) -> None:
    """One has no memory for its thread, one dies where it takes nothing amiss."""
    with closing(Pool(1, memory=memory)) as pool, pytest.raises(ShortageError, match=told):
        pool.submit(misbehave, {"trials": [{"number": 0}], "at": None}).result(PATIENCE)


def test_a_worker_that_is_never_ready_is_no_trials_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "LONGEST_START", 0.0)
    told = r"no worker could be started: one was not ready for a job after 0 s"
    with closing(Pool(1, timeout=60.0)) as pool, pytest.raises(ShortageError, match=told):
        pool.submit(misbehave, {"trials": [{"number": 0}], "at": None}).result(PATIENCE)


def test_no_more_threads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with closing(Pool(1)) as pool, monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(ShortageError, match="the system gives no more threads"):
            pool.submit(misbehave, {"trials": []})


def who(job: Job) -> Job:
    from threadpoolctl import threadpool_info

    blas = [info["num_threads"] for info in threadpool_info()]
    return {"pid": os.getpid(), "threads": [*blas, threads.count()]}


def test_each_worker_is_a_process_with_one_thread_for_blas_and_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.OURS, "3")
    pool = Pool(2)
    try:
        answer = pool.submit(who, {"trials": [{}]}).result(PATIENCE)
    finally:
        pool.close()
    assert answer["pid"] != os.getpid()
    assert set(answer["threads"]) == {1}
    with pytest.raises(ProcessLookupError):
        os.kill(answer["pid"], 0)


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    pool = Pool(1)
    pid = pool.submit(who, {"trials": [{}]}).result(PATIENCE)["pid"]
    pool.submit(misbehave, {"trials": [{"number": 0}], "at": 0, "how": "hang", "folder": str(tmp_path)})
    while not list(tmp_path.glob("* hangs")):
        time.sleep(0.01)
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_inline_runs_here_and_tells_an_error_in_words() -> None:
    assert Inline().submit(who, {}).result()["pid"] == os.getpid()
    assert Inline().submit(_fail, {}).result()["error"] == "KeyError: 'trials'"


def _fail(job: Job) -> Job:
    return {"first": job["trials"]}


# what workers have when they begin


def loaded(job: Job) -> Job:
    return {"loaded": sorted({"nnrun.compiled.steps", "numba", "pandas", "scipy.linalg"} & {*sys.modules})}


def test_their_server_loads_the_compiled_engine_and_no_more_than_that() -> None:
    pytest.importorskip("numba")
    pool = Pool(1)
    assert pool.submit(loaded, {"trials": []}).result() == {"loaded": ["nnrun.compiled.steps"]}
    pool.close()


def test_a_worker_does_not_run_the_program_that_searches(tmp_path: Path) -> None:
    """A program whose first line is a search would search again in each of its workers."""
    said = "print('begins', flush=True)"
    asking = "with closing(Pool(1)) as pool: print(pool.submit(len, {'trials': []}).result())"
    program = tmp_path / "program.py"
    importing = "from contextlib import closing\nfrom nnrun.search.executors import Pool"
    program.write_text(f"{said}\n{importing}\n{asking}\nimport __main__\nprint(__main__.__file__ == __file__)\n")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["begins", "1", "True"], done.stderr


def test_nothing_of_the_folder_is_loaded_in_its_place(namesakes: Path) -> None:
    """By the command itself, which has its own folder first, as Python's -m has the current one."""
    search = "nnrun search --set data.source=iris --set training.epochs=1 --trials 2 --workers 2 --json"
    done = subprocess.run(search.split(), cwd=namesakes, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert [record["status"] for record in json.loads(done.stdout)["records"]] == ["done", "done"]
    assert list(namesakes.glob("* was run")) == []


def test_nor_by_a_server_in_the_place_of_one_that_was_killed(tmp_path: Path, namesakes: Path) -> None:
    """Or that could fork none, without open files: it leaves the folder of its socket to the next."""
    program = tmp_path / "program.py"
    program.write_text("""
import os, resource, signal, socket
from contextlib import closing
from multiprocessing import forkserver
from nnrun.search.executors import Pool

with closing(Pool(1)) as one, closing(Pool(1)) as another, closing(Pool(1)) as third:
    print(one.submit(len, {"trials": []}).result())
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    print(another.submit(len, {"trials": []}).result())
    server = forkserver._forkserver
    if hasattr(resource, "prlimit"):  # Linux
        resource.prlimit(server._forkserver_pid, resource.RLIMIT_NOFILE, (3, 3))
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(server._forkserver_address)
            os.waitid(os.P_PID, server._forkserver_pid, os.WEXITED | os.WNOWAIT)
    print(third.submit(len, {"trials": []}).result())
""")
    done = subprocess.run([sys.executable, program], cwd=namesakes, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout.split(), done.stderr) == (["1", "1", "1"], "")
    assert list(namesakes.glob("* was run")) == []


def test_the_limit_of_a_trial_holds_where_the_server_was_killed(tmp_path: Path) -> None:
    """Whose death looks like that of the worker, which trains on."""
    program = tmp_path / "program.py"
    program.write_text("""
import os, signal, time
from contextlib import closing
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from nnrun.search.executors import Pool

begun = Path("begun")
hang = "import os, time; open('pid', 'w').write(str(os.getpid())); os.replace('pid', 'begun'); time.sleep(6000)"
with closing(Pool(1, timeout=10.0)) as pool:
    future = pool.submit(partial(exec, hang), {"trials": [0]})
    while not begun.exists():
        assert not future.done(), future.exception()
        time.sleep(0.01)
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    print(type(future.exception()).__name__, begun.read_text())
""")
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    how, worker = done.stdout.split()
    assert how == "TimeoutError", done.stderr
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(int(worker)).status() != psutil.STATUS_ZOMBIE:  # which who adopted it may leave
            time.sleep(0.01)


PROGRAMS = {
    "in a worker of another pool, forked from what has searched": """
    searched()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.apply(searched))
""",
    "in a thread beside others": """
    before = dict(os.environ)
    thread = threading.Thread(target=searched)
    thread.start()
    while thread.is_alive():
        pickle.dumps(searched)
    assert dict(os.environ) == before
    print(searched())
""",
}


@pytest.mark.parametrize("where", PROGRAMS)
def test_a_search_has_workers_wherever_it_is_called(tmp_path: Path, where: str) -> None:
    config = {"data": {"source": "iris"}, "network": {"hidden": [4]}, "training": {"epochs": 1}}
    asking = f"nnrun.search({config}, trials=2, workers=2, runs={str(tmp_path / 'runs')!r}).status"
    program = tmp_path / "program.py"
    imports = "import multiprocessing, os, pickle, threading, nnrun\n"
    program.write_text(f"{imports}def searched(): return {asking}\nif __name__ == '__main__':{PROGRAMS[where]}")
    environment = {name: value for name, value in os.environ.items() if name not in threads.LIBRARIES}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout.strip(), done.stderr) == ("done", "")


def test_the_server_of_what_a_process_was_forked_from_is_not_waited_for() -> None:
    """It is nobody's child here, and was begun for other ends than those of nnrun, which knew of no fork then."""

    def begin() -> None:
        server = vars(forkserver)["_forkserver"]
        server._forkserver_pid = os.getppid()
        begin_to_load()
        assert server._forkserver_pid not in (None, os.getppid())
        assert server._preload_modules == LOADED

    process = get_context("fork").Process(target=begin)
    process.start()
    process.join(PATIENCE)
    process.kill()
    assert process.exitcode == 0
