"""Where workers come from: a server that loads what they need once, and forks."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process, forkserver, get_context
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from nnrun.errors import ShortageError, system_words
from nnrun.machine import sockets, threads
from nnrun.machine.interpreters import blind_to_the_folder
from nnrun.machine.posix import deaf_to_ctrl_c

LOADED = ["nnrun.search.server", "nnrun.search.kernels"]
NONE_STARTS = "no worker could be started"
LONGEST_START = 300.0  # seconds of a worker that is forked, of which it needs a fiftieth of one
LACKING = {
    errno.EAGAIN: "processes", errno.EMFILE: "open files", errno.ENFILE: "open files", errno.ENOMEM: "memory"
}  # fmt: skip
NO_THREAD = "can't start new thread"  # what Python says, which knows no reason
BETWEEN_TRIES = (0.1, 0.5, 2.0)  # seconds: a shortage may pass, and a server that was killed has another in its place
_STARTING = threading.Lock()


def begin_to_load() -> BaseContext:
    """The context of processes that a server, started here, forks: it loads what they need once.

    It has one thread and nothing of this process, so a worker is as clean as one spawned by itself. A server that runs
    already stays as it is. UsageError where there is no folder for its socket, ShortageError where there can be none.
    """
    context = get_context("forkserver")
    with shortages(), blind_to_the_folder():
        _start_tracker()
        sockets.make_folder()
        with deaf_to_ctrl_c(), threads.one_for_blas_of_others():
            try:
                _ensure_running(context)
            except ChildProcessError:  # the one known is of a process that this one was forked from
                _forget_server()
                _ensure_running(context)
    return context


def _ensure_running(context: BaseContext) -> None:
    context.set_forkserver_preload(LOADED)
    forkserver.ensure_running()


def _forget_server() -> None:
    """Have another one: no process can wait for what is not its child, nor for a lock of what it was forked from."""
    vars(forkserver)["_forkserver"].__init__()


def _begin_anew() -> None:
    """In a process that was forked, maybe while another thread had a worker begun."""
    global _STARTING
    _STARTING = threading.Lock()
    _forget_server()


os.register_at_fork(after_in_child=_begin_anew)


def _start_tracker() -> None:
    """What removes semaphores after this process is killed, without a word; starting it later would end deafness."""
    from multiprocessing import resource_tracker

    silent = "ignore:resource_tracker:UserWarning"
    sys.warnoptions.append(silent)  # interpreters that multiprocessing starts inherit it
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(silent)


def start(process: BaseProcess) -> None:
    """Have the server begin it; one at a time, as what is taken from this process meanwhile is put back.

    A server that has died meanwhile has one like it in its place: multiprocessing would start any other. ShortageError
    where that dies as well, which it does where the system lets it fork none, and after a while of any other shortage.
    """
    for seconds in BETWEEN_TRIES:
        with suppress(ShortageError):
            _start_once(process)
            return
        time.sleep(seconds)
    _start_once(process)


def _start_once(process: BaseProcess) -> None:
    with _STARTING, _no_program(), _parenthood(), shortages():
        begin_to_load()
        process.start()


@contextmanager
def shortages() -> Iterator[None]:
    """ShortageError, in words, in the place of what is said where the system lets none be started."""
    try:
        yield
    except (OSError, EOFError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != NO_THREAD:
            raise
        raise ShortageError(f"{NONE_STARTS}: {_lack(error)}") from error


def _lack(error: Exception) -> str:
    if isinstance(error, RuntimeError):
        return "the system gives no more threads, or no memory for them"
    if isinstance(error, MemoryError):
        return "the system gives no more memory"
    if not isinstance(error, OSError) or isinstance(error, ConnectionError):
        return "the process that forks them ends, as it does without more processes, open files or memory"
    what = LACKING.get(error.errno or 0)
    return f"the system gives no more {what} ({system_words(error)})" if what else system_words(error)


@contextmanager
def _no_program() -> Iterator[None]:
    """What is started meanwhile knows nothing of the program that this process runs.

    It would run that program again to have its functions, of which a worker needs none; and one that searches, from its
    first line to its last, would search again in each of its workers.
    """
    program = vars(sys.modules["__main__"])
    names: dict[str, Any] = {name: program[name] for name in ("__spec__", "__file__") if name in program}
    program.update(dict.fromkeys(names))  # all that multiprocessing finds it by
    try:
        yield
    finally:
        program.update(names)


@contextmanager
def _parenthood() -> Iterator[None]:
    """What is started meanwhile may be started, also by a worker of a cluster or of somebody else's pool.

    Such a one may have no children, since these would outlive it; those of a pool here end by themselves.
    """
    config = vars(current_process())["_config"]
    daemon, config["daemon"] = config.get("daemon"), False
    try:
        yield
    finally:
        config["daemon"] = daemon
