"""The loop of a search: ask the strategy, hand out cohorts, record and tell. It gets its work as an argument."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from nnrun.engine.scores import Objective
from nnrun.errors import NnrunError
from nnrun.runs.full_disk import DiskFullError
from nnrun.runs.rundir import RunDir
from nnrun.search.executors import Executor, Failure, Work, WorkerDiedError
from nnrun.search.flatness import Flatness
from nnrun.search.ledger import Ledger
from nnrun.search.plan import Plan
from nnrun.search.pruning import EpochLimits, Median
from nnrun.search.record import EndedBy, Rank, TrialRecord, TrialResult, dev_loss, rank
from nnrun.search.strategies.strategy import Point, Strategy
from nnrun.search.trials import Answer, Job, SharedJob, Trial, cohort, entry, failed

ATTEMPTS = 2  # of a trial that crashes by itself
KILLS = 20  # from outside, after which a trial is given up all the same
LOOK_AHEAD = 256  # trials that wait at most: enough to find some of one shape among them
SECONDS_BETWEEN_LOOKS = 0.1
CHECKPOINTS_KEPT = 100  # of the best trials


@dataclass(frozen=True)
class Budget:
    """When a search ends: after so many trials, with the time, at a value that is good enough, or when it is flat."""

    trials: int
    left: Callable[[], float] = lambda: math.inf  # seconds
    target: float = -math.inf
    flat: Flatness | None = None


class Watcher:
    """Hears how a search goes; this one keeps quiet."""

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """A piece of the data is prepared, as a Listener hears it."""

    def started(self, run: RunDir, plan: Plan) -> None:
        """The search has its directory and begins, or goes on."""

    def outlook(self, told: Callable[[], list[str]]) -> None:
        """Lines on how long it may take, which are worked out where they are wanted."""

    def say(self, line: str) -> None:
        """Something to know besides trials."""

    def recalled(self, record: TrialRecord) -> None:
        """A trial was over before this call."""

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A trial is over; `best` is the best so far."""

    def began(self, trials: Sequence[Trial]) -> None:
        """The trials have been handed out, perhaps not for the first time."""

    def stood(self, seconds: float) -> None:
        """For so long the search was paused."""

    def waiting(self, running: int) -> None:
        """Said several times a second: so many trials are in training."""


