"""Which point comes next: the interface, and the strategies that do not look at results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from nnrun.config.space.space import Space
from nnrun.config.values import Settings
from nnrun.search.record import Stage

SEARCH = 100  # keeps these streams apart from those of a run
POINT, STAGE, GENERATION = 0, 1, 2


@dataclass(frozen=True)
class Brief:
    """What a strategy knows before the first trial."""

    space: Space
    seed: int
    totals: Sequence[int]  # numbers of trials asked for: at the start and at each extension
    epochs: int = 50  # of a trial that runs to its end
    first: int = 0  # the trials before have settings that the user gave
    awaited: frozenset[int] = frozenset()  # those of them that lie in the space: they will be told
    skips_stopped: bool = True  # no trial goes on that early stopping has ended; searches of early versions went on


@dataclass(frozen=True)
class Point:
    """The settings of one trial; null where a parameter is not active."""

    number: int
    values: Settings
    epochs: int | None = None  # train until this epoch; None: to the config's end
    resume: int | None = None  # the trial whose last checkpoint it continues


class Strategy(ABC):
    """Proposes trials: a pure function of the brief and of a numbered set of results, in whatever order they come.

    A search is rebuilt by telling every stored trial again before the first `ask`.
    """

    help: str = ""
    continues_trials = False  # whether a point may resume an earlier trial
    learns = False  # whether its points follow from results, so that later trials are better ones
    drawn = True  # whether its points are draws, of which the best have a known lead over further ones

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self._told: set[int] = set()
        self._over: set[int] = set()  # those of them with which no trial goes on
        self._next = brief.first
        self._settled = 0

    def ask(self, n: int) -> list[Point]:
        """The next points in the order of their numbers, `n` at most; fewer where results have to come first.

        Trials that have been told are left out. None at all while nothing is in flight: the strategy is at its end.
        """
        points: list[Point] = []
        while len(points) < n:
            if self._next not in self._told:
                point = self.propose(self._next)
                if point is None:
                    break
                points.append(point)
            self._next += 1
        return points

    def tell(self, number: int, values: Settings, value: float, loss: float = math.inf, stopped: bool = False) -> None:
        """The result of a trial, lower is better; nan or infinite if it failed or diverged.

        Of equal ones the dev loss decides, as it does wherever trials are ranked, and then the number. One that was
        `stopped`, as its patience is spent, would learn nothing in further epochs.
        """
        self._told.add(number)
        if stopped and self.brief.skips_stopped:
            self._over.add(number)

    def settled(self, end: int) -> bool:
        """Whether every trial below `end` that will be told has been told."""
        awaited = self.brief.awaited
        while self._settled < end and (
            self._settled in self._told or (self._settled < self.brief.first and self._settled not in awaited)
        ):
            self._settled += 1
        return self._settled >= end

    def epochs(self, number: int) -> int:
        """Until which epoch the trial of this number trains, if nothing stops it."""
        return self.brief.epochs

    def behind(self, number: int) -> int:
        """The epochs that the trial of this number does not train itself, if it continues another one as planned."""
        return 0

    def independent(self, number: int) -> bool:
        """Whether this trial of a strategy that learns is drawn from the whole space, and trained to its end."""
        return False

    @classmethod
    def heading(cls, brief: Brief) -> list[str]:
        """Lines on what it will do, for the screen before the first trial."""
        return []

    @classmethod
    def compared(cls, brief: Brief, numbers: Iterable[int]) -> set[int]:
        """The trials by which settings can be compared: from the whole space, and trained equally long.

        All of them here. Where results had a part in what was drawn, most trials lie where results are good, and what
        keeps them there cannot be seen in them any more.
        """
        return set(numbers)

    def may_continue(self, number: int) -> bool:
        """Whether a later trial may go on with this one, of a longer search too."""
        return False

    def stages(self) -> list[Stage]:
        """How it has narrowed the space so far, for run.json."""
        return []

    def warnings(self) -> list[str]:
        """What the user should know of the results so far, such as a range that seems too narrow."""
        return []

    @abstractmethod
    def propose(self, number: int) -> Point | None:
        """The trial of this number; None while it cannot be known, or if there is none."""


def generator(seed: int, purpose: int, number: int) -> Generator:
    """The stream of one trial, stage or generation."""
    return Generator(PCG64(SeedSequence([seed, SEARCH, purpose, number])))


def draw(brief: Brief, number: int) -> list[float]:
    """A uniform point of the unit cube for the trial of this number."""
    point: list[float] = generator(brief.seed, POINT, number).random(len(brief.space.parameters)).tolist()
    return point


class Random(Strategy):
    """Independent draws: 25 trials try 25 values of every parameter."""

    help = "independent draws, each from the whole space"

    def propose(self, number: int) -> Point:
        """An own stream for each number."""
        return Point(number, self.brief.space.decode(draw(self.brief, number)))


class Sobol(Strategy):
    """A scrambled Sobol sequence: as random as `random` for each parameter, with fewer gaps and clumps."""

    help = "a scrambled Sobol sequence: fewer gaps and clumps than random"
    chunk = 64

    def __init__(self, brief: Brief) -> None:
        super().__init__(brief)
        self._points = np.empty((0, len(brief.space.parameters)))

    def propose(self, number: int) -> Point:
        """The next point of the sequence."""
        index = number - self.brief.first
        while index >= len(self._points):
            self._points = np.concatenate([self._points, self._more()])
        return Point(number, self.brief.space.decode(self._points[index].tolist()))

    def _more(self) -> NDArray[np.float64]:
        from scipy.stats import qmc

        if not len(self._points):
            seed = generator(self.brief.seed, STAGE, 0)
            self._sequence = qmc.Sobol(len(self.brief.space.parameters), scramble=True, rng=seed)
        points: NDArray[np.float64] = self._sequence.random(self.chunk)
        return points
