"""Successive halving: many trials for few epochs; the best third of them goes on for three times as many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from nnrun.config.values import Settings
from nnrun.search.strategies.strategy import Brief, Point, Strategy, draw

FACTOR = 3


class Result(NamedTuple):
    """What came of a trial, and of which settings."""

    value: float
    loss: float
    settings: Settings


def best_first(results: Mapping[int, Result], numbers: Iterable[int]) -> list[int]:
    """The numbers of trials that have a finite value, best first: by it, then by dev loss, then by number."""
    finite = [number for number in numbers if math.isfinite(results[number].value)]
    return sorted(finite, key=lambda number: (results[number].value, results[number].loss, number))


@dataclass(frozen=True)
class Rung:
    """Trials that train until the same epoch."""

    bracket: int
    level: int  # 0: fresh trials; above: continued ones
    first: int  # number of its first trial
    size: int
    epochs: int

    @property
    def numbers(self) -> range:
        """The numbers of its trials."""
        return range(self.first, self.first + self.size)


def rung_table(brief: Brief) -> list[Rung]:
    """The rungs of every bracket, in the order of their trials; each extension of the search opens a bracket."""
    table: list[Rung] = []
    begin = brief.first
    for bracket, end in enumerate(brief.totals):
        table += _bracket(bracket, begin, end - begin, brief.epochs)
        begin = max(begin, end)
    return table


def _bracket(bracket: int, first: int, trials: int, epochs: int) -> list[Rung]:
    """As many levels as epochs and trials allow; what does not divide evenly goes to the second level."""
    levels = 1
    while FACTOR**levels <= epochs and sum(FACTOR**i for i in range(levels + 1)) <= trials:
        levels += 1
    fresh = max((n for n in range(trials + 1) if sum(_sizes(n, levels)) <= trials), default=0)
    sizes = _sizes(fresh, levels)
    sizes[min(1, levels - 1)] += trials - sum(sizes)
    rungs = []
    for level, size in enumerate(sizes):
        rungs.append(Rung(bracket, level, first, size, math.ceil(epochs / FACTOR ** (levels - 1 - level))))
        first += size
    return rungs if trials > 0 else []


def _sizes(fresh: int, levels: int) -> list[int]:
    return [fresh // FACTOR**level for level in range(levels)]


class Halving(Strategy):
    """Rung after rung; a rung begins when the one before is finished, so the number of workers changes nothing.

    A trial that failed, diverged or was ended by early stopping is never continued; if too few are left, fresh draws
    take their places.
    """

    continues_trials = learns = True
    help = f"many trials for few epochs, the best 1 in {FACTOR} goes on for {FACTOR} times as many"

    def __init__(self, brief: Brief) -> None:
        super().__init__(replace(brief, awaited=frozenset()))
        self.rungs = rung_table(brief)
        self._results: dict[int, Result] = {}
        self._survivors: dict[int, list[int]] = {}  # by the first number of the rung that they reach

    @classmethod
    def heading(cls, brief: Brief) -> list[str]:
        """How many trials train until which epoch."""
        rungs = rung_table(brief)
        return [
            f"rung     trials {rung.first} to {rung.first + rung.size - 1} until epoch {rung.epochs}"
            + (f", the best of those until epoch {below.epochs}" if rung.level else "")
            for below, rung in zip([*rungs[:1], *rungs], rungs, strict=False)
        ]

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """Keeps the result for the promotion; trials before the first bracket take no part."""
        super().tell(number, values, value, loss, stopped)
        if number >= self.brief.first:
            self._results[number] = Result(value, loss, dict(values))

    def epochs(self, number: int) -> int:
        """The epochs of a trial's rung; a trial in none trains to the end."""
        return next((rung.epochs for rung in self.rungs if number in rung.numbers), self.brief.epochs)

    def behind(self, number: int) -> int:
        """The epochs of the rung below."""
        pairs = pairwise(self.rungs)
        return next((below.epochs for below, rung in pairs if number in rung.numbers and rung.level), 0)

    @classmethod
    def compared(cls, brief: Brief, numbers: Iterable[int]) -> set[int]:
        """The lowest rung, and that of each extension which ends at the same epoch."""
        rungs = rung_table(brief)
        lowest = [rung.numbers for rung in rungs if rung.level == 0 and rung.epochs == rungs[0].epochs]
        return {number for number in numbers if any(number in rung for rung in lowest)}

    def may_continue(self, number: int) -> bool:
        """As long as it is not over, and not all of the next rung are told."""
        above = next((above for rung, above in pairwise(self.rungs) if number in rung.numbers), None)
        if above is None or above.level == 0 or number in self._over:
            return False
        return not self.settled(above.first + above.size)

    def propose(self, number: int) -> Point | None:
        """A fresh draw or the continuation of a survivor; None until the rung below is finished."""
        at = next((i for i, rung in enumerate(self.rungs) if number in rung.numbers), None)
        if at is None:
            return None
        rung, below = self.rungs[at], self.rungs[at - 1]
        if rung.level and not self.settled(rung.first):
            return None
        survivors = self._promoted(below, rung) if rung.level else []
        place = number - rung.first
        if place < len(survivors):
            parent = survivors[place]
            return Point(number, self._results[parent].settings, rung.epochs, parent)
        return Point(number, self.brief.space.decode(draw(self.brief, number)), rung.epochs)

    def _promoted(self, below: Rung, rung: Rung) -> list[int]:
        """The trials of a finished rung that go on, best first."""
        if rung.first not in self._survivors:
            able = set(below.numbers) - self._over
            self._survivors[rung.first] = best_first(self._results, able)[: rung.size]
        return self._survivors[rung.first]
