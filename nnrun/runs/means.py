"""The mean of numbers that may be shares of rows, such as the errors of folds."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from statistics import fmean

MOST_ROWS = 10**6  # of a share that is known again: two of so many are further apart than what rounding takes


def mean(values: Iterable[float]) -> float:
    """The mean; of shares of rows the exact one, rounded once: as many mistakes have one mean, however they are spread.

    The mean of the rounded shares differs in its last digits: of 15 mistakes in three folds of 100 rows it is
    0.05000000000000001 where they are 5, 5 and 5, and 0.049999999999999996 where they are 4, 5 and 6.
    """
    numbers = list(values)
    shares = [share for share in map(_share, numbers) if share is not None]
    return float(sum(shares) / len(shares)) if len(shares) == len(numbers) else fmean(numbers)


@lru_cache(maxsize=4096)
def _share(value: float) -> Fraction | None:
    """The ratio of whole numbers that was rounded to this; None where there is none, as of a loss."""
    if not isfinite(value):
        return None
    near = Fraction(value).limit_denominator(MOST_ROWS)
    return near if float(near) == value else None
