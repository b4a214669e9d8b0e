"""A search that this process holds: its options, its trials, and its clock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack, cast

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.errors import UsageError
from nnrun.machine import posix
from nnrun.machine.capacity import free_memory, usable_cores
from nnrun.machine.posix import LEAST_MEMORY
from nnrun.runs.environment import describe
from nnrun.runs.finding import TRIALS
from nnrun.runs.listener import ToldToStop
from nnrun.runs.preparing import CACHE
from nnrun.runs.rundir import RunDir
from nnrun.search.executors import Executor, Inline, Pool
from nnrun.search.ledger import Ledger
from nnrun.search.plan import Limits, Plan
from nnrun.search.trials import LARGEST, SharedJob

MEMORY_SHARE = 0.8
LEAST = {
    "workers": 1, "repeat": 1, "stack": 1, "timeout": 0, "trial_timeout": 0, "trial_memory": LEAST_MEMORY,
    "stop_when_flat": 0, "cluster_wait": 0,
}  # fmt: skip


def usual_workers(least_memory: int) -> int:
    """One for each core that may be used, as long as there is the least memory for each."""
    return max(1, min(usable_cores(), int(MEMORY_SHARE * free_memory()) // least_memory))


def options_of(
    workers: int | None,
    repeat: int | None,
    cluster: str | None = None,
    any_bits: bool = False,
    moved: Sequence[str] = (),
    **limits: Unpack[Limits],
) -> Options:
    """What who asks for a search has said; UsageError for what this system cannot do, or makes no sense.

    The workers are its own, or those of a cluster, whose bits must be those of this machine unless any will do.
    """
    given = {"workers": workers, "repeat": repeat, **limits}
    for name, least in LEAST.items():
        if given.get(name) is not None and not cast(float, given[name]) >= least:
            raise UsageError(f"--{name.replace('_', '-')} {given[name]}: {least} is the least")
    if math.isnan(limits.get("target") or 0):
        raise UsageError("--target nan: a value of the metric, such as 0.02")
    if limits.get("trial_memory") is not None and not posix.LIMITS_MEMORY:
        raise UsageError("--trial-memory: this system does not limit the memory of a process")
    if cluster is not None and workers is not None:
        raise UsageError("--workers has no meaning beside --cluster, where the cluster has the workers")
    if cluster is None and any_bits:
        raise UsageError("--allow-different-bits needs --cluster: workers here train to the same bits")
    if cluster is None and limits.get("cluster_wait") is not None:
        raise UsageError("--cluster-wait needs --cluster: it is for a scheduler that is gone")
    own = workers or usual_workers(LEAST_MEMORY)
    return Options(own, limits, repeat=repeat, cluster=cluster, any_bits=any_bits, moved=moved, in_process=False)


@dataclass(frozen=True)
class Options:
    """The command's options, on which no trial's numbers depend; None: as before, or no limit."""

    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    repeat: int | None = None  # trainings with new seeds of each of the best trials
    cluster: str | None = None  # where the workers are, if not here
    moved: Sequence[str] = ()  # where its data lies now, as settings of a config
    any_bits: bool = False  # whether workers may train there whose bits differ from those of this machine
    in_process: bool = True  # one worker without limits may be this process, which then cannot stop in mid-trial

    def kept(self) -> Limits:
        """What search.yaml holds of them; null where there is no limit."""
        return cast(Limits, {name: _finite(cast(Any, self.limits.get(name))) for name in Limits.__annotations__})

    def after(self, kept: Limits) -> Options:
        """With the limits of earlier calls, where this one gives none."""
        given = {name: limit for name, limit in self.limits.items() if limit is not None}
        return replace(self, limits=cast(Limits, {**kept, **given}))

    @property
    def workers_here(self) -> int | None:
        """How many there are, where that is known before they are: a cluster tells of its own."""
        return self.workers if self.cluster is None else None

    def stacked(self, worth: int) -> int:
        """How many trials to stack where so many are worth it."""
        return min(self.limits.get("stack") or LARGEST, worth)

    def executor(self, told_to_stop: ToldToStop = lambda: False) -> Executor:
        """Workers that can be killed, or this process; StoppedError when told to stop before there are any."""
        timeout, memory = self.limits.get("trial_timeout"), self.limits.get("trial_memory")
        if self.cluster is not None:
            from nnrun.search.cluster.executor import Cluster  # here, as few searches need it

            patience = self.limits.get("cluster_wait") or 0.0
            return Cluster(self.cluster, timeout, memory, self.any_bits, patience, told_to_stop)
        if self.in_process and self.workers == 1 and timeout is None and memory is None:
            return Inline()
        return Pool(self.workers, timeout, memory or self._memory())

    def _memory(self) -> int:
        """A worker's share of what is free, which is a limit, not a need: no less than what each can train in."""
        return max(LEAST_MEMORY, int(MEMORY_SHARE * free_memory() / self.workers))


def _finite(limit: float | None) -> float | None:
    """Infinity is how a call lifts a limit."""
    return None if limit is None or math.isinf(limit) else limit


@dataclass(frozen=True)
class Search:
    """A search that this process holds."""

    run: RunDir
    config: Config
    dataset: Dataset
    plan: Plan
    options: Options
    executor: Executor
    known: list[Config]  # of the first trials, which no strategy chooses: the config as written, search.enqueue

    @property
    def space(self) -> Space:
        """What is searched."""
        return self.plan.space

    @property
    def total(self) -> int:
        """The number of trials asked for."""
        return self.plan.total

    @property
    def repeats(self) -> int:
        """How often the best trials are trained again."""
        return self.plan.repeat or 0

    @property
    def ledger(self) -> Ledger:
        """The finished trials."""
        return Ledger.of(self.run, self.space)

    @property
    def folder(self) -> Path:
        """Where the trials' directories lie."""
        return self.run.path / TRIALS

    def dataset_of(self, config: Config) -> Dataset:
        """The prepared data of a trial, whose precision may be searched."""
        dtype = config.training.dtype
        return self.dataset if dtype == self.config.training.dtype else load_dataset(config.data, dtype, self._cache)

    @property
    def _cache(self) -> Path:
        return self.run.path.parent / CACHE

    def job(self, folder: Path, continued: bool = False) -> SharedJob:
        """What all jobs share whose trials lie in this folder; whether a later trial may continue one of them."""
        cache = str(self._cache)
        return {"folder": str(folder), "cache": cache, "continued": continued, "here": describe()}


KEPT_EVERY = 1.0  # seconds of running time, as each writing waits for the disk


@dataclass
class Clock:
    """The running time of a search, calls before this one included, and its limit."""

    before: float
    limit: float = math.inf
    begun: float = field(default_factory=time.monotonic)
    kept: float = field(init=False)  # what was written down last

    def __post_init__(self) -> None:
        self.kept = self.before

    def is_to_be_kept(self) -> bool:
        """Whether it is time to write it down, for the case that the search is killed."""
        due = self.seconds - self.kept >= KEPT_EVERY
        self.kept = self.seconds if due else self.kept
        return due

    @property
    def seconds(self) -> float:
        """The seconds until now."""
        return self.before + time.monotonic() - self.begun

    @contextmanager
    def standing(self) -> Iterator[None]:
        """What the block takes does not count."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.begun += time.monotonic() - began

    @property
    def left(self) -> float:
        """Until the limit."""
        return self.limit - self.seconds
