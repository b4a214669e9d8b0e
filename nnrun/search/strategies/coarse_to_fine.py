"""From coarse to fine: stage after stage, draw more densely where the best trials so far lie."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.config.space.domains import Choice
from nnrun.config.space.intervals import Domain
from nnrun.config.space.space import MIDDLE, Parameter
from nnrun.config.values import Settings
from nnrun.search.record import Change, Stage
from nnrun.search.strategies.strategy import STAGE, Brief, Point, Strategy, draw, generator

SIZE = 12  # trials a stage; never a share of all trials, so that a longer search begins like a shorter one
EVERYWHERE = 2  # trials of a stage that are drawn from the whole space, in case the zoom went to a wrong place
BEST_SHARE = 0.1  # of all finished trials so far; they span the next box
FEWEST_BEST = 3
MARGIN = 0.1  # of the span, added at each side of the box
REACH = 0.5  # the same at a side where the very best trial is the outermost: what is sought may lie beyond
FLOOR = 0.05  # narrowest box, as a part of the parameter's whole axis
DUST = 1e-12  # of the unit axis, by which an end may miss the border between two single values
CHANCE = 0.05  # a choice is dropped only if chance alone would leave it out of the best more rarely than this


@dataclass(frozen=True)
class Segment:
    """A part of the unit axis of an ordered parameter."""

    low: float = 0.0
    high: float = 1.0

    def at(self, v: float) -> float:
        """The unit coordinate at `v` in [0, 1] of this part."""
        return self.low + v * (self.high - self.low)

    def values(self, domain: Domain) -> list[Any]:
        """The lowest and the highest value of the segment; one that begins where it ends is no part of it."""
        dust = DUST if domain.count else 0.0
        return [domain.from_unit(self.low + dust), domain.from_unit(self.high - dust)]


@dataclass(frozen=True)
class Subset:
    """The choices that are still drawn."""

    kept: tuple[int, ...]
    count: int

    def at(self, v: float) -> float:
        """The unit coordinate at `v` in [0, 1] of these choices."""
        return (self.kept[min(int(v * len(self.kept)), len(self.kept) - 1)] + 0.5) / self.count

    def values(self, domain: Domain) -> list[Any]:
        """The choices themselves."""
        return [domain.from_unit((i + 0.5) / self.count) for i in self.kept]


Part = Segment | Subset


class _Result(NamedTuple):
    value: float
    loss: float
    units: list[float]
    active: list[bool]


@dataclass(frozen=True)
class _Ranking:
    """Finished trials, best first; two-dimensional arrays have a row a trial and a column a parameter."""

    ranks: list[tuple[float, float, int]]  # value, dev loss and number of each
    units: NDArray[np.float64]
    active: NDArray[np.bool_]

    @classmethod
    def empty(cls, parameters: int) -> _Ranking:
        """Without a trial."""
        none = np.empty((0, parameters))
        return cls([], none, none.astype(bool))

    def joined(self, numbers: list[int], results: list[_Result]) -> _Ranking:
        """With these further trials in their ranks."""
        if not numbers:
            return self
        told = zip(numbers, results, strict=True)
        fresh = sorted((result.value, result.loss, number, result) for number, result in told)
        ranks = [rank[:3] for rank in fresh]
        places = [bisect(self.ranks, rank) for rank in ranks]
        return _Ranking(
            sorted([*self.ranks, *ranks]),
            np.insert(self.units, places, [result.units for *_, result in fresh], axis=0),
            np.insert(self.active, places, [result.active for *_, result in fresh], axis=0),
        )


class CoarseToFine(Strategy):
    """Stages of 12 trials: the first everywhere, each later one mostly in a box around the best trials so far."""

    learns = True
    help = "stages of 12 trials, each drawn mostly from a box around the best so far"

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        self._results: dict[int, _Result] = {}
        self._first = math.inf, math.inf, 0  # the rank of the best trial, in the space or not
        self._ranked = _Ranking.empty(len(brief.space.parameters))
        self._boxes: list[list[Part]] = [[_whole(parameter.domain) for parameter in brief.space.parameters]]
        self._stages: list[Stage] = []

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """Keeps what the boxes are made of; a failed trial counts only as finished."""
        super().tell(number, values, value, loss, stopped)
        units = self.brief.space.encode(values)
        if math.isfinite(value):
            self._first = min(self._first, (value, loss, number))
        if units is not None and math.isfinite(value):
            active = {parameter.key for parameter in self.brief.space.active(values)}
            self._results[number] = _Result(value, loss, units, [key in active for key in self.brief.space.keys])

    def propose(self, number: int) -> Point | None:
        """From the box of its stage, or from everywhere; None until all trials before the stage are told."""
        stage, slot = divmod(number, SIZE)
        if stage and not self.settled(stage * SIZE):
            return None
        jitter = draw(self.brief, number)
        local = SIZE if stage == 0 else SIZE - EVERYWHERE
        if slot >= local:
            return Point(number, self.brief.space.decode(jitter))
        rows = generator(self.brief.seed, STAGE, stage).permuted(np.tile(np.arange(local), (len(jitter), 1)), axis=1)
        spread = (rows[:, slot] + np.array(jitter)) / local  # a Latin hypercube: each parameter's values evenly spread
        units = [part.at(v) for part, v in zip(self._box(stage), spread, strict=True)]
        return Point(number, self.brief.space.decode(units))

    def independent(self, number: int) -> bool:
        """The first stage, and the global draws of the others."""
        return number in self.compared(self.brief, [number])

    @classmethod
    def compared(cls, brief: Brief, numbers: Iterable[int]) -> set[int]:
        """The trials of the first stage, and the global draws of the others."""
        last = SIZE - EVERYWHERE
        return {number for number in numbers if number >= brief.first and (number < SIZE or number % SIZE >= last)}

    def stages(self) -> list[Stage]:
        """The stages begun so far but for the first, each with its boxes and the reasons."""
        begun = max(self._told, default=0) // SIZE  # after a restart, no trial of it may be left to propose
        if self.settled(begun * SIZE):
            self._box(begun)
        return list(self._stages)

    def warnings(self) -> list[str]:
        """Where the best trial so far lies at the edge of the user's range, and how to widen that."""
        *_, best = self._first
        if best not in self._results:  # there is none, or it lies elsewhere
            return []
        units, active = self._results[best].units, self._results[best].active
        rows = zip(self.brief.space.parameters, units, active, strict=True)
        return [line for p, unit, active in rows if active and (line := _edge_warning(p, unit))]

    def _box(self, stage: int) -> list[Part]:
        while len(self._boxes) <= stage:
            self._zoom(len(self._boxes))
        return self._boxes[stage]

    def _zoom(self, stage: int) -> None:
        """The box of a stage, and its record, from all results before it."""
        old = self._boxes[-1]
        results = self._ranked = self._with_stage(stage - 1)
        if not results.ranks:
            self._boxes.append(old)
            return
        parameters = self.brief.space.parameters
        narrowed = [_narrowed(p.domain, results, i, old[i]) for i, p in enumerate(parameters)]
        self._boxes.append([part for part, _ in narrowed])
        value, _, best = results.ranks[0]
        changes = [_change(p, was, part, why) for p, was, (part, why) in zip(parameters, old, narrowed, strict=True)]
        record = Stage(
            number=stage,
            first=stage * SIZE,
            finished=len(results.ranks),
            best=best,
            value=value,
            changes=changes,
        )
        self._stages.append(record)

    def _with_stage(self, stage: int) -> _Ranking:
        """The ranking so far with the trials of one more stage."""
        numbers = [number for number in self.of_stage(stage) if number in self._results]
        return self._ranked.joined(numbers, [self._results[number] for number in numbers])

    def of_stage(self, stage: int) -> Iterable[int]:
        """The numbers of its trials, of which some may not be told."""
        return range(stage * SIZE, (stage + 1) * SIZE)


