"""What workers were asked for: it is waited for until it comes, its worker leaves, or all is over."""

from __future__ import annotations

import threading
from asyncio import run_coroutine_threadsafe
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from nnrun.errors import NnrunError
from nnrun.search.cluster.allowance import ROOM
from nnrun.search.cluster.parcels import refuse_more
from nnrun.search.executors import WorkerDiedError

if TYPE_CHECKING:
    from distributed import Client

GONE = "the scheduler of the cluster is gone; what is finished is kept, and resuming the search continues it"
OVER = "the search is over"
T = TypeVar("T")
LOST = -9  # the exit code that a worker which is not there any more is taken to have


class SchedulerGoneError(NnrunError):
    """Nothing comes from this scheduler any more."""

    def __init__(self) -> None:
        super().__init__(GONE)


class Answers:
    """Answers of the workers that are there, as whoever looks at them tells; nobody who waits looks by himself."""

    def __init__(self, client: Client) -> None:
        self.over = False
        self._client = client
        self._gone = False
        self._lock = threading.Lock()
        self._present: set[str] = set()
        self._waits: dict[threading.Event, str] = {}  # each with the worker that is to answer

    def only_of(self, present: set[str]) -> None:
        """The workers `present` are there now, and others are waited for in vain."""
        with self._lock:
            self._present = present
            self._end_vain_waits()

    def end(self, gone: bool) -> None:
        """Waiting is over, perhaps because the scheduler is gone."""
        with self._lock:
            self._gone = self._gone or (gone and not self.over)
            self.over = True
            self._end_vain_waits()

    def why_over(self) -> NnrunError:
        """What is raised then."""
        return SchedulerGoneError() if self._gone else NnrunError(OVER)

    def fetch(self, future: Any, address: str, most: int = ROOM) -> Any:
        """The bytes or text that a worker was asked for, so many at most; errors as above, and DataError for more.

        It stays on the worker until it is fetched, and a worker that leaves in between takes it along: dask would wait
        for another one that may not come.
        """
        try:
            return self.of(self._gathered(future, most), address)
        except (NnrunError, WorkerDiedError):
            future.cancel()
            raise

    async def _gathered(self, future: Any, most: int) -> Any:
        """Not begun where it is larger by what the worker has told of it, as dask reads messages of any size whole."""
        await self.end_of(future)  # dask has words of its own for a gathering that is given up before
        with suppress(KeyError, OSError):  # it is gone, or the scheduler is, which is told below
            sizes = await self._client.nbytes([future.key], summary=False, asynchronous=True)
            refuse_more(sizes[future.key], most)
        found = await self._client.gather(future, asynchronous=True)
        if isinstance(found, (bytes, str)):  # else whoever reads it finds that it is nothing of the kind
            refuse_more(len(found), most)
        return found

    async def end_of(self, future: Any) -> None:
        """Wait until it has ended, and raise what the worker did; nothing is fetched."""
        await future.exception(asynchronous=True)
        if future.status != "finished":
            await self._client.gather(future, asynchronous=True)  # raises what the worker did

    def of(self, coroutine: Coroutine[Any, Any, T], address: str) -> T:
        """What comes of it in the background; WorkerDiedError where the worker has left before, and so on.

        NnrunError where all is over.
        """
        ended = threading.Event()
        loop: Any = self._client.loop
        found = run_coroutine_threadsafe(coroutine, loop.asyncio_loop)
        found.add_done_callback(lambda found: ended.set())
        try:
            self.wait(ended, found.done, address)
            return found.result()
        except CancelledError:  # as all are when the connection is lost
            raise SchedulerGoneError from None
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                raise WorkerDiedError(LOST) from None
            raise
        finally:
            found.cancel()

    def wait(self, ended: threading.Event, is_true: Callable[[], bool], address: str) -> None:
        """Until the event, which is the end of vain waiting too: errors as above, unless it is true then."""
        with self._lock:
            self._waits[ended] = address
            self._end_vain_waits()
        ended.wait()
        with self._lock:
            del self._waits[ended]
        if not is_true():
            raise self.why_over() if self.over else WorkerDiedError(LOST)

    def _end_vain_waits(self) -> None:
        for ended, address in self._waits.items():
            if self.over or address not in self._present:
                ended.set()
