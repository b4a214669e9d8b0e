"""Coarse to fine with halving inside a stage: only its best trials train to the end, and they make the next box."""

from __future__ import annotations

import math
from dataclasses import replace

from nnrun.config.values import Settings
from nnrun.search.record import Stage
from nnrun.search.strategies.coarse_to_fine import SIZE, CoarseToFine
from nnrun.search.strategies.halving import FACTOR
from nnrun.search.strategies.strategy import GENERATION, Brief, Point, Strategy, generator

FINALISTS = SIZE // FACTOR
WHOLE = SIZE + FINALISTS  # trials a stage: its fresh ones, then the best of them again, continued

# A trial is numbered in three ways. A finalist has no fresh number of its own: the zoom knows it by that of the trial
# which it continues.
#
#                           stage 0             stage 1             stage 2
#                           fresh    finalists  fresh    finalists  fresh
#   number  in the search   0 … 11   12 … 15    16 … 27  28 … 31    32 …
#   slot    in its stage    0 … 11   12 … 15    0 … 11   12 … 15    0 …
#   fresh   in the zoom     0 … 11   –          12 … 23  –          24 …


class CoarseToFineHalving(Strategy):
    """Stages of 12 fresh trials for a third of the epochs, of which the best 4 go on to the end.

    The fresh trials are those of `CoarseToFine`, which learns the results of the finalists only: trials of equal
    length are compared. The others count there as finished without a result, as failed ones do.
    """

    continues_trials = True
    help = "as coarse_to_fine, for a third of the epochs; a stage's best 4 go on to the end and make the next box"

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        awaited = frozenset(_fresh_from(number) for number in brief.awaited if _is_fresh(number))
        self._zoom = CoarseToFine(replace(brief, first=_fresh_from(brief.first), awaited=awaited))
        self._results: dict[int, tuple[float, Settings]] = {}  # by number
        self._zoomed = 0  # stages whose results the zoom has been told

    @classmethod
    def heading(cls, brief: Brief) -> list[str]:
        """Until which epoch the trials of a stage train."""
        short = math.ceil(brief.epochs / FACTOR)
        best = f"then the best {FINALISTS} of those until epoch {brief.epochs}"
        return [f"stage    {SIZE} trials until epoch {short}, {best}"]

    def tell(self, number: int, values: Settings, value: float) -> None:
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
        stage = number // WHOLE
        if not self.settled(stage * WHOLE if _is_fresh(number) else stage * WHOLE + SIZE):
            return None
        if _is_fresh(number):
            self._tell_zoom(stage)
            point = self._zoom.propose(_fresh_from(number))
            return point and replace(point, number=number, epochs=self.epochs(number))
        parent = self._parents(stage).get(number)
        if parent is not None:
            return Point(number, self._results[parent][1], resume=parent)
        units = generator(self.brief.seed, GENERATION, number).random(len(self.brief.space.parameters))
        return Point(number, self.brief.space.decode(units.tolist()))

    def stages(self) -> list[Stage]:
        """As `CoarseToFine` records them, with the numbers of this search."""
        begun = max(self._told, default=0) // WHOLE
        if self.settled(begun * WHOLE):
            self._tell_zoom(begun)
            self._zoom.propose(begun * SIZE)  # draws the box of that stage
        return [{**s, "first": _number_of(s["first"]), "best": _number_of(s["best"])} for s in self._zoom.stages()]

    def warnings(self) -> list[str]:
        """Where the best finalist so far lies at the edge of the user's range."""
        return self._zoom.warnings()

    def _parents(self, stage: int) -> dict[int, int]:
        """By the number of each finalist of a stage, that of the fresh trial which it continues; the best come first.

        What the user gave has trained to its end already, and may have the number of a finalist.
        """
        begin, first = stage * WHOLE, self.brief.first  # numbers below that are given
        finite = [n for n in range(max(begin, first), begin + SIZE) if math.isfinite(self._results[n][0])]
        finalists = range(max(begin + SIZE, first), begin + WHOLE)
        return dict(zip(finalists, sorted(finite, key=lambda n: (self._results[n][0], n)), strict=False))

    def _tell_zoom(self, stages: int) -> None:
        """The fresh trials of the stages below this one: with the result of their finalist, or their own if given."""
        for stage in range(self._zoomed, stages):
            finalists = {parent: finalist for finalist, parent in self._parents(stage).items()}
            begin = stage * WHOLE
            for number in (n for n in range(begin, begin + SIZE) if n in self._results):
                source = number if number < self.brief.first else finalists.get(number)
                value = math.nan if source is None else self._results[source][0]
                self._zoom.tell(_fresh_from(number), self._results[number][1], value)
        self._zoomed = max(self._zoomed, stages)


def _is_fresh(number: int) -> bool:
    slot = number % WHOLE
    return slot < SIZE


def _fresh_from(number: int) -> int:
    """The fresh number of the first fresh trial that has this number or a higher one."""
    stage, slot = divmod(number, WHOLE)
    return stage * SIZE + min(slot, SIZE)


def _number_of(fresh: int) -> int:
    """The number of a trial by its fresh number."""
    stage, slot = divmod(fresh, SIZE)
    return stage * WHOLE + slot
