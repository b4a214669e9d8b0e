"""A search that this process holds, and its clock."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.experiment import CACHE
from nnrun.rundir import RunDir
from nnrun.search.executors import Executor
from nnrun.search.ledger import Ledger
from nnrun.search.options import Options
from nnrun.search.space import Space
from nnrun.search.study import Metric


@dataclass(frozen=True)
class Search:
    """A search that this process holds."""

    run: RunDir
    config: Config
    dataset: Dataset
    plan: dict[str, Any]  # search.yaml
    options: Options
    executor: Executor
    known: list[Config]  # of the first trials, which no strategy chooses: the config as written, search.enqueue

    @cached_property
    def space(self) -> Space:
        """What is searched."""
        return Space.of(self.plan["space"])

    @property
    def metric(self) -> Metric:
        """What is minimised."""
        return Metric(self.plan["metric"])

    @property
    def total(self) -> int:
        """The number of trials asked for."""
        return int(self.plan["totals"][-1])

    @property
    def repeats(self) -> int:
        """How often the best trials are trained again."""
        return int(self.plan["repeat"] or 0)

    @property
    def ledger(self) -> Ledger:
        """trials.jsonl."""
        return Ledger(self.run.path / "trials.jsonl")

    @property
    def folder(self) -> Path:
        """Where the trials' directories lie."""
        return self.run.path / "trials"

    def job(self, folder: Path, continued: bool = False) -> dict[str, Any]:
        """What all jobs share whose trials lie in this folder; whether a later trial may continue one of them."""
        return {"folder": str(folder), "cache": str(self.run.path.parent / CACHE), "continued": continued}


@dataclass(frozen=True)
class Clock:
    """The running time of a search, calls before this one included, and its limit."""

    before: float
    limit: float = math.inf
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Until now."""
        return self.before + time.monotonic() - self.begun

    @property
    def left(self) -> float:
        """Until the limit."""
        return self.limit - self.seconds