def _whole(domain: Domain) -> Part:
    return Subset(tuple(range(len(domain.options))), len(domain.options)) if isinstance(domain, Choice) else Segment()


def _change(parameter: Parameter, old: Part, new: Part, why: str) -> Change:
    domain = parameter.domain
    return Change(key=parameter.key, old=old.values(domain), new=new.values(domain), why=why)


def _narrowed(domain: Domain, results: _Ranking, column: int, old: Part) -> tuple[Part, str]:
    """What is drawn next of one parameter, and why."""
    rows = np.flatnonzero(results.active[:, column])
    units = results.units[rows, column]
    best = min(max(FEWEST_BEST, math.ceil(BEST_SHARE * len(units))), len(units))
    if best < min(FEWEST_BEST, len(results.ranks)):
        return old, f"too few trials with this parameter: {len(units)}"
    if isinstance(domain, Choice):
        return _choices(domain, units, best)
    return _segment(domain, units[:best], len(units))


def _segment(domain: Domain, best: NDArray[np.float64], trials: int) -> tuple[Segment, str]:
    """Around the best trials' values, best first."""
    low, high = float(best.min()), float(best.max())
    margins = [(REACH if best[0] == end else MARGIN) * (high - low) for end in (low, high)]
    floor = max(FLOOR, 1 / (domain.count or math.inf))
    spare = max(0.0, floor - (high - low + sum(margins))) / 2
    segment = _inside(low - margins[0] - spare, high + margins[1] + spare)
    span = f"{domain.from_unit(low):.4g} to {domain.from_unit(high):.4g}"
    return segment, f"the best {len(best)} of {trials} trials have {span}"


def _inside(low: float, high: float) -> Segment:
    """The segment pushed into the unit interval; what does not fit is cut off."""
    shift = max(0.0, -low) - max(0.0, high - 1)
    return Segment(max(0.0, low + shift), min(1.0, high + shift))


def _choices(domain: Choice, units: NDArray[np.float64], best: int) -> tuple[Subset, str]:
    """All choices but those that fail to be among the best trials more often than chance explains."""
    count, trials = len(domain.options), len(units)
    chosen = np.minimum((units * count).astype(int), count - 1)
    kept: list[int] = []
    dropped: list[int] = []
    for i in range(count):
        tried = int((chosen == i).sum())
        places = np.arange(best)
        luck = np.prod((trials - tried - places) / (trials - places))  # that none of them is among the best
        (dropped if i not in chosen[:best] and luck < CHANCE else kept).append(i)
    names = ", ".join(str(domain.options[i]) for i in dropped)
    why = f"none of the best {best} of {trials} trials has {names}" if dropped else "no choice is clearly worse"
    return Subset(tuple(kept), count), why


def _edge_warning(parameter: Parameter, unit: float) -> str | None:
    """What to say of the best value if it lies at an end of the range that can be moved."""
    domain, wider = parameter.domain, parameter.beyond(unit)
    if wider is None:
        return None
    side, value = "upper" if unit > MIDDLE else "lower", domain.from_unit(unit)
    return (
        f"the best {parameter.key} so far, {value:.4g}, lies at the {side} end of its range; "
        f"to widen it: {parameter.key}: {{{domain.name}: {wider.written()}}}"
    )
