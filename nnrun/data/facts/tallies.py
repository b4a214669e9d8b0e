"""What is counted and summed piece by piece: values that stand for many rows, and means and deviations."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from math import frexp, hypot, inf, ldexp, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.files.spelling import spelled_alike
from nnrun.data.files.values import Floats

if TYPE_CHECKING:
    import pandas as pd


class Coded:
    """Values as whole numbers from 0, in the order in which they first occur; missing ones are −1."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self._pieces: list[npt.NDArray[np.int32]] = []

    def see(self, codes: npt.NDArray[Any], values: Iterable[Hashable]) -> None:
        """Take in the next rows: the place of each among these values, `(m,)`, −1 where it is missing."""
        known = [self.index.setdefault(value, len(self.index)) for value in values]
        self._pieces.append(np.array([*known, -1], np.int32)[codes])

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """The number of each row, `(rows,)`."""
        self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]

    @property
    def groups(self) -> npt.NDArray[np.int32]:
        """The number of each row, `(rows,)`, `7.0` being `7` where all are whole numbers as text, as for categories."""
        alike = Coded()
        alike.see(self.codes, spelled_alike([*self.index]))
        return alike.codes


class Distinct:
    """How many different values there are and how often the most frequent one occurs, by a hash of 64 bits each."""

    def __init__(self) -> None:
        self._known = np.empty(0, np.uint64), np.empty(0, np.int64)  # hashes, ascending, and how often each occurs
        self._new: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]] = []

    def see(self, values: pd.Series[Any]) -> None:
        """Take in some, texts or whatever pandas can hash."""
        import pandas as pd

        hashes = pd.util.hash_array(values.to_numpy(dtype=None if values.dtype.kind in "iuf" else object))
        self._new.append(np.unique(hashes, return_counts=True))
        if sum(len(hashes) for hashes, _ in self._new) > len(self._known[0]):  # so that each is sorted a few times only
            self._merge()

    def __len__(self) -> int:
        self._merge()
        return len(self._known[0])

    @property
    def most(self) -> int:
        """Rows of the most frequent text."""
        self._merge()
        return int(self._known[1].max(initial=0))

    def _merge(self) -> None:
        if self._new:
            hashes, counts = (np.concatenate(pieces) for pieces in zip(self._known, *self._new, strict=True))
            known, place = np.unique(hashes, return_inverse=True)
            self._known = known, np.bincount(place, weights=counts).astype(np.int64)
            self._new = []


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
        return self.mean, self.deviation if differ(self.low, self.high) else 1.0


ROUNDING = 2.0**-47  # of the larger one: 32 times what lies between neighbouring numbers


def differ(low: float, high: float) -> bool:
    """Whether two numbers differ by more than what rounding leaves, as between 0.3 and 0.1 + 0.2."""
    return high - low == inf or high - low > ROUNDING * max(abs(low), abs(high))


def varies(values: Floats) -> bool:
    """Whether some of `(m,)` differ by more than that; NaN is no value."""
    present = values[~np.isnan(values)]
    return len(present) > 0 and differ(float(present.min()), float(present.max()))
