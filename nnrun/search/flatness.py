"""When a search may end because hardly anything is to be expected of the trials that are left.

Let e(n) be the expected best value of n independent draws. Each further draw is expected to gain less than the one
before: e is convex. So m draws after n are expected to gain no more than m/k times what the last k of n gained,

    e(n) − e(n + m) ≤ m/k · (e(n − k) − e(n)),  k = min(m, n // 2).

What the last k of n gained is estimated without bias from the n values themselves, as the mean over all orders in which
they might have come: their best is among the last k, and then the next best, and so on. This needs no assumption on how
the values are distributed, and looks at the lowest few alone, as those that come later have ever smaller weights. It is
the mathematics of the expected validation performance of Dodge et al. (2019), read off without replacement.

What was given, such as trial 0, is no draw, and plays no part: as the best of it and the draws improves by no more than
that of the draws alone, the bound holds for both. Draws that have not beaten it yet say nothing of how far they will.
"""

from __future__ import annotations

import math
from bisect import insort

from nnrun.search.record import Flat

FEWEST = 20  # draws: with fewer values the estimate is hardly more than a guess
AHEAD = 16  # trials that train before it is known whether they are wanted, so that some can still be stacked
KEPT = 64  # of the lowest values; the next one's weight is below 2 to the power of −64, as k is at most half of n


class Flatness:
    """Hears of all trials, and finds the first number of trials after which the rest is expected to gain too little.

    Trials count in the order of their numbers, and one counts when all before it have ended. So what is found depends
    on results alone, never on which trial ended first.
    """

    def __init__(self, size: float, total: int, given: int, learns: bool) -> None:
        """`size` is in the unit of the metric; the first `given` trials are no draws.

        Where the strategy `learns`, trials get better with time, and what the last ones gained in the order in which
        they came counts if that is more.
        """
        self.size, self.total, self.given, self.learns = size, total, given, learns
        self.found: Flat | None = None
        self._early: dict[int, float] = {}  # told before one with a lower number
        self._next = 0
        self._draws = 0
        self._lowest: list[float] = []
        self._worst = -math.inf
        self._records: list[tuple[int, float]] = []  # the draws, counted from 0, that were better than all before

    def tell(self, number: int, value: float) -> None:
        """The value of a trial, lower is better; NaN where it has none, which counts like the worst that there is."""
        self._early[number] = value
        while not self.found and self._next in self._early:
            self._enter(self._early.pop(self._next))
            left = self.total - self._next
            if self._draws >= FEWEST and left > 0 and (gain := self.expected(left)) < self.size:
                self.found = Flat(trials=self._next, left=left, expected=gain, size=self.size)

    def ready(self, number: int, workers: int) -> bool:
        """Whether a trial may begin; others wait, as they would be trained for nothing if the search ends before."""
        return number < max(self.given + FEWEST, self._next + max(AHEAD, 2 * workers))

    def _enter(self, value: float) -> None:
        self._next += 1
        if self._next <= self.given:
            return
        if math.isfinite(value):
            if not self._records or value < self._records[-1][1]:
                self._records.append((self._draws, value))
            insort(self._lowest, value)
            del self._lowest[KEPT:]
            self._worst = max(self._worst, value)
        self._draws += 1

    def expected(self, left: int) -> float:
        """By how much the best value is expected to improve at most in so many further draws."""
        if not self._lowest:  # nothing has a value yet
            return math.inf
        k = min(left, self._draws // 2)
        gain = max(self._mean_gain(k), self._gain(k)) if self.learns else self._mean_gain(k)
        return left / k * gain

    def _mean_gain(self, k: int) -> float:
        """What the last k draws gained, in the mean over all orders.

        The i-th lowest value is the best of the other n − k where these hold it and none of the i − 1 below it.
        """
        n, rest, gain = self._draws, 1.0, 0.0
        for i in range(min(k + 1, KEPT)):
            value = self._lowest[i] if i < len(self._lowest) else self._worst
            weight = rest * (n - k) / (n - i)
            gain += weight * (value - self._lowest[0])
            rest -= weight
        return gain

    def _gain(self, k: int) -> float:
        """What the last k draws gained, as they came."""
        before = [value for draw, value in self._records if draw < self._draws - k]
        return min([*before[-1:], self._worst]) - self._lowest[0]
