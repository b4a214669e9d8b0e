"""The threads of this process: one for BLAS, and a team that shares what is worth sharing.

A BLAS library reads how many threads it has once, when it is loaded; more than one slow small products down many times
over and change the bits. The team changes no bit: work is cut into tasks by its shape alone, no sum crosses tasks but
in their order.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from queue import SimpleQueue
from threading import Lock, Thread, get_ident
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

from nnrun.errors import UsageError
from nnrun.machine import holding
from nnrun.machine.capacity import usable_cores
from nnrun.machine.environment import held

if TYPE_CHECKING:
    from threadpoolctl import LibController, ThreadpoolController

Task = TypeVar("Task")
Result = TypeVar("Result")

LIBRARIES = (  # the variable that each reads
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",  # Accelerate, of macOS
)
OURS, MOST = "NNRUN_THREADS", 1024
SECONDS_TO_END = 5.0  # that tasks which are at work when the process ends may take

_cores = cache(usable_cores)


def one_for_blas() -> None:
    """For this process, if it has not loaded NumPy yet, and for those it starts."""
    os.environ.update(dict.fromkeys(LIBRARIES, "1"))


def one_for_blas_of_others() -> AbstractContextManager[None]:
    """For processes that are started in the block, and those that they start."""
    return held(**dict.fromkeys(LIBRARIES, "1"))


@contextmanager
def one_for_blas_here() -> Iterator[ThreadpoolController]:
    """For this process, in the block. SciPy's library is loaded before, as what is loaded later is not held to it."""
    import scipy.linalg.blas  # noqa: F401

    with one_for_loaded_blas() as libraries:
        yield libraries


@contextmanager
def one_for_loaded_blas() -> Iterator[ThreadpoolController]:
    """For the libraries that this process has loaded, in the block, which is given them."""
    libraries = _loaded_libraries(len(sys.modules), next(reversed(sys.modules)))
    told = libraries.select(user_api="blas").lib_controllers
    with holding.held({_Library.of(library): 1 for library in told}):
        yield libraries


