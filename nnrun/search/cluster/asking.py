"""What workers are asked to train: a task of dask sits on each at work (`seat.py`), and has its jobs by messages.

A message goes straight to the worker where that can be reached from here, else by the scheduler, and so does the answer
when it is fetched. That a job has ended is told straight too, else by an event of dask, as is then how large its answer
is. All of this together takes a quarter of the time of a task for each job (`benchmarks/cluster_overhead.py`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from asyncio import run_coroutine_threadsafe
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nnrun.search.cluster import seat
from nnrun.search.cluster.answers import LOST, Answers
from nnrun.search.cluster.parcels import refuse_more
from nnrun.search.cluster.worker import Request, Train
from nnrun.search.executors import WorkerDiedError

if TYPE_CHECKING:
    from distributed import Client

UNTIL_REACHED = 2.0  # seconds
UNTIL_LISTENED = 0.02  # seconds, until when a worker has better to do: it begins the job
NEVER = threading.Event()


class Asked:
    """A job that a worker has, and what is known of it by now."""

    def __init__(self, token: str, address: str, task: Any = None) -> None:
        self.token, self.address, self.task = token, address, task  # the last is dask's future
        self.ended, self.answered = threading.Event(), threading.Event()
        self.size: int | None = None  # bytes of the answer
        self.has_ended, self.refused = False, False
        self.lost = False  # the task is over, and nothing was told

    def hear(self, told: seat.Told) -> None:
        """One of two messages."""
        if told["size"] is not None:
            self.size, self.refused = int(told["size"]), bool(told["refused"])
            self.answered.set()
        self.end()

    def end(self) -> None:
        """Know that it has ended; how large its answer is will be told."""
        self.has_ended = True
        self.ended.set()

    def lose(self) -> None:
        """Nothing will be told any more."""
        self.lost = self.size is None
        self.ended.set()
        self.answered.set()


class Asking:
    """Hands out jobs by a client, and fetches what they come to."""

    def __init__(self, client: Client, answers: Answers) -> None:
        self._client, self._answers = client, answers
        self._topic = f"nnrun-{client.id}"
        self._tasks: dict[str, Any] = {}  # by the worker that they sit on
        self._asked: dict[str, Asked] = {}  # by token
        self._listening = 0  # connections that wait for the end of a job
        self._straight: dict[str, threading.Event] = {}  # set where a worker can be reached without the scheduler
        client.subscribe_topic(self._topic, self._hear)

    def ask(self, work: Train, request: Request, address: str) -> Asked:
        """Hand over a request, and wait until it has ended; errors as of `Answers`."""
        token = secrets.token_hex(8)
        given = (token, work, json.dumps(request))
        try:
            asked = self._handed_over(address, *given) or self._begun(address, *given)
            self._in_background(self._listen(asked))
            self._wait(asked, asked.ended, lambda: asked.has_ended)
        except BaseException:
            self._asked.pop(token, None)
            self.forget(address)
            raise
        return asked

    def fetch(self, asked: Asked, most: int) -> bytes:
        """The answer, of so many bytes at most; errors as of `Answers`, and DataError for more."""
        self.wait_for(asked)
        del self._asked[asked.token]
        refuse_more(asked.size or 0, most)  # by what is told of it, as dask reads messages of any size whole
        found: bytes | None = None
        with suppress(OSError):
            asking = self._called(asked.address, seat.answer, asked.task.key, asked.token)
            found = self._answers.of(asking, asked.address)
        if found is None:  # it was on its way, and did not arrive
            raise WorkerDiedError(LOST)
        refuse_more(len(found), most)
        return found

    def wait_for(self, asked: Asked) -> None:
        """Until there is an answer to fetch; errors as of `Answers`."""
        self._wait(asked, asked.answered, lambda: asked.size is not None)

    def forget(self, address: str) -> None:
        """Cancel what sits on a worker, or did: another process may come to have its address."""
        self._straight.pop(address, None)
        if task := self._tasks.pop(address, None):
            with suppress(Exception):  # the scheduler may be gone
                task.cancel()

    def _handed_over(self, address: str, token: str, *given: Any) -> Asked | None:
        """To the task that sits there; None where none does any more.

        A message that is lost is as good as none: a task knows its tokens.
        """
        if not (task := self._tasks.get(address)):
            return None
        asked = self._asked[token] = Asked(token, address, task)
        with suppress(OSError):
            if self._answers.of(self._called(address, seat.hand_over, task.key, token, *given), address):
                return asked
        return None

    def _begun(self, address: str, token: str, *given: Any) -> Asked:
        """To a new task."""
        asked = self._asked[token] = Asked(token, address)
        told = (token, *given, self._topic)
        asked.task = self._tasks[address] = self._client.submit(seat.sit, *told, workers=[address], pure=False)
        if address not in self._straight:
            self._straight[address] = reachable = threading.Event()
            self._in_background(self._reach(address, reachable))
        end = self._in_background(self._answers.end_of(asked.task))
        end.add_done_callback(lambda found: self._lose(asked.task))
        return asked

    def _lose(self, task: Any) -> None:
        for asked in list(self._asked.values()):
            if asked.task is task:
                asked.lose()

    def _hear(self, event: Any) -> None:
        """An event of dask: its time, and what a seat tells."""
        with suppress(KeyError, TypeError, ValueError):  # anybody may have written it
            told: seat.Told = event[1]
            self._asked[told["token"]].hear(told)

    def _wait(self, asked: Asked, event: threading.Event, is_true: Callable[[], bool]) -> None:
        try:
            self._answers.wait(event, lambda: asked.lost or is_true(), asked.address)
            if not is_true():
                self._answers.of(self._answers.end_of(asked.task), asked.address)  # raises why
                raise WorkerDiedError(LOST)
        except BaseException:
            self._asked.pop(asked.token, None)
            raise

    def _in_background(self, coroutine: Any) -> Any:
        loop: Any = self._client.loop
        return run_coroutine_threadsafe(coroutine, loop.asyncio_loop)

    async def _reach(self, address: str, reachable: threading.Event) -> None:
        """See whether it is the same worker that answers without the scheduler and by it."""
        with suppress(Exception):  # of networks, and of their certificates
            listening = await self._called(address, seat.listen)
            if listening == await asyncio.wait_for(self._straight_to(address, seat.there), UNTIL_REACHED):
                reachable.set()

    async def _listen(self, asked: Asked) -> None:
        """Hear of the end of a job without the scheduler, where connections are left for other messages."""
        await asyncio.sleep(UNTIL_LISTENED)
        if not self._straight.get(asked.address, NEVER).is_set() or 2 * self._listening >= self._client.rpc.limit:
            return
        self._listening += 1
        try:
            if await self._straight_to(asked.address, seat.end_of, asked.task.key, asked.token):
                asked.end()
        except OSError:
            pass  # what is told next says it as well
        finally:
            self._listening -= 1

    async def _called(self, address: str, function: Callable[..., Any], *given: Any) -> Any:
        """What a function comes to on a worker; OSError where that is not reached."""
        reachable = self._straight.get(address, NEVER)
        if reachable.is_set():
            try:
                return await self._straight_to(address, function, *given)
            except OSError:
                reachable.clear()
        return (await self._client.run(function, *given, workers=[address]))[address]

    async def _straight_to(self, address: str, function: Callable[..., Any], *given: Any) -> Any:
        """As dask's `run`, which goes by the scheduler; for workers that listen. OSError where none does."""
        from distributed.protocol.pickle import dumps

        ask = getattr(self._client.rpc(address), seat.STRAIGHT)
        told = await ask(function=function.__name__, given=dumps(given))
        if told is None:  # dask's word for a message that nobody takes: the worker was begun anew meanwhile
            raise OSError
        return told["found"]
