"""What a call of the command decides about a search."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnrun.assembly import memory_available
from nnrun.search.cohorts import LARGEST
from nnrun.search.executors import Executor, Inline, Pool

MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Options:
    """What no result depends on."""

    workers: int = 1
    seconds: float = math.inf
    target: float = -math.inf
    trial_timeout: float | None = None
    trial_memory: int | None = None
    most_stacked: int = LARGEST
    in_process: bool = True  # one worker without limits may be this process, which then cannot stop in mid-trial

    def executor(self) -> Executor:
        """Workers that can be killed, or this process."""
        if self.in_process and self.workers == 1 and self.trial_timeout is None and self.trial_memory is None:
            return Inline()
        memory = self.trial_memory or int(MEMORY_SHARE * memory_available() / self.workers)
        return Pool(self.workers, self.trial_timeout, memory)
