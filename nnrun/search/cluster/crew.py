"""The workers of a cluster as a search sees them: who is there, who trains to the same bits, who is free."""

from __future__ import annotations

import json
import threading
import time
from asyncio import run_coroutine_threadsafe
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from nnrun.errors import NnrunError, UsageError
from nnrun.search.cluster import worker
from nnrun.search.cluster.allowance import ROOM
from nnrun.search.cluster.parcels import refuse_more
from nnrun.search.cluster.sameness import Kind, Probe, differences, probe, probe_job
from nnrun.search.executors import Pool, WorkerDiedError
from nnrun.text import counted

if TYPE_CHECKING:
    from distributed import Client

BETWEEN_LOOKS = 0.4  # seconds
PATIENCE = 60  # seconds until the first worker must be there
USUAL: Kind = {"engine": "numpy", "dtype": "float32"}  # what is compared before anything is known of the search
LEFT_OVER = (
    "no worker of the cluster may train any more; what is finished is kept, and resuming the search continues it"
)
GONE = "the scheduler of the cluster is gone; what is finished is kept, and resuming the search continues it"
OVER = "the search is over"
LOST = -9  # the exit code that a worker which is not there any more is taken to have


class SchedulerGoneError(NnrunError):
    """Nothing comes from this scheduler any more."""

    def __init__(self) -> None:
        super().__init__(GONE)


