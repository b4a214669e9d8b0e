"""Whether settings that were trained again can be told apart by their means, or differ no more than by their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from nnrun.runs.student import quantile
from nnrun.search.record import Repeated

BY_CHANCE = 0.05  # of settings that are equal, how often some are told apart all the same


def better_than_first(repeats: Sequence[Repeated]) -> Repeated | None:
    """The best settings that beyond doubt do better than the first; None where there are none."""
    first, *others = repeats
    sure = [each for each in others if _lower(each, first, len(others))]
    return min(sure, key=_mean, default=None)


def lowest(repeats: Sequence[Repeated]) -> Repeated | None:
    """The settings with the lowest mean, the first of equal ones; None where none has any."""
    return min((each for each in repeats if each["mean"] is not None), key=_mean, default=None)


def _mean(repeated: Repeated) -> float:
    return float("inf") if repeated["mean"] is None else repeated["mean"]


def _lower(one: Repeated, other: Repeated, comparisons: int) -> bool:
    """Whether a mean is lower than another by more than chance explains, in so many comparisons at once (Bonferroni).

    By Welch (1947), as seeds may do more to one setting than to another; not where all runs of both came to the same,
    as the next ones would hardly.
    """
    parts = [(each["deviation"] or 0) ** 2 / each["n"] for each in (one, other) if each["n"] > 1]
    squares = sum(parts)
    if len(parts) < 2 or not squares:
        return False
    degrees = squares**2 / sum(part**2 / (each["n"] - 1) for part, each in zip(parts, (one, other), strict=True))
    width = quantile(1 - BY_CHANCE / 2 / comparisons, int(round(degrees, 6))) * sqrt(squares)
    return _mean(other) - _mean(one) > width
