"""Where jobs run: in this process, or in a pool of workers that can be killed and replaced.

The seam is the future of `concurrent.futures`: submit a plain dict, get a plain dict. A worker that dies takes
only its own job with it.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, NotRequired, Protocol, TypedDict, TypeVar, final

from nnrun.compiled.folder import UNKEPT
from nnrun.errors import ShortageError
from nnrun.machine import threads
from nnrun.machine.posix import HANG_UP, KILL, killed_from_outside, limit_memory
from nnrun.runs.full_disk import shortage
from nnrun.search.forking import LONGEST_START, NONE_STARTS, begin_to_load, shortages, start

UNKNOWN = 255  # what multiprocessing says of a process whose server has died
BETWEEN_LOOKS = 0.5  # seconds; a look is whether a job is still wanted


class AnyJob(TypedDict):
    """What an executor knows of a job: that it holds trials, each of which has the time limit."""

    trials: list[Any]


class SentJob(AnyJob):
    """What a cluster takes: a job whose trials have a `number` and a `config` each, section by section.

    One with a `folder` leaves the directories of its trials there, as `trials.Job`; what another answers is passed on.
    """

    cache: str  # of prepared data
    entries: NotRequired[dict[str, str]]  # prepared data by data section, where the sources lie elsewhere


Job = TypeVar("Job", bound=AnyJob)
Result = TypeVar("Result")
Work = Callable[[Job], Result]


@final
class Failure(TypedDict):
    """What comes back in place of a result where the work raised an exception."""

    error: str
    disk_full: NotRequired[bool]  # or another shortage, which is no trial's fault either


class WorkerDiedError(Exception):
    """The worker is gone; `killed` tells a kill from outside from a crash of its own."""

    def __init__(self, code: int) -> None:
        self.code, self.killed = code, killed_from_outside(code)
        super().__init__(f"the worker ended with {'signal' if code < 0 else 'code'} {abs(code)}")


class Executor(Protocol):
    """Runs jobs; no more than `workers` at a time make sense."""

    @property
    def workers(self) -> int:
        """How many there are now."""

    def submit(
        self, work: Work[Job, Result], job: Job, freed: Callable[[], object] = lambda: None
    ) -> Future[Result | Failure]:
        """Start a job; its future raises WorkerDiedError, or TimeoutError where the job took too long.

        An NnrunError is no trial's fault: it ends the search. Where a result is long on its way, `freed` is called when
        its worker can have the next job, which `workers` counts from then on.
        """

    def want(self, jobs: int) -> None:
        """Know that this many more jobs could be done now, if there were more workers."""

    def news(self) -> list[str]:
        """What a user should know that has happened since this was asked last."""

    def close(self) -> None:
        """Stop at once whatever still runs."""


class Inline:
    """Runs each job in `submit`, in this process."""

    workers = 1

    def submit(
        self, work: Work[Job, Result], job: Job, freed: Callable[[], object] = lambda: None
    ) -> Future[Result | Failure]:
        """The future is done when this returns."""
        future: Future[Result | Failure] = Future()
        future.set_result(guarded(work, job))
        return future

    def want(self, jobs: int) -> None:
        """There are no more to be had."""

    def news(self) -> list[str]:
        """No news."""
        return []

    def close(self) -> None:
        """Nothing runs."""


class Pool:
    """Processes with one BLAS thread each, replaced when they die; a thread of this process waits for each.

    A job may take `timeout` seconds a trial, from when its worker is ready for it, a worker `memory` bytes.
    """

    def __init__(self, workers: int, timeout: float | None = None, memory: int | None = None) -> None:
        self.workers, self.timeout, self.memory = workers, timeout, memory
        self._context = begin_to_load()
        self._threads = ThreadPoolExecutor(workers)
        self._idle: list[_Worker] = []
        self._alive: set[_Worker] = set()
        self._closed = False

    def submit(
        self, work: Work[Job, Result], job: Job, freed: Callable[[], object] = lambda: None
    ) -> Future[Result | Failure]:
        """Hand the job to a worker; ShortageError where there can be no thread that waits for it."""
        with shortages():
            return self._threads.submit(self.do, work, job)

    def want(self, jobs: int) -> None:
        """There are no more to be had."""

    def news(self) -> list[str]:
        """No news."""
        return []

    def close(self) -> None:
        """Kill what still runs."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.drop()
        self._threads.shutdown()

    def drop(self) -> None:
        """Kill every worker; jobs that come later get new ones."""
        for worker in list(self._alive):
            worker.kill()

    def do(self, work: Work[Job, Result], job: Job, is_wanted: Callable[[], bool] = lambda: True) -> Result | Failure:
        """Have the job done by a worker, which is killed when the job is not wanted any more; errors as of `submit`."""
        timeout = math.inf if self.timeout is None else self.timeout * len(job["trials"])
        worker = self._hand_out(work, job)
        try:
            worker.begin(is_wanted)
            result: Result | Failure = worker.answer(timeout, is_wanted)
        except BaseException:
            self._alive.discard(worker)
            raise
        self._idle.append(worker)
        return result

    def _hand_out(self, work: Work[Job, Result], job: Job) -> _Worker:
        """A worker that has the job: an idle one, unless it has died meanwhile, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.ask(work, job)
                return worker
            except OSError:
                self._alive.discard(worker)
                worker.kill()
        worker = _Worker(self._context, self.memory)
        self._alive.add(worker)
        if self._closed:  # meanwhile
            worker.kill()
        with suppress(OSError):  # it has died already, which its answer will say
            worker.ask(work, job)
        return worker


class _Worker:
    """A process at the other end of a pipe of its own, so that its death is nobody else's."""

    def __init__(self, context: Any, memory: int | None) -> None:
        with shortages():
            self._connection, there = context.Pipe()
        with there:
            self._process = context.Process(target=serve, args=[there, memory, UNKEPT], daemon=True)
            start(self._process)
        self._has_begun = False

    def ask(self, work: Work[Job, Result], job: Job) -> None:
        """Send a job; OSError if the process has died."""
        self._connection.send((work, job))

    def begin(self, is_wanted: Callable[[], bool]) -> None:
        """Wait until it can take jobs, which is no job's time; ShortageError where it cannot, or dies by itself."""
        if self._has_begun:
            return
        try:
            lacking = self.answer(LONGEST_START, is_wanted)
        except TimeoutError:
            lacking = f"{NONE_STARTS}: one was not ready for a job after {LONGEST_START:g} s"
        except WorkerDiedError as error:
            if error.killed or error.code == UNKNOWN:
                raise
            lacking = f"{NONE_STARTS}: {error} before its first job"
        if lacking:
            self.kill()
            raise ShortageError(lacking)
        self._has_begun = True

    def answer(self, timeout: float, is_wanted: Callable[[], bool]) -> Any:
        """The result of the job; WorkerDiedError or TimeoutError without one, and the process is gone then."""
        until = time.monotonic() + timeout
        try:
            while not self._connection.poll(min(BETWEEN_LOOKS, max(0.0, until - time.monotonic()))):
                if time.monotonic() >= until:
                    raise TimeoutError
                if not is_wanted():
                    self.kill()
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self.kill()
            if isinstance(error, TimeoutError):
                raise
            raise WorkerDiedError(self._process.exitcode) from None

    def kill(self) -> None:
        """End the process here and now."""
        if self._process.exitcode is None:
            self._process.kill()
        elif self._process.pid and not self._connection.poll():  # its server died, which tells nothing of it: it lives
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(self._process.pid, KILL)
        self._process.join()


