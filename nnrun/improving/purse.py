"""What may still be spent: by the ledger, or where the budget is a time by the clock and what it allowed before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from nnrun.files import checksum, to_json
from nnrun.improving.budget import Budget, Spent
from nnrun.improving.standing import Ask
from nnrun.improving.strategy import Steps
from nnrun.runs.rundir import RunDir

AFFORDED = "afforded"  # an event: a step was begun that a budget of time had room for


@dataclass
class Purse:
    """Says what may be spent. What was spent before is known by the ledger, or by the clock and the events."""

    budget: Budget
    run: RunDir
    strategy: Steps
    seconds: float  # that earlier calls ran
    begun: float = field(default_factory=time.monotonic)

    def affords(self, cost: Spent, asks: Sequence[Ask]) -> bool:
        """Whether so much more may be spent, beginning with these trainings."""
        spent = self.strategy.spent()
        if self.budget.unit != "seconds":
            return self.budget.holds(spent + cost)
        first, what = self.strategy.next, checksum(to_json([ask.settings for ask in asks]).encode())
        decided = {event["first"]: event["what"] for event in self.run.events() if event["event"] == AFFORDED}
        if first in decided:
            return decided[first] == what
        if self.strategy.has_begun(first):  # with what comes after the steps, as there was no room for another one
            return False
        running = self.seconds + time.monotonic() - self.begun
        holds = self.budget.holds(Spent(seconds=running + cost.epochs * running / max(1, spent.epochs)))
        if holds:
            self.run.event(AFFORDED, durable=True, epoch=None, first=first, what=what)
        return holds
