"""A peer in a process of its own, which reads other variables for threads when its libraries are loaded."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from environment import ONE_THREAD
from peers import Peer, Problem


def variables(threads: int) -> dict[str, str]:
    """What gives a peer so many threads: nnrun, PyTorch and JAX; each BLAS keeps one, which nnrun's threads call."""
    count = str(threads)
    return {**ONE_THREAD, "NNRUN_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count,
            "OPENBLAS_NUM_THREADS": "1", "NPROC": count, "XLA_FLAGS": ""}  # fmt: skip


class Elsewhere:
    """Passes everything on to a peer in a process with `threads` threads, which waits between its turns."""

    def __init__(self, peer: Peer, threads: int) -> None:
        self.module, self.threads = peer.module, ""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with changed(variables(threads)):
            context.Process(target=serve, args=(peer, theirs), daemon=True).start()

    def prepare(self, problem: Problem) -> None:
        """There."""
        self._ask("prepare", problem)

    def run(self, steps: int) -> None:
        """There."""
        self._ask("run", steps)

    def epochs(self, count: int) -> None:
        """There."""
        self._ask("epochs", count)

    def _ask(self, what: str, argument: Any) -> None:
        self._pipe.send((what, argument))
        self.threads, error = self._pipe.recv()
        if error:
            raise RuntimeError(f"{self.module}, {what}: {error}")


def serve(peer: Peer, pipe: Connection) -> None:
    """Do what is asked until the other end is closed."""
    while True:
        try:
            what, argument = pipe.recv()
        except EOFError:
            return
        act: Callable[[Any], None] = getattr(peer, what)
        try:
            act(argument)
            pipe.send((peer.threads, None))
        except Exception as error:
            pipe.send((peer.threads, repr(error)))


@contextmanager
def changed(values: dict[str, str]) -> Iterator[None]:
    """With other environment variables for the processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
