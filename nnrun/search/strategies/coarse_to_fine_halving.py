"""Halving inside the stages of coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from nnrun.config.values import Settings
from nnrun.search.record import Stage
from nnrun.search.strategies.coarse_to_fine import SIZE, CoarseToFine
from nnrun.search.strategies.halving import FACTOR, Result, best_first
from nnrun.search.strategies.strategy import GENERATION, Brief, Point, Strategy, generator

FINALISTS = SIZE // FACTOR
WHOLE = SIZE + FINALISTS  # trials a stage: its fresh ones, then the best of them again, continued

# A trial is numbered in three ways. A finalist has no fresh number of its own: the zoom knows it by that of the trial
# which it continues. Where it continues none, as what the user gave, the zoom knows it by its number below 0.
#
#                           stage 0             stage 1             stage 2
#                           fresh    finalists  fresh    finalists  fresh
#   number  in the search   0 … 11   12 … 15    16 … 27  28 … 31    32 …
#   slot    in its stage    0 … 11   12 … 15    0 … 11   12 … 15    0 …
#   fresh   in the zoom     0 … 11   –          12 … 23  –          24 …


class _Zoom(CoarseToFine):
    """With the results of finalists that continue no fresh trial."""

    def of_stage(self, stage: int) -> Iterable[int]:
        """The fresh numbers, then those below 0."""
        return [*super().of_stage(stage), *(-number for number in _finalists(stage))]


class CoarseToFineHalving(Strategy):
    """Stages of 12 fresh trials for a third of the epochs, of which the best 4 go on to the end.

    The fresh trials are those of `CoarseToFine`, which learns the results of the finalists only, of what the user gave,
    and of fresh trials that early stopping has ended, which go on no more: trials of their full length are compared.
    The others count there as finished without a result, as failed ones do.
    """

    continues_trials = learns = True
    help = "as coarse_to_fine, for a third of the epochs; a stage's best 4 go on to the end and make the next box"

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        awaited = frozenset(_fresh_from(number) for number in brief.awaited if _is_fresh(number))
        self._zoom = _Zoom(replace(brief, first=_fresh_from(brief.first), awaited=awaited))
        self._results: dict[int, Result] = {}  # by number
        self._zoomed = 0  # stages whose results the zoom has been told

    @classmethod
    def heading(cls, brief: Brief) -> list[str]:
        """Until which epoch the trials of a stage train."""
        short = math.ceil(brief.epochs / FACTOR)
        best = f"then the best {FINALISTS} of those until epoch {brief.epochs}"
        return [f"stage    {SIZE} trials until epoch {short}, {best}"]

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """Keeps the result until its stage is finished."""
        super().tell(number, values, value, loss, stopped)
        self._results[number] = Result(value, loss, dict(values))

    def epochs(self, number: int) -> int:
        """A third of all for a fresh trial."""
        return self._short if _is_fresh(number) and number >= self.brief.first else self.brief.epochs

    def behind(self, number: int) -> int:
        """The epochs of a fresh trial, for a finalist."""
        return 0 if _is_fresh(number) or number < self.brief.first else self._short

    @property
    def _short(self) -> int:
        return math.ceil(self.brief.epochs / FACTOR)

    @classmethod
    def compared(cls, brief: Brief, numbers: Iterable[int]) -> set[int]:
        """The fresh trials, a third as long as others, that `CoarseToFine` draws from the whole space."""
        fresh = {number: _fresh_from(number) for number in numbers if _is_fresh(number) and number >= brief.first}
        whole = CoarseToFine.compared(replace(brief, first=0), fresh.values())
        return {number for number, among_fresh in fresh.items() if among_fresh in whole}

    def may_continue(self, number: int) -> bool:
        """A fresh one that is not over, as long as not all finalists of its stage are told."""
        return _is_fresh(number) and number not in self._over and not self.settled((number // WHOLE + 1) * WHOLE)

    def propose(self, number: int) -> Point | None:
        """A fresh trial, or the continuation of a finalist; None until all trials that it rests on are told.

        If too many of a stage failed or are over, trials from the whole space take the places of finalists.
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
            return Point(number, self._results[parent].settings, resume=parent)
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
        ranked = best_first(self._results, set(range(max(begin, first), begin + SIZE)) - self._over)
        finalists = (number for number in _finalists(stage) if number >= first)
        return dict(zip(finalists, ranked, strict=False))

    def _tell_zoom(self, stages: int) -> None:
        """The trials of the stages below this one: a fresh one with the result of its finalist, or its own if final."""
        for stage in range(self._zoomed, stages):
            parents = self._parents(stage)
            finalists = {parent: finalist for finalist, parent in parents.items()}
            begin = stage * WHOLE
            for number in (n for n in range(begin, begin + SIZE) if n in self._results):
                final = number < self.brief.first or number in self._over
                source = number if final else finalists.get(number)
                value, loss = (math.nan, math.inf) if source is None else self._results[source][:2]
                self._zoom.tell(_fresh_from(number), self._results[number].settings, value, loss)
            for number in (n for n in _finalists(stage) if n in self._results and n not in parents):
                value, loss, settings = self._results[number]
                self._zoom.tell(-number, settings, value, loss)
        self._zoomed = max(self._zoomed, stages)


def _is_fresh(number: int) -> bool:
    slot = number % WHOLE
    return slot < SIZE


def _fresh_from(number: int) -> int:
    """The fresh number of the first fresh trial that has this number or a higher one."""
    stage, slot = divmod(number, WHOLE)
    return stage * SIZE + min(slot, SIZE)


def _finalists(stage: int) -> range:
    """The numbers of the finalists of a stage."""
    return range(stage * WHOLE + SIZE, (stage + 1) * WHOLE)


def _number_of(fresh: int) -> int:
    """The number of a trial by its fresh number, or by its own below 0."""
    if fresh < 0:
        return -fresh
    stage, slot = divmod(fresh, SIZE)
    return stage * WHOLE + slot
