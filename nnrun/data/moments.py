"""Mean and deviation of a column that is seen piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import frexp, hypot, inf, ldexp, sqrt

import numpy as np

from nnrun.data.table import Floats


@dataclass(frozen=True)
class Moments:
    """How many values, their mean, standard deviation (0 where all are equal), smallest and largest."""

    count: int = 0
    mean: float = 0.0
    deviation: float = 0.0
    low: float = inf
    high: float = -inf

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Of `(m,)`, none of them NaN; an infinite one makes mean and deviation so."""
        if not len(values):
            return cls()
        low, high = float(values.min()), float(values.max())
        if low == high:
            return cls(len(values), float(values[0]), 0.0, low, high)
        # Squares of very large or small numbers leave the range of float64; a power of two costs no bits.
        exponent = int(np.frexp(max(abs(low), abs(high)))[1])
        scaled = np.ldexp(values, -exponent)
        mean, deviation = (float(np.ldexp(value, exponent)) for value in (scaled.mean(), scaled.std()))
        return cls(len(values), mean, deviation, low, high)

    def __add__(self, other: Moments) -> Moments:
        """Of both together (Chan, Golub & LeVeque 1983), scaled by a power of two as above."""
        if not (self.count and other.count):
            return self if self.count else other
        count, low, high = self.count + other.count, min(self.low, other.low), max(self.high, other.high)
        if low == high:
            return Moments(count, self.mean, 0.0, low, high)
        exponent = frexp(max(abs(low), abs(high)))[1]
        (mean, deviation), (mean2, deviation2) = (
            (ldexp(one.mean, -exponent), ldexp(one.deviation, -exponent)) for one in (self, other)
        )
        share = other.count / count
        within = hypot(sqrt(1 - share) * deviation, sqrt(share) * deviation2)
        between = sqrt(share * (1 - share)) * (mean2 - mean)
        mean += share * (mean2 - mean)
        return Moments(count, ldexp(mean, exponent), ldexp(hypot(within, between), exponent), low, high)

    def filled(self, rows: int) -> Moments:
        """Of so many rows, those without a value at the mean of the others."""
        return replace(self, count=rows, deviation=sqrt(self.count / rows) * self.deviation)

    @property
    def center_and_scale(self) -> tuple[float, float]:
        """Mean and deviation to standardise by: the value itself and 1 where none differ, so nothing blows up."""
        return self.mean, self.deviation if self.low < self.high else 1.0
