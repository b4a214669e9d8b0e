"""Every combination of lists of choices, and of evenly spaced values of ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, product

from numpy.random import Generator

from nnrun.config.space.domains import Choice
from nnrun.config.space.intervals import Domain
from nnrun.config.values import Settings
from nnrun.search.strategies.strategy import STAGE, Brief, Point, Strategy, generator
from nnrun.text import counted, wrapped


class Grid(Strategy):
    """Every combination of values; finer and finer grids, each of which holds the one before.

    In turn, every range goes from 1 value to 3, 5, 9, …, so 25 trials of two ranges try 5 values of each. A list of
    choices is on the grid as a whole, and ranges beside it begin with 3 values.
    """

    drawn = False
    help = (
        "every combination, of lists of choices and of evenly spaced values of ranges, for contrast: 25 trials of two "
        "ranges try 5 values of each"
    )

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        self._lists = True  # whether lists of choices are on the grid as a whole
        self._begin()

    def _begin(self) -> None:
        self._points = _grid(self.brief, self._lists)
        self._found: list[Settings] = []

    def propose(self, number: int) -> Point | None:
        """The next point of the grids; None when all combinations of all values have been given."""
        index = number - self.brief.first
        self._found += islice(self._points, max(0, index + 1 - len(self._found)))
        return Point(number, self._found[index]) if index < len(self._found) else None

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """Results have no part in it, but trials tell an earlier order, in which the search then goes on.

        Earlier versions took a list of choices for a range, and refined it like one.
        """
        super().tell(number, values, value, loss, stopped)
        if self._lists and number >= self.brief.first:
            point = self.propose(number)
            self._lists = point is None or point.values == values
            if not self._lists:
                self._begin()

    @classmethod
    def heading(cls, brief: Brief) -> list[str]:
        """How many combinations of lists are left out."""
        told = _left_out(brief, brief.totals[-1] - brief.first)
        return wrapped(told, "note     ") if told else []

    def warnings(self) -> list[str]:
        """How many are left out by the trials that have ended."""
        tried = sum(number >= self.brief.first for number in self._told)
        told = _left_out(self.brief, tried) if tried else ""
        return [told] if told else []


def _left_out(brief: Brief, tried: int) -> str:
    """How many combinations of lists are beyond so many, and the number of trials that takes all of them.

    Ranges have none to be left out: their values are refined on purpose as far as the trials go.
    """
    lists = all(isinstance(parameter.domain, Choice) for parameter in brief.space.parameters)
    points = brief.space.count if lists else None
    if points is None or points <= tried:
        return ""
    left = points - max(0, tried)
    are = f"{left:,} {'is' if left == 1 else 'are'} left out"
    return f"of the grid's {counted(points, 'combination')} {are}; --trials {points + brief.first} tries all"


@dataclass
class _Axis:
    """The values of one parameter that are on the grid so far."""

    domain: Domain
    units: list[float] = field(default_factory=lambda: [0.5])
    halvings: int = 0

    @classmethod
    def whole(cls, domain: Choice) -> _Axis:
        """With all choices of a list."""
        return cls(domain, [(i + 0.5) / domain.count for i in range(domain.count)])

    def refine(self) -> bool:
        """Twice as fine; False if the range has no further values."""
        held = {repr(self.domain.from_unit(u)) for u in self.units}
        while self.domain.count is None or len(held) < self.domain.count:
            self.halvings += 1
            parts = 2 ** (self.halvings - 1)
            fresh = [0.0, 1.0] if parts == 1 else [(2 * i + 1) / parts for i in range(parts // 2)]
            new = {repr(self.domain.from_unit(u)): u for u in fresh}
            added = [u for value, u in new.items() if value not in held]
            if added:
                self.units += added
                return True
        return False


def _grid(brief: Brief, lists: bool) -> Iterator[Settings]:
    """The settings of all grids, coarse ones first, each once; ends only if every range does.

    What a finer grid adds comes in an order of its own, so that a part of it is spread over the whole space: in that of
    `_evenly` where there are lists, which are on the grid as a whole then, else shuffled.
    """
    domains = [parameter.domain for parameter in brief.space.parameters]
    lists = lists and any(isinstance(domain, Choice) for domain in domains)
    axes = [_Axis.whole(d) if lists and isinstance(d, Choice) else _Axis(d) for d in domains]
    for axis in axes if lists else []:
        axis.refine()
    seen: set[str] = set()

    def fresh(points: Iterable[Sequence[float]]) -> Iterator[Settings]:
        for values in map(brief.space.decode, points):
            if (name := repr(values)) not in seen:
                seen.add(name)
                yield values

    for turn in count():
        rng, units = generator(brief.seed, STAGE, turn), [axis.units for axis in axes]
        if lists:
            yield from fresh(_evenly(units, rng))
        else:
            found = list(fresh(product(*units)))
            yield from (found[i] for i in rng.permutation(len(found)))
        if not any(axes[(turn + i) % len(axes)].refine() for i in range(len(axes))):
            return


def _evenly(axes: Sequence[Sequence[float]], rng: Generator) -> Iterator[list[float]]:
    """Every point of the product once; of any first ones as many, or one more, have each value of an axis as any other.

    A diagonal steps to the next value of all axes at once, from the last one to the first; until it is back it has had
    each value of an axis equally often. The diagonals, cosets of a cyclic group, come in a shuffled order.
    """
    values = [[axis[i] for i in rng.permutation(len(axis))] for axis in axes]
    length, radices = 1, []  # of a diagonal in the axes so far, and how many of them go through a value of the next
    for axis in values:
        radices.append(math.gcd(length, len(axis)))
        length = math.lcm(length, len(axis))
    for diagonal in _shuffled(math.prod(radices), rng):
        begin = _below(length, rng)
        for step in range(begin, begin + length):
            point, rest = [], diagonal
            for axis, radix in zip(values, radices, strict=True):
                rest, start = divmod(rest, radix)
                point.append(axis[(start + step) % len(axis)])
            yield point


def _shuffled(n: int, rng: Generator) -> Iterator[int]:
    """The numbers below n, in a random order (Fisher & Yates), of which no more is held than was asked for."""
    moved: dict[int, int] = {}
    for last in range(n - 1, -1, -1):
        i = _below(last + 1, rng)
        yield moved.get(i, i)
        moved[i] = moved.pop(last, last)


def _below(n: int, rng: Generator) -> int:
    """A whole number below n, which may be larger than NumPy's own."""
    return min(int(rng.random() * n), n - 1)