@dataclass
class Study:
    """A strategy at work on an executor, recorded in a ledger."""

    strategy: Strategy
    make: Callable[[Point], Trial | TrialResult]  # a result at once where the settings contradict themselves
    given: Sequence[Point]  # trials that no strategy chose: the config as written
    metric: Objective
    ledger: Ledger
    executor: Executor
    work: Work[Job, Answer]
    job: SharedJob
    watcher: Watcher
    pruner: Median | None = None  # ends trials early
    drop_checkpoints: Callable[[int], None] = lambda number: None  # of a trial by its number
    finished: int = field(default=0, init=False)
    _best: TrialRecord | None = field(default=None, init=False)
    _ranks: list[Rank] = field(default_factory=list, init=False)  # of the best, best first
    _outranked: list[int] = field(default_factory=list, init=False)  # trials whose checkpoints are to go
    _known: set[int] = field(default_factory=set, init=False)  # numbers that are finished, waiting or in flight
    _budget: Budget = field(init=False)  # that of `run`
    _queue: list[Trial] = field(default_factory=list, init=False)
    _flying: dict[Future[Answer | Failure], list[Trial]] = field(default_factory=dict, init=False)
    _training: int = field(default=0, init=False)  # trials in flight
    # Jobs that have ended; None: a worker is free.
    _landed: SimpleQueue[Future[Answer | Failure] | None] = field(default_factory=SimpleQueue, init=False)

    def run(self, budget: Budget, told_to_stop: Callable[[], bool] = lambda: False) -> None:
        """Go on until the budget ends or told to stop; finished trials are never run again."""
        self._budget = budget
        self._recall()
        try:
            self._go_on(told_to_stop)
        finally:
            self._tell_news()  # which may be why it has ended

    def _go_on(self, told_to_stop: Callable[[], bool]) -> None:
        while not told_to_stop() and not self._spent():
            self._fill()
            self._launch()
            self.executor.want(len(self._queue))
            if not self._flying:
                self._drop_outranked()
                break
            self._tell_news()
            self.watcher.waiting(self._training)
            for future in self._landed_by_now():
                trials = self._flying.pop(future)
                self._training -= len(trials)
                self._land(trials, future)

    def best(self) -> TrialRecord | None:
        """The best finished trial so far."""
        return self._best

    @property
    def records(self) -> list[TrialRecord]:
        """All finished trials by number, from the ledger: memory does not grow with them."""
        return self.ledger.read()[0]

    def _recall(self) -> None:
        """Tell the strategy and the watcher what the ledger holds."""
        for record in self.records:
            self._note(record)
            self.watcher.recalled(record)

    def _note(self, record: TrialRecord) -> None:
        value = math.nan if record["metric"] is None else record["metric"]
        self.finished += 1
        self._known.add(record["number"])
        stopped = record.get("stopped_early", False)
        self.strategy.tell(record["number"], record["values"], value, dev_loss(record), stopped)
        if self.pruner:
            self.pruner.tell(record)
        if self._budget.flat:
            self._budget.flat.tell(record["number"], value)
        if not math.isnan(value) and (self._best is None or rank(record) < rank(self._best)):
            self._best = record
        insort(self._ranks, rank(record))
        if len(self._ranks) > CHECKPOINTS_KEPT:
            self._outranked.append(self._ranks.pop()[-1])
        if not self.strategy.continues_trials:  # else any of them may be needed until the end
            self._drop_outranked()

    def _drop_outranked(self) -> None:
        """Let go of the checkpoints of trials that fell out of the best, unless the strategy may continue them.

        A kill may come at any instant, so a search that is resumed does this anew for all of them.
        """
        outranked, self._outranked = self._outranked, []
        for number in outranked:
            if self.strategy.may_continue(number):
                self._outranked.append(number)
            else:
                self.drop_checkpoints(number)

    def _spent(self) -> bool:
        return self._reached or self._flat or self._budget.left() <= 0

    @property
    def _reached(self) -> bool:
        best = self._best and self._best["metric"]
        return best is not None and best <= self._budget.target

    @property
    def _flat(self) -> bool:
        return self._budget.flat is not None and self._budget.flat.found is not None

    def ended_by(self, told_to_stop: Callable[[], bool]) -> EndedBy:
        """Why it did not go on."""
        if self.finished >= self._budget.trials:  # of many workers the last may end before it is known to be flat
            return "flat" if self._flat else "trials"
        if self._reached:
            return "target"
        if told_to_stop():
            return "signal"
        if self._flat:
            return "flat"
        return "timeout" if self._budget.left() <= 0 else "points"

    def _fill(self) -> None:
        """Put the trials that are known by now into the queue, as many as it takes."""
        while points := self._fresh_points():
            for point in points:
                self._known.add(point.number)
                made = self.make(point)
                if isinstance(made, Trial):
                    self._queue.append(made)
                else:
                    self._finish([made])

    def _fresh_points(self) -> list[Point]:
        given = [p for p in self.given if p.number not in self._known and p.number < self._budget.trials]
        room = min(LOOK_AHEAD - len(self._queue), self._budget.trials - len(self._known) - len(given))
        return given + self.strategy.ask(max(0, room))

    def _launch(self) -> None:
        while len(self._flying) < self.executor.workers and (ready := self._ready()):
            share = math.ceil(len(ready) / self.executor.workers)
            trials = [ready[i] for i in cohort(ready, share)]
            chosen = {trial.number for trial in trials}
            self._queue = [trial for trial in self._queue if trial.number not in chosen]
            for trial in trials:
                trial.attempts += 1
            job: Job = {**self.job, "trials": [trial.as_job(self._ceilings(trial)) for trial in trials]}
            future = self.executor.submit(self.work, job, partial(self._landed.put, None))
            self._flying[future] = trials
            self._training += len(trials)
            self.watcher.began(trials)
            future.add_done_callback(self._landed.put)

    def _ready(self) -> list[Trial]:
        """Trials in the queue for which nothing has to be waited for; while nothing flies, the first one is."""
        ready, flat, workers = self._queue, self._budget.flat, self.executor.workers
        if self.pruner:
            ready = [trial for trial in ready if self.pruner.ready(trial.number)]
        return [trial for trial in ready if flat.ready(trial.number, workers)] if flat else ready

    def _ceilings(self, trial: Trial) -> EpochLimits | None:
        return self.pruner.ceilings(trial.number, trial.config["training"]["epochs"]) if self.pruner else None

    def _tell_news(self) -> None:
        for line in self.executor.news():
            self.watcher.say(line)

    def _landed_by_now(self) -> Iterator[Future[Answer | Failure]]:
        """Jobs that have ended, each once; a while passes where there is none, and no worker is free.

        They tell it themselves: to ask all that are in flight would take longer with every worker.
        """
        with suppress(Empty):
            landed = self._landed.get(timeout=SECONDS_BETWEEN_LOOKS)
            while landed:
                yield landed
                landed = self._landed.get_nowait()

    def _land(self, trials: list[Trial], future: Future[Answer | Failure]) -> None:
        """Records, or another attempt; a cohort that failed is run again trial by trial, to find the culprit."""
        error = future.exception()
        if isinstance(error, NnrunError):
            raise error
        result = Failure(error=_words(error)) if error else future.result()
        if "results" in result:
            results = zip(trials, result["results"], strict=True)
            self._finish([record | {"attempt": trial.attempts} for trial, record in results])
            return
        if result.get("disk_full"):  # no trial's fault, and the next ones would meet it too
            raise DiskFullError(result["error"])
        killed = isinstance(error, WorkerDiedError) and error.killed
        late = isinstance(error, TimeoutError) and len(trials) == 1  # it would take as long once more
        for trial in trials:
            trial.kills += killed
            trial.attempts -= killed or len(trials) > 1  # neither a kill nor the failure of a stack is its own
            if late or trial.attempts >= ATTEMPTS or trial.kills >= KILLS:
                self._finish([failed(trial.number, trial.values, result["error"]) | {"attempt": trial.attempts}])
            else:
                trial.alone = trial.alone or (len(trials) > 1 and not killed)
                self._queue.insert(0, trial)

    def _finish(self, results: Sequence[TrialResult]) -> None:
        records = [entry(result, self.metric) for result in results]
        self.ledger.append(*records)
        for record in records:
            self._note(record)
            self.watcher.trial(record, self._best or record, self.finished)


def _words(error: BaseException) -> str:
    return "took longer than --trial-timeout" if isinstance(error, TimeoutError) else str(error) or repr(error)
