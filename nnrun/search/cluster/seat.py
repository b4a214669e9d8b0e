"""The task that sits on a worker while a search has jobs for it, which come by messages: those are quicker than tasks.

To dask the worker is busy meanwhile, so nobody takes it for one that could go; others have their turn after each job.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypedDict, cast
from weakref import WeakValueDictionary

from nnrun.search.cluster.worker import Left, Refusal, Train, attempt
from nnrun.search.executors import failure_of

if TYPE_CHECKING:
    from distributed import Worker

STRAIGHT = "nnrun_straight"  # what dask knows messages by that do not come by the scheduler
LINGER = 0.1  # seconds in which the next job must come
PUT_OFF = 0.03  # seconds until what a job has left is packed, which would hold up messages of those that come next


class Told(TypedDict):
    """What is told of a job by events of dask: that it has ended, and then how many bytes its answer has."""

    token: str
    size: int | None
    refused: bool  # it came to nothing, and the answer says why


class Answers(dict[str, bytes]):
    """Parcels, or refusals as text, by token until they are fetched; there as long as dask keeps the task."""


class Seat:
    """A task at work: what it is to train next, and what it packs meanwhile."""

    def __init__(self, task: str, tell: Callable[[Told], None]) -> None:
        self.task, self.packer = task, ThreadPoolExecutor(1)
        self.jobs, self._taken = SimpleQueue[tuple[str, Train, str]](), set[str]()
        self.listeners = dict[str, Callable[[bool], object]]()  # of jobs that have not ended, by token
        self.answers = Answers()
        self.is_over = threading.Event()  # nothing comes any more that packing would hold up
        self._tell = tell

    def put(self, token: str, work: Train, text: str) -> None:
        """One more job, unless it is here: who does not learn that a message has arrived sends it again."""
        if token not in self._taken:
            self._taken.add(token)
            self.listeners[token] = partial(self._tell_by_event, token)
            self.jobs.put((token, work, text))

    def train(self, token: str, work: Train, text: str) -> None:
        """Do a job, and tell when it has ended; the next one does not wait until it is packed."""
        left = attempt(work, json.loads(text))
        with _lock:
            hear_whether_it_is_trained = self.listeners.pop(token)
        hear_whether_it_is_trained(callable(left))
        if callable(left):
            self.packer.submit(self._pack, token, left, time.monotonic() + PUT_OFF)
        else:
            self._keep(token, left)

    def _tell_by_event(self, token: str, trained: bool) -> None:
        if trained:  # else its refusal is told at once
            self._tell({"token": token, "size": None, "refused": False})

    def _pack(self, token: str, left: Left, after: float) -> None:
        self.is_over.wait(max(0.0, after - time.monotonic()))
        try:
            self._keep(token, left())
        except Exception as error:  # of the disk
            self._keep(token, {"failure": failure_of(error)})

    def _keep(self, token: str, answer: bytes | Refusal) -> None:
        refused = not isinstance(answer, bytes)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answers[token], _answers[token] = content, self.answers
        self._tell({"token": token, "size": len(content), "refused": refused})


_name = secrets.token_hex(8)  # of this process
_lock = threading.Lock()
_seats: dict[str, Seat] = {}  # those that take jobs, by the key of their task
_answers = WeakValueDictionary[str, Answers]()  # where the answer is, by token


def sit(token: str, work: Train, text: str, topic: str) -> Answers:
    """Do a job, and then those that `hand_over` brings, until none comes for a while or others wait for this worker.

    What is not fetched by then is the result of the task, so that it goes when dask lets that go, as of a search that
    is gone.
    """
    from distributed import get_worker

    logging.getLogger("distributed.worker").addFilter(_is_no_message)
    here = get_worker()
    seat = Seat(str(here.get_current_task()), partial(here.log_event, topic))
    seat.put(token, work, text)
    _seats[seat.task] = seat
    try:
        with seat.packer:
            while job := _next(seat, _patience(here)):
                seat.train(*job)
            seat.is_over.set()
    finally:
        _seats.pop(seat.task, None)
        for each in seat.listeners.values():  # of jobs that were not begun
            each(False)
    return seat.answers


def _is_no_message(record: logging.LogRecord) -> bool:
    """Else dask writes two lines a job that comes by the scheduler, or from a search that knows no other way."""
    return record.args not in [(function.__name__,) for function in (listen, there, hand_over, end_of, answer)]


def _patience(here: Worker) -> float:
    """Seconds in which the next job must come: none where others wait, or dask stops the worker for want of memory."""
    is_free = here.status.name == "running" and not here.state.ready and not here.state.constrained
    return LINGER if is_free else 0


def _next(seat: Seat, seconds: float) -> tuple[str, Train, str] | None:
    """What is to be done; None where nothing comes, and nothing is taken any more."""
    with suppress(Empty):
        return seat.jobs.get(timeout=seconds)
    with _lock:
        if not seat.jobs.empty():
            return seat.jobs.get()
        del _seats[seat.task]
        return None


def listen(dask_worker: Worker) -> str:
    """Take messages that come straight from now on, as dask takes its own, and tell who this is.

    Those that dask has for everybody's functions are unpacked twice, and take half as long again. All searches use the
    same handler, as dask remembers each for ever.
    """
    if STRAIGHT in dask_worker.handlers:
        return _name
    functions: dict[str, Callable[..., Any]] = {each.__name__: each for each in (there, hand_over, end_of)}
    functions[answer.__name__] = partial(answer, dask_worker=dask_worker)

    async def straight(function: str, given: bytes) -> dict[str, Any]:
        from distributed.protocol.pickle import loads
        from distributed.protocol.serialize import to_serialize

        found = functions[function](*loads(given))
        if isawaitable(found):
            found = await found
        return {"found": to_serialize(found) if isinstance(found, bytes) else found}

    dask_worker.handlers[STRAIGHT] = straight
    return _name


def there() -> str:
    """Who this is: another worker may have the same address in another network."""
    return _name


def hand_over(task: str, token: str, work: Train, text: str) -> bool:
    """Whether the task has the job now; one that has ended takes none."""
    with _lock:
        if task in _seats:
            _seats[task].put(token, work, text)
        return task in _seats


async def end_of(task: str, token: str) -> bool:
    """Wait until a job has ended. True where it is trained, which this alone tells; else an event tells how it went."""
    loop = asyncio.get_running_loop()
    trained: asyncio.Future[bool] = loop.create_future()
    with _lock:
        listeners = _seats[task].listeners if task in _seats else {}
        if token not in listeners:
            return False
        listeners[token] = lambda found: loop.call_soon_threadsafe(_settle, trained, found)
    return await trained


def _settle(trained: asyncio.Future[bool], found: bool) -> None:
    if not trained.done():  # given up, as when the worker is told to end
        trained.set_result(found)


def answer(task: str, token: str, dask_worker: Worker) -> bytes | None:
    """What the job came to, once; None where that is gone. By then dask may have written the task's result to disk."""
    held = cast(Answers | None, _answers.pop(token, None) or dask_worker.data.get(task))
    return held.pop(token, None) if held else None
