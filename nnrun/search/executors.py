"""Where jobs run: in this process, or in a pool of workers that can be killed and replaced.

The seam is the future of `concurrent.futures`: submit a plain dict, get a plain dict. A worker that dies takes
only its own job with it.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext
from typing import Any, Protocol

Job = dict[str, Any]
Work = Callable[[Job], Job]

LOADED = ("nnrun.search.worker", "safetensors.numpy", "threadpoolctl")  # what workers need
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WorkerDiedError(Exception):
    """The worker is gone; `killed` tells a kill from outside from a crash of its own."""

    def __init__(self, words: str, killed: bool) -> None:
        self.killed = killed
        super().__init__(words)


class Executor(Protocol):
    """Runs jobs; no more than `workers` at a time make sense."""

    workers: int

    def submit(self, work: Work, job: Job) -> Future[Job]:
        """Start a job; its future raises WorkerDiedError, or TimeoutError where the job took too long."""

    def close(self) -> None:
        """Stop at once whatever still runs."""


class Inline:
    """Runs each job in `submit`, in this process."""

    workers = 1

    def submit(self, work: Work, job: Job) -> Future[Job]:
        """The future is done when this returns."""
        future: Future[Job] = Future()
        future.set_result(guarded(work, job))
        return future

    def close(self) -> None:
        """Nothing runs."""


class Pool:
    """Processes with one BLAS thread each, replaced when they die."""

    def __init__(self, workers: int, timeout: float | None = None, memory: int | None = None) -> None:
        from pebble import ProcessPool

        self.workers, self.timeout = workers, timeout
        self._pool = ProcessPool(workers, initializer=prepare, initargs=[memory], context=begin_to_load())
        for _ in range(workers):  # they start with the first jobs
            self._pool.schedule(warm_up)

    def submit(self, work: Work, job: Job) -> Future[Job]:
        """Hand the job to a worker."""
        outer: Future[Job] = Future()
        timeout = None if self.timeout is None else self.timeout * len(job["trials"])
        inner = self._pool.schedule(guarded, args=[work, job], timeout=timeout)
        inner.add_done_callback(lambda done: _pass_on(done, outer))
        return outer

    def close(self) -> None:
        """Kill what still runs."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def begin_to_load() -> BaseContext:
    """Where workers come from: a server, started here, that loads what they need once and forks from there.

    It has one thread and nothing of this process, so a worker is as clean as one spawned by itself, which is what
    happens where there is no such server.
    """
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # inherited, before NumPy is loaded
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([*LOADED])
    _start_tracker()
    with _deaf_to_ctrl_c():
        forkserver.ensure_running()
    return context


def _start_tracker() -> None:
    """What removes semaphores after this process is killed, without a word; starting it later would end deafness."""
    from multiprocessing import resource_tracker

    silent = "ignore:resource_tracker:UserWarning"
    sys.warnoptions.append(silent)  # interpreters that multiprocessing starts inherit it
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(silent)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here never hear of a Ctrl-C, which is the parent's to handle; for it the signal waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pass_on(inner: Any, outer: Future[Job]) -> None:
    """The result, or the error in words that do not depend on the pool."""
    from pebble import ProcessExpired

    if inner.cancelled():
        outer.set_exception(WorkerDiedError("the pool was stopped", killed=True))
        return
    error = inner.exception()
    if isinstance(error, ProcessExpired):
        code = error.exitcode
        killed = code in (-9, -15)
        outer.set_exception(
            WorkerDiedError(f"the worker ended with {'signal' if code < 0 else 'code'} {abs(code)}", killed)
        )
    elif error is not None:
        outer.set_exception(error)
    else:
        outer.set_result(inner.result())


def guarded(work: Work, job: Job) -> Job:
    """What the work returns, or {"error": in words}: an exception that cannot be sent home would end the pool."""
    try:
        return work(job)
    except MemoryError:
        return {"error": "out of memory"}
    except (Exception, SystemExit) as error:
        cause = error.__cause__ or error
        full = isinstance(cause, OSError) and cause.errno in DISK_FULL
        return {"error": f"{type(error).__name__}: {error}", "disk_full": full}


def prepare(memory: int | None) -> None:
    """What a worker does first: limit its memory, leave signals to the parent, end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if memory is not None:
        try:
            import resource
        except ImportError:  # not a POSIX system
            pass
        else:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def warm_up() -> None:
    """Load what training needs."""
    for module in LOADED:
        import_module(module)


def _end_with_parent() -> None:
    """An orphan would race with the search that is resumed."""
    parent = parent_process()
    if parent is not None:
        parent.join()  # until its end of a pipe closes, which the system sees to however it dies
        os._exit(1)
