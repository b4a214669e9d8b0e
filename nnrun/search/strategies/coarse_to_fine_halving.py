"""Coarse to fine with halving inside a stage: only its best trials train to the end, and they make the next box."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nnrun.config.space.settings import Values
from nnrun.search.strategies.coarse_to_fine import SIZE, CoarseToFine
from nnrun.search.strategies.halving import FACTOR
from nnrun.search.strategies.stages import Stage
from nnrun.search.strategies.strategy import GENERATION, Brief, Point, Strategy, generator

FINALISTS = SIZE // FACTOR
WHOLE = SIZE + FINALISTS  # numbers a stage: its fresh trials, then the best of them again, continued


class CoarseToFineHalving(Strategy):
    """Stages of 12 fresh trials for a third of the epochs, of which the best 4 go on to the end.

    The fresh trials are those of `CoarseToFine`, which learns the results of the finalists only: trials of equal
    length are compared. The others count there as finished without a result, as failed ones do.
    """

    continues_trials = True
    help = "as coarse_to_fine, for a third of the epochs; a stage's best 4 go on to the end and make the next box"

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        first, awaited = _fresh_below(brief.first), frozenset(map(_fresh_below, filter(_is_fresh, brief.awaited)))
        self._zoom = CoarseToFine(replace(brief, first=first, awaited=awaited))
        self._results: dict[int, tuple[float, Values]] = {}
        self._zoomed = 0  # stages whose results the zoom has been told

    def tell(self, number: int, values: Mapping[str, Any], value: float) -> None:
        """Keeps the result until its stage is finished."""
        super().tell(number, values, value)
        self._results[number] = value, dict(values)

    def epochs(self, number: int) -> int:
        """A third of all for a fresh trial."""
        halved = _is_fresh(number) and number >= self.brief.first
        return math.ceil(self.brief.epochs / FACTOR) if halved else self.brief.epochs

    def propose(self, number: int) -> Point | None:
        """A fresh trial, or the continuation of a finalist; None until all trials that it rests on are told.

        If too many of a stage failed, trials from the whole space take the places of finalists.
        """
        begin = number - number % WHOLE
        if not self.settled(begin if _is_fresh(number) else begin + SIZE):
            return None
        if _is_fresh(number):
            self._tell_zoom(number // WHOLE)
            point = self._zoom.propose(_fresh_below(number))
            return point and replace(point, number=number, epochs=self.epochs(number))
        finalist = self._finalists(begin).get(number)
        if finalist is not None:
            return Point(number, self._results[finalist][1], resume=finalist)
        units = generator(self.brief.seed, GENERATION, number).random(len(self.brief.space.parameters))
        return Point(number, self.brief.space.decode(units.tolist()))

    def stages(self) -> list[Stage]:
        """As `CoarseToFine` records them, with the numbers of this search."""
        begun = max(self._told, default=0) // WHOLE
        if self.settled(begun * WHOLE):
            self._tell_zoom(begun)
            self._zoom.propose(begun * SIZE)  # draws the box of that stage
        return [replace(s, first=_number(s.first), best=_number(s.best)) for s in self._zoom.stages()]

    def warnings(self) -> list[str]:
        """Where the best finalist so far lies at the edge of the user's range."""
        return self._zoom.warnings()

    def _finalists(self, begin: int) -> dict[int, int]:
        """The best fresh trials of a stage, each by the number of its continuation.

        What the user gave has trained to its end already, and may have the number of a continuation.
        """
        fresh = [n for n in range(max(begin, self.brief.first), begin + SIZE) if math.isfinite(self._results[n][0])]
        places = range(max(begin + SIZE, self.brief.first), begin + WHOLE)
        return dict(zip(places, sorted(fresh, key=lambda n: (self._results[n][0], n)), strict=False))

    def _tell_zoom(self, stages: int) -> None:
        """Every trial of the stages below this one: finalists and given ones with their result."""
        for begin in range(self._zoomed * WHOLE, stages * WHOLE, WHOLE):
            continued = {finalist: number for number, finalist in self._finalists(begin).items()}
            for number in (n for n in range(begin, begin + SIZE) if n in self._results):
                source = number if number < self.brief.first else continued.get(number)
                value = math.nan if source is None else self._results[source][0]
                self._zoom.tell(_fresh_below(number), self._results[number][1], value)
        self._zoomed = max(self._zoomed, stages)


def _is_fresh(number: int) -> bool:
    return number % WHOLE < SIZE


def _fresh_below(number: int) -> int:
    """How many fresh trials have lower numbers: what a fresh one is called by the zoom."""
    stage, slot = divmod(number, WHOLE)
    return stage * SIZE + min(slot, SIZE)


def _number(fresh: int) -> int:
    """The number of a fresh trial in this search."""
    return fresh // SIZE * WHOLE + fresh % SIZE
