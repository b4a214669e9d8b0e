"""The workers of a cluster as a search sees them: who is there, who trains to the same bits, who is free."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from nnrun.errors import NnrunError, StoppedError, UsageError
from nnrun.runs.listener import ToldToStop
from nnrun.search.cluster import worker
from nnrun.search.cluster.answers import Answers
from nnrun.search.cluster.asking import Asking
from nnrun.search.cluster.sameness import Kind, Probe, differences, probe, probe_job
from nnrun.search.cluster.wishes import Wishes
from nnrun.search.executors import Pool, WorkerDiedError
from nnrun.text import counted

if TYPE_CHECKING:
    from distributed import Client

BETWEEN_LOOKS = 0.4  # seconds
PATIENCE = 60  # seconds until the first worker must be there, and as many until it has answered
FOR_BUSY = 5  # seconds, for those that have other work
USUAL: Kind = {"engine": "numpy", "dtype": "float32"}  # what is compared before anything is known of the search
OTHER_BITS = "no worker trains to the same bits as this machine"
LEFT_OVER = (
    "no worker of the cluster may train any more; what is finished is kept, and resuming the search continues it"
)


class Crew:
    """Looks several times a second who is there, compares whoever is new, and hands out one worker for each job."""

    def __init__(
        self,
        client: Client,
        ours: Probe,
        memory: int | None,
        any_bits: bool,
        told_to_stop: ToldToStop = lambda: False,
        patience: float = PATIENCE,
    ) -> None:
        self.client, self.memory, self.any_bits = client, memory, any_bits
        self.answers = Answers(client)
        self.asking, self._wishes = Asking(client, self.answers), Wishes(client)
        self.wanted = 1  # workers, beyond those that are there
        self._ours, self._news = {_name(USUAL): ours}, list[str]()
        self._change = threading.Condition()
        self._present: set[str] = set()
        self._compared: dict[str, bool | None] = {}  # whether it may train, None until that is known
        self._hosts: dict[str, str] = {}
        self._bits: dict[tuple[str, str], str] = {}  # by worker and kind
        self._free: list[str] = []
        self._size = 0
        self._started = False
        self._examiners = ThreadPoolExecutor(64)
        try:
            self._muster(patience, told_to_stop)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._keep_looking, daemon=True).start()

    def _muster(self, patience: float, told_to_stop: ToldToStop) -> None:
        """Wait for workers, and until they have been compared: not for long where others keep them busy.

        Raises UsageError where none is there or may train, and StoppedError when told to.
        """
        for _ in _seconds(patience, told_to_stop):
            if welcomed := self._look():
                break
            time.sleep(BETWEEN_LOOKS)
        else:
            raise UsageError(f"--cluster: the scheduler has no worker after {patience:g} seconds; start some first")
        for seconds in _seconds(PATIENCE, told_to_stop):
            pending = wait(welcomed, BETWEEN_LOOKS).not_done
            busy = self._busy() if seconds > FOR_BUSY else 0
            if len(pending) <= busy or self.answers.over:
                break
            welcomed += self._look()
        if not self.size and not busy:
            why = OTHER_BITS if False in self._compared.values() else "no worker of the scheduler answers"
            raise UsageError("\n".join([f"--cluster: {why}", *self.news()]))
        with self._change:
            self._started = True
            if self.size:
                self._news.insert(0, self._crew_line())
            if busy:
                self._news.append(f"cluster  {counted(busy, 'worker')} busy with other work, for whose end trials wait")

    def _busy(self) -> int:
        """How many have other tasks, and so have not yet been compared."""
        with suppress(Exception):  # the scheduler may be gone
            tasks = self.client.processing()
            undecided = [address for address, compared in self._compared.items() if compared is None]
            return sum(len(tasks.get(address, ())) > 1 for address in undecided)  # one is to be compared
        return 0

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
        self._end(gone=False)
        self._examiners.shutdown(wait=False, cancel_futures=True)

    def lost(self) -> None:
        """The scheduler is gone, as all learn who wait for a worker."""
        self._end(gone=True)

    def _end(self, gone: bool) -> None:
        with self._change:
            self.answers.end(gone)
            self._change.notify_all()

    @contextmanager
    def one(self, avoided: str | None) -> Iterator[str]:
        """A free worker, when there is one, and another than that if there is another."""
        with self._change:
            while not self.answers.over and not self._free:
                if self._present and all(self._compared.get(each) is False for each in self._present):
                    raise NnrunError(LEFT_OVER)
                self._change.wait()
            if self.answers.over:
                raise self.answers.why_over()
            address = next((each for each in self._free if each != avoided), self._free[0])
            self._free.remove(address)
        try:
            yield address
        finally:
            with self._change:
                if address in self._present and self._compared.get(address):
                    self._free.append(address)
                    self._change.notify()

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
        """The address of a worker, with its host where that is known."""
        return f"{address} on {self._hosts[address]}" if address in self._hosts else address

    def forget(self, address: str) -> None:
        """Compare a worker anew: another process has its address."""
        with self._change:
            self._bits = {key: bits for key, bits in self._bits.items() if key[0] != address}

    def _count(self) -> None:
        """Who may train, when that has changed: it is asked for several times a job."""
        self._size = sum(bool(self._compared.get(address)) for address in self._present)

    def _keep_looking(self) -> None:
        while not self.answers.over:
            self._look()
            time.sleep(BETWEEN_LOOKS)

    def _look(self) -> list[Future[None]]:
        """Whoever is new is compared, in the background."""
        try:
            present = set(self.client.nthreads())
            self._wishes.become(self.wanted or not present)
        except Exception:  # of many kinds
            present = set()
            self.lost()
        with self._change:
            new, left, self._present = present - set(self._compared), set(self._compared) - present, present
            for address in left:
                was_counted = self._compared.pop(address)
                self._count()
                if was_counted:
                    self._news.append(f"cluster  worker {address} has left, {self.size} left to train")
                self._bits = {key: bits for key, bits in self._bits.items() if key[0] != address}
            self._free = [address for address in self._free if address in present]
            self._compared |= dict.fromkeys(new)
            self.answers.only_of(present)
            self._change.notify_all()
        for address in left:
            self.asking.forget(address)
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
            theirs = json.loads(self.answers.fetch(future, address))
        except (WorkerDiedError, NnrunError):
            raise
        except Exception as error:  # whatever another nnrun, or none, makes of this
            theirs = {"error": f"{type(error).__name__}: {error}"}
        if "bits" not in theirs:
            self.bench(address, [f"nnrun does not run there ({theirs['error']})"])
            return False
        self._hosts[address] = theirs["here"]["host"]["name"]
        found = differences(self._own(kind), theirs)
        if theirs.get("protocol") != worker.PROTOCOL:
            self.bench(address, ["its nnrun takes jobs in another way than this one hands them out", *found])
            return False
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


def _seconds(most: float, told_to_stop: ToldToStop) -> Iterator[float]:
    """Seconds that have passed, until they are so many; StoppedError when told to stop."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < most:
        if told_to_stop():
            raise StoppedError("stopped while the workers of the cluster were looked at; nothing was trained")
        yield passed


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