@lru_cache(maxsize=1)
def _loaded_libraries(modules: int, latest: str) -> ThreadpoolController:
    """Found anew where so many modules were not loaded before, or another one last: they bring the libraries along.

    To go through all that a process with many has loaded takes some ms, as long as predicting some rows.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True)
class _Library:
    """How many threads a library has: one number of the process, but with OpenMP one of each thread."""

    path: str
    thread: int
    loaded: LibController = field(compare=False)

    @classmethod
    def of(cls, library: LibController) -> _Library:
        """As this thread sees it."""
        own = getattr(library, "threading_layer", None) == "openmp"
        return cls(library.filepath, get_ident() if own else 0, library)

    def read(self) -> int:
        return int(self.loaded.num_threads)

    def write(self, threads: int) -> None:
        """Whichever thread asks: since threadpoolctl 3.8 all but the first would be passed over in silence."""
        let_all = getattr(self.loaded, "clear_controlling_thread", lambda force: None)
        let_all(force=True)
        self.loaded.set_num_threads(threads)
        let_all(force=True)


def use(threads: int) -> None:
    """Have a team of so many from now on, in this process and in those it starts."""
    os.environ[OURS] = str(threads)


def alone() -> AbstractContextManager[None]:
    """Have no team in the block."""
    return held(**{OURS: "1"})


def count(most: int = MOST) -> int:
    """How many share work, `most` at most: as many as were asked for, else one a core.

    UsageError where the variable is no number.
    """
    if most == 1:
        return 1
    given = os.environ.get(OURS)
    if not given:
        return min(most, _cores())
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST):
        raise UsageError(f"{OURS}={given}: must be a whole number from 1 to {MOST}")
    return min(most, int(given))


def share(work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """What the work comes to for each task; each thread, the caller's among them, takes the next when it is free.

    Raises what the work raises, when no thread works any more; after an error no other task is begun. Work may share
    in turn, if seldom: calls that nobody took stay with the team until a thread is free.
    """
    if len(tasks) == 1:
        return [work(tasks[0])]
    found = cast(list[Result], [None] * len(tasks))
    coming = deque(range(len(tasks)))
    errors: list[BaseException] = []
    helpers = count() - 1
    asked = deque(range(min(helpers, len(tasks) - 1)))
    called, ended, woken = len(asked), list[None](), SimpleQueue[None]()

    def take() -> None:
        with suppress(IndexError):  # when no task is left
            while not errors:
                place = coming.popleft()
                try:
                    found[place] = work(tasks[place])
                except BaseException as error:
                    errors.append(error)

    def help_out() -> None:
        with suppress(IndexError):  # when it comes too late
            asked.pop()
            take()
            ended.append(None)
            woken.put(None)

    try:
        for _ in range(called):
            _team(helpers).put(partial(copy_context().run, help_out))
        take()
    finally:
        coming.clear()
        errors += _interrupts(called - _taken_back(asked), ended, woken)
    if errors:
        raise errors[0]
    return found


def beside(work: Callable[[Task], Result], tasks: Iterable[Task], most: int = 1) -> Iterator[Result]:
    """What the work comes to for each task, in order; other threads do it while the next tasks are fetched.

    They are `most`, or as many as this process may have; where it may have one, this one does everything. What fetching
    raises comes after the results before it. Who goes no further waits for nobody: the garbage collector may be the one
    to close this, in any thread, and within the start of one, which others could not end meanwhile.
    """
    if count() == 1:
        yield from map(work, tasks)
        return
    coming, fault, helpers = iter(tasks), None, count(most)
    waiting = deque[SimpleQueue[Callable[[], Result]]]()
    while fault is None:
        try:
            waiting.append(_asked(_team(helpers), work, next(coming)))
        except Exception as error:  # StopIteration among them
            fault = error
        while len(waiting) > (helpers if fault is None else 0):
            yield waiting.popleft().get()()
    if not isinstance(fault, StopIteration):
        raise fault


def _asked(
    team: SimpleQueue[Callable[[], None]], work: Callable[[Task], Result], task: Task
) -> SimpleQueue[Callable[[], Result]]:
    """Where a thread of the team puts, when it has been free for the work, what gives or raises what came of it."""
    answer = SimpleQueue[Callable[[], Result]]()

    def do() -> None:
        try:
            found = work(task)
        except BaseException as error:
            answer.put(partial(_raised, error))
        else:
            answer.put(lambda: found)

    team.put(do)
    return answer


def _raised(error: BaseException) -> NoReturn:
    raise error


def _taken_back(asked: deque[int]) -> int:
    """How many calls nobody has followed yet, and nobody will."""
    count = 0
    with suppress(IndexError):
        while True:
            asked.pop()
            count += 1
    return count


def _interrupts(begun: int, ended: Sequence[None], woken: SimpleQueue[None]) -> list[BaseException]:
    """Interrupts that come while so many helpers end their work; they are raised when nobody works any more.

    Who has ended is read off `ended` alone: an interrupt may take along what has just been got from `woken`.
    """
    interrupts = list[BaseException]()
    while True:
        try:
            while len(ended) < begun:
                woken.get()
            return interrupts
        except KeyboardInterrupt as error:
            interrupts.append(error)


@cache
def _team(helpers: int) -> SimpleQueue[Callable[[], None]]:
    """What so many threads wait for; a pool of the standard library takes 25 µs more to wake one, of 60."""
    calls = SimpleQueue[Callable[[], None]]()
    at_work = [Lock() for _ in range(helpers)]

    def answer(own: Lock) -> None:
        while True:
            call = calls.get()
            with own:
                call()

    for own in at_work:
        Thread(target=answer, args=[own], name="nnrun", daemon=True).start()
    atexit.register(_dismiss, at_work, os.getpid())
    os.register_at_fork(after_in_child=_team.cache_clear)  # threads are not taken along
    return calls


def _dismiss(at_work: Sequence[Lock], process: int) -> None:
    """Let nobody begin anything any more, and wait for what is at work: the process is about to end.

    A thread that comes back from a library of C++ behind the interpreter's end would abort the process.
    """
    if os.getpid() != process:  # a fork took no threads along, but locks as they were
        return
    until = time.monotonic() + SECONDS_TO_END
    with suppress(KeyboardInterrupt):  # whoever cannot wait
        for own in at_work:
            own.acquire(timeout=max(0.0, until - time.monotonic()))