class Crew:
    """Looks several times a second who is there, compares whoever is new, and hands out one worker for each job."""

    def __init__(
        self, client: Client, ours: Probe, memory: int | None, any_bits: bool, patience: float = PATIENCE
    ) -> None:
        self.client, self.memory, self.any_bits = client, memory, any_bits
        self._ours, self._news = {_name(USUAL): ours}, list[str]()
        self._change = threading.Condition()
        self._present: set[str] = set()
        self._compared: dict[str, bool | None] = {}  # whether it may train, None until that is known
        self._hosts: dict[str, str] = {}
        self._bits: dict[tuple[str, str], str] = {}  # by worker and kind
        self._free: list[str] = []
        self._waits: dict[threading.Event, str] = {}  # for answers, each with the worker that is to give it
        self._size = 0
        self._over = self._gone = False
        self._started = False
        self._examiners = ThreadPoolExecutor(64)
        for _ in range(int(patience / BETWEEN_LOOKS)):
            if welcomed := self._look():
                wait(welcomed, PATIENCE)
                break
            time.sleep(BETWEEN_LOOKS)
        else:
            raise UsageError(f"--cluster: the scheduler has no worker after {patience:g} seconds; start some first")
        if not self.size:
            raise UsageError("\n".join(["--cluster: no worker trains to the same bits as this machine", *self.news()]))
        self._started = True
        self._news.insert(0, self._crew_line())
        threading.Thread(target=self._keep_looking, daemon=True).start()

    @property
    def size(self) -> int:
        """How many may train."""
        return self._size

    def news(self) -> list[str]:
        """Lines on workers that came or went, once each."""
        with self._change:
            told, self._news = self._news, []
        return told

    def _crew_line(self) -> str:
        """How many train on which host."""
        hosts = Counter(self._hosts[address] for address in self._present if self._compared.get(address))
        where = ", ".join(f"{host} ({count})" if len(hosts) > 1 else host for host, count in sorted(hosts.items()))
        return f"cluster  {counted(self.size, 'worker')} on {where}"

    def close(self) -> None:
        """Look no more."""
        self._end()
        self._examiners.shutdown(wait=False, cancel_futures=True)

    def lost(self) -> None:
        """The scheduler is gone, as all learn who wait for a worker."""
        self._gone = self._gone or not self._over
        self._end()

    def _end(self) -> None:
        with self._change:
            self._over = True
            self._end_vain_waits()
            self._change.notify_all()

    @contextmanager
    def one(self, avoided: str | None) -> Iterator[str]:
        """A free worker, when there is one, and another than that if there is another."""
        with self._change:
            while not self._over and not self._free:
                if self._present and all(self._compared.get(each) is False for each in self._present):
                    raise NnrunError(LEFT_OVER)
                self._change.wait()
            if self._over:
                raise self._why_over()
            address = next((each for each in self._free if each != avoided), self._free[0])
            self._free.remove(address)
        try:
            yield address
        finally:
            with self._change:
                if address in self._present and self._compared.get(address):
                    self._free.append(address)
                    self._change.notify()

    def wait_for(self, future: Any, address: str) -> None:
        """Until a worker has done what it was asked; what it raised, WorkerDiedError where it has left, and so on.

        NnrunError where all is over.
        """
        self._patiently(self._end_of(future), future, address)

    def fetch(self, future: Any, address: str, most: int = ROOM) -> Any:
        """The bytes or text that a worker was asked for, so many at most; errors as above, and DataError for more.

        It stays on the worker until it is fetched, and a worker that leaves in between takes it along: dask would wait
        for another one that may not come.
        """
        return self._patiently(self._gathered(future, most), future, address)

    async def _gathered(self, future: Any, most: int) -> Any:
        """Not begun where it is larger by what the worker has told of it, as dask reads messages of any size whole."""
        with suppress(KeyError, OSError):  # it is gone, or the scheduler is, which is told below
            sizes = await self.client.nbytes([future.key], summary=False, asynchronous=True)
            refuse_more(sizes[future.key], most)
        found = await self.client.gather(future, asynchronous=True)
        if isinstance(found, (bytes, str)):  # else whoever reads it finds that it is nothing of the kind
            refuse_more(len(found), most)
        return found

    async def _end_of(self, future: Any) -> None:
        await future.exception(asynchronous=True)  # which waits, and fetches nothing
        if future.status != "finished":
            await self.client.gather(future, asynchronous=True)  # raises what the worker did

    def _patiently(self, coroutine: Any, future: Any, address: str) -> Any:
        """What comes of it, in the background, unless the worker leaves first."""
        ended = threading.Event()  # by the answer, or by the look that misses the worker
        loop: Any = self.client.loop
        found = run_coroutine_threadsafe(coroutine, loop.asyncio_loop)
        found.add_done_callback(lambda found: ended.set())
        with self._change:
            self._waits[ended] = address
            self._end_vain_waits()
        ended.wait()
        with self._change:
            del self._waits[ended]
        try:
            if not found.done():
                found.cancel()
                raise self._why_over() if self._over else WorkerDiedError(LOST)
            return found.result()
        except CancelledError:  # as all are when the connection is lost
            raise SchedulerGoneError from None
        except (NnrunError, WorkerDiedError):
            future.cancel()
            raise
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                raise WorkerDiedError(LOST) from None
            raise

    def bits(self, address: str, kind: Kind) -> str | None:
        """What the training of a worker comes to; None where that is not what ours does, and it is asked no more."""
        if (address, _name(kind)) not in self._bits:
            self._examine(address, kind)
        return self._bits.get((address, _name(kind)))

    def bench(self, address: str, why: list[str]) -> None:
        """Give a worker nothing any more, and say why."""
        with self._change:
            self._compared[address] = False
            self._count()
            self._news += [f"refused  worker {self.name_of(address)}: {why[0]}", *(f"{'':9}{line}" for line in why[1:])]
            self._change.notify_all()

    def name_of(self, address: str) -> str:
        """With its host, where that is known."""
        return f"{address} on {self._hosts[address]}" if address in self._hosts else address

    def forget(self, address: str) -> None:
        """Compare a worker anew: another process has its address."""
        with self._change:
            self._bits = {key: bits for key, bits in self._bits.items() if key[0] != address}

    def _why_over(self) -> NnrunError:
        return SchedulerGoneError() if self._gone else NnrunError(OVER)

    def _count(self) -> None:
        """Who may train, when that has changed: it is asked for several times a job."""
        self._size = sum(bool(self._compared.get(address)) for address in self._present)

    def _end_vain_waits(self) -> None:
        """Of those who wait for a worker that has left, or for whom all is over; nobody looks by himself meanwhile."""
        for ended, address in self._waits.items():
            if self._over or address not in self._present:
                ended.set()

    def _keep_looking(self) -> None:
        while not self._over:
            self._look()
            time.sleep(BETWEEN_LOOKS)

    def _look(self) -> list[Future[None]]:
        """Whoever is new is compared, in the background."""
        try:
            present = set(self.client.nthreads())
        except Exception:  # of many kinds
            present = set()
            self.lost()
        with self._change:
            new, self._present = present - set(self._compared), present
            for address in set(self._compared) - present:
                was_counted = self._compared.pop(address)
                self._count()
                if was_counted:
                    self._news.append(f"cluster  worker {address} has left, {self.size} left to train")
                self._bits = {key: bits for key, bits in self._bits.items() if key[0] != address}
            self._free = [address for address in self._free if address in present]
            self._compared |= dict.fromkeys(new)
            self._end_vain_waits()
            self._change.notify_all()
        return [self._examiners.submit(self._welcome, address) for address in new]

    def _welcome(self, address: str) -> None:
        with suppress(WorkerDiedError, NnrunError):
            if self._examine(address, USUAL):
                with self._change:
                    if address in self._present:
                        self._compared[address] = True
                        self._count()
                        if self._started:
                            self._news.append(f"cluster  worker {address} has joined, {self.size} to train")
                        self._free.append(address)
                        self._change.notify()

    def _examine(self, address: str, kind: Kind) -> bool:
        """Whether a worker may train this; what differs is told."""
        asked = json.dumps({"kind": kind, "memory": self.memory})
        try:
            future = self.client.submit(worker.examine, asked, workers=[address], pure=False)
            theirs = json.loads(self.fetch(future, address))
        except (WorkerDiedError, NnrunError):
            raise
        except Exception as error:  # whatever another nnrun, or none, makes of this
            theirs = {"error": f"{type(error).__name__}: {error}"}
        if "bits" not in theirs:
            self.bench(address, [f"nnrun does not run there ({theirs['error']})"])
            return False
        self._hosts[address] = theirs["here"]["host"]["name"]
        found = differences(self._own(kind), theirs)
        if found and not self.any_bits:
            self.bench(address, ["it would not train to the same bits; --allow-different-bits takes it", *found])
            return False
        with self._change:
            self._bits[address, _name(kind)] = theirs["bits"]
        return True

    def _own(self, kind: Kind) -> Probe:
        if _name(kind) not in self._ours:
            self._ours[_name(kind)] = own_probe(**kind)
        return self._ours[_name(kind)]


@cache
def own_probe(engine: str, dtype: str) -> Probe:
    """Ours, by a process like that which trains on a worker; NnrunError where there can be none."""
    with closing(Pool(1)) as pool:
        found = pool.submit(probe, probe_job({"engine": engine, "dtype": dtype})).result()
    if "bits" in found:
        return found
    raise NnrunError(found["error"])


def _name(kind: Kind) -> str:
    return json.dumps(kind)