def serve(connection: Connection, memory: int | None, unkept: Mapping[str, bytes]) -> None:
    """The life of a worker, with its parent's compiled code: None once it is ready, or what it lacks; then jobs."""
    UNKEPT.update(unkept)
    try:
        with shortages():
            prepare(memory)
    except ShortageError as error:
        connection.send(str(error))
        return
    connection.send(None)
    while True:
        try:
            work, job = connection.recv()
        except EOFError:
            return
        connection.send(guarded(work, job))


def guarded(work: Work[Job, Result], job: Job) -> Result | Failure:
    """What the work returns, or why it failed in words: an exception that cannot be sent home would end the pool."""
    try:
        return work(job)
    except MemoryError:
        return {"error": "out of memory"}
    except (Exception, SystemExit) as error:
        return failure_of(error)


def failure_of(error: BaseException) -> Failure:
    """In words, and whether it is a full disk, or another shortage."""
    full = shortage(error)
    return {"error": full or f"{type(error).__name__}: {error}", "disk_full": full is not None}


def prepare(memory: int | None) -> None:
    """What a worker does first: limit memory and threads, leave signals to the parent, end when the parent does."""
    for number in (signal.SIGINT, HANG_UP):  # a terminal sends them to all; the search ends its workers itself
        signal.signal(number, signal.SIG_IGN)
    if memory is not None:
        limit_memory(memory)
    threads.use(1)  # workers share the cores
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """An orphan would race with the search that is resumed."""
    parent = parent_process()
    if parent is not None:
        parent.join()  # until its end of a pipe closes, which the system sees to however it dies
        os._exit(1)
