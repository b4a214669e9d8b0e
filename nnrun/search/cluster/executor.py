"""The executor of a cluster: a thread for each job picks a worker, sends what it lacks, waits and fetches."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from nnrun.errors import DataError, UsageError
from nnrun.runs.finding import trial_name
from nnrun.runs.listener import ToldToStop
from nnrun.search.cluster import allowance, worker
from nnrun.search.cluster.allowance import ROOM
from nnrun.search.cluster.answers import SchedulerGoneError
from nnrun.search.cluster.arrivals import Arrivals, answer_in, names_of
from nnrun.search.cluster.asking import Asked
from nnrun.search.cluster.connecting import connected, exposed
from nnrun.search.cluster.crew import USUAL, Crew, own_probe
from nnrun.search.cluster.departures import Departures
from nnrun.search.cluster.parcels import Freight, most_of_parcel
from nnrun.search.cluster.sameness import Kind
from nnrun.search.cluster.worker import Refusal, Request, Train
from nnrun.search.executors import Failure, Result, SentJob, Work, WorkerDiedError
from nnrun.search.executors import Job as AJob
from nnrun.search.trials import Job

MOST_THREADS = 4096  # each waits for a job
BETWEEN_TRIES, EACH_TRY = 1.0, 5.0  # seconds; a try is to connect anew, and then to find a first worker
MOST_SENDINGS = 5  # of a job's folders to a worker, which may have lost what it had
BROKEN = "what it is sent does not arrive whole, or does not stay so"
LONGEST_WORDS = 10_000  # of why a trial failed, which the ledger keeps


class Trained(NamedTuple):
    """A job that has ended well, whose answer is still where it was trained."""

    asked: Asked
    bits: str  # of its worker


class Cluster:
    """Workers of a scheduler, each with one job at most; none needs a disk that this process sees."""

    def __init__(
        self,
        address: str,
        timeout: float | None,
        memory: int | None,
        any_bits: bool,
        wait: float = 0.0,
        told_to_stop: ToldToStop = lambda: False,
    ) -> None:
        self.address, self.timeout, self.memory = address, timeout, memory
        self.any_bits, self.wait = any_bits, wait
        self._crew = self._connect(told_to_stop)
        self._mending, self._news = threading.Lock(), exposed(self.address)
        self._over = False
        self._threads = ThreadPoolExecutor(MOST_THREADS)
        self._departures, self._arrivals = Departures(), Arrivals()
        self._lock = threading.Lock()
        self._last: dict[int, str] = {}  # trial -> the worker that was lost with it
        self._returning = 0  # jobs that are trained and on their way back

    @property
    def workers(self) -> int:
        """How many may train, now; one where all have gone, so that the next that comes finds a job.

        A worker takes the next job while what it has trained comes back.
        """
        return max(1, self._crew.size) + self._returning

    def want(self, jobs: int) -> None:
        """Let a cluster that grows by itself know that this many more workers would have work."""
        self._crew.wanted = jobs

    def news(self) -> list[str]:
        """Workers that were refused, and why; before them, who else can reach the workers."""
        told, self._news = self._news, []
        return [*told, *self._crew.news()]

    def submit(
        self, work: Work[AJob, Result], job: AJob, freed: Callable[[], object] = lambda: None
    ) -> Future[Result | Failure]:
        """Hand the job to a worker that is free; it is a SentJob."""
        return self._threads.submit(self._do, cast(Train, work), cast(SentJob, job), freed)

    def close(self) -> None:
        """Let go of what runs, which workers end then, and leave the cluster as it was."""
        self._over = True
        self._crew.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown()
        self._connection.close()
        self._departures.close()
        self._arrivals.close()

    def _connect(self, told_to_stop: ToldToStop, **patience: float) -> Crew:
        """The workers of the scheduler that is there, until another one is."""
        with ExitStack() as held:
            client = held.enter_context(connected(self.address, **patience))
            crew = Crew(client, own_probe(**USUAL), self.memory, self.any_bits, told_to_stop, **patience)
            held.callback(crew.close)
            self._connection = held.pop_all()
        return crew

    def _do(self, work: Train, job: SentJob, freed: Callable[[], object]) -> Any:
        """The results that the directories tell which came back, or the answer of a job that leaves none."""
        while True:
            crew, number = self._crew, job["trials"][0]["number"]
            try:
                with crew.one(self._last.get(number)) as address:
                    trained = self._trained(work, job, crew, address)
                if isinstance(trained, Trained):
                    with self._another_meanwhile(freed):
                        trained = self._fetched(trained, job, crew, address)
            except SchedulerGoneError:
                self._await_another(crew)
                continue
            except WorkerDiedError as error:
                self._last[number] = address
                raise error from None
            if trained is not None:
                return trained

    @contextmanager
    def _another_meanwhile(self, freed: Callable[[], object]) -> Iterator[None]:
        """A job is on its way back: that takes longer than to hand out the next one."""
        with self._lock:
            self._returning += 1
        freed()
        try:
            yield
        finally:
            with self._lock:
                self._returning -= 1

    def _await_another(self, old: Crew) -> None:
        """Whoever comes first connects anew, for all who have lost a scheduler; SchedulerGoneError where none comes."""
        with self._mending:
            if self._crew is not old:
                return
            until = time.monotonic() + self.wait
            if self.wait:
                self._news.append(f"cluster  the scheduler is gone; another one is waited for, {self.wait:g} s at most")
            old.lost()
            self._connection.close()
            while time.monotonic() < until and not self._over:
                with suppress(UsageError):
                    self._crew = self._connect(lambda: self._over, patience=min(EACH_TRY, until - time.monotonic()))
                    return
                time.sleep(min(BETWEEN_TRIES, max(0.0, until - time.monotonic())))
            self.wait = 0.0
            raise SchedulerGoneError

    def _trained(self, work: Train, job: SentJob, crew: Crew, address: str) -> Trained | Failure | None:
        """What is to be fetched; None where this worker could not be asked."""
        training = job["trials"][0]["config"]["training"]
        kind: Kind = {"engine": training["engine"], "dtype": training["dtype"]}
        bits = crew.bits(address, kind)
        if bits is None:
            return None
        request, freights = self._request(job, kind, bits)
        for _ in range(MOST_SENDINGS):
            refusal = self._asked(work, request, crew, address)
            if isinstance(refusal, Trained):
                return refusal
            if refusal.get("changed"):
                crew.forget(address)
                return None
            if "need" not in refusal:
                return self._failure(refusal, crew, address)
            for name in refusal["need"]:
                if not self._send(freights[name], crew, address):
                    return None
        crew.bench(address, [BROKEN])
        return None

    def _asked(self, work: Train, request: Request, crew: Crew, address: str) -> Trained | Refusal:
        """Hand over a request, and wait until it has ended."""
        asked = crew.asking.ask(work, request, address)
        return self._refusal(asked, crew) if asked.refused else Trained(asked, request["bits"])

    def _refusal(self, asked: Asked, crew: Crew) -> Refusal:
        return cast(Refusal, json.loads(crew.asking.fetch(asked, ROOM)))

    def _failure(self, refusal: Refusal, crew: Crew, address: str) -> Failure | None:
        """Why a worker that could be asked has trained nothing."""
        if "died" in refusal:
            raise WorkerDiedError(refusal["died"])
        if refusal.get("late"):
            raise TimeoutError
        if refusal["failure"].get("disk_full"):  # of that worker: others may have room, and this disk is not theirs
            crew.bench(address, [refusal["failure"]["error"]])
            return None
        return {**refusal["failure"], "error": refusal["failure"]["error"][:LONGEST_WORDS]}

    def _fetched(self, trained: Trained, job: SentJob, crew: Crew, address: str) -> Any:
        """What a worker has trained, put where it belongs, or its answer; a Failure where that is refused.

        None where the worker could not pack it.
        """
        crew.asking.wait_for(trained.asked)  # first, as what follows would hold up the threads with the next job
        if trained.asked.refused:
            return self._failure(self._refusal(trained.asked, crew), crew, address)
        most = allowance.of_each(job, self._departures.fitted)
        try:
            if "folder" not in job:
                return answer_in(crew.asking.fetch(trained.asked, most))
            leaving = cast(Job, job)
            parcel = crew.asking.fetch(trained.asked, most_of_parcel(most, names_of(leaving)))
            return self._arrivals.settle(leaving, parcel, most, trained.bits if self.any_bits else None)
        except DataError as error:
            numbers = ", ".join(str(trial["number"]) for trial in job["trials"])
            return {"error": f"what worker {crew.name_of(address)} sent back of trial {numbers} is refused: {error}"}

    def _request(self, job: SentJob, kind: Kind, bits: str) -> tuple[Request, dict[str, Freight]]:
        """What is asked of the worker, and the folders that it names."""
        entries = self._departures.entries_of(job)
        parent, resumed = None, job["trials"][0].get("resume")
        if resumed is not None:
            parent = Freight.of(Path(cast(Job, job)["folder"]) / trial_name(resumed))
        request: Request = {
            "job": job,
            "kind": kind,
            "bits": bits,
            "entries": {section: freight.digest for section, freight in entries.items()},
            "parent": parent.digest if parent else None,
            "timeout": self.timeout,
            "memory": self.memory,
        }
        return request, {freight.digest: freight for freight in [*entries.values(), *([parent] if parent else [])]}

    def _send(self, freight: Freight, crew: Crew, address: str) -> bool:
        """Whether the worker has the folder now; one that has no room for it is given nothing any more."""
        run, sender = partial(crew.client.run, workers=[address]), secrets.token_hex(8)
        try:
            if run(worker.begin_folder, freight.digest, freight.size, sender)[address]:
                for name, start, chunk in freight.chunks():
                    run(worker.receive, sender, name, start, chunk)
                if not run(worker.end_folder, freight.digest, sender)[address]:
                    freight.check()
                    raise OSError(BROKEN)
            return True
        except (worker.TooFullError, OSError) as error:
            crew.bench(address, [str(error)])
            return False
