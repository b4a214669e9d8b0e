"""When two sets of rows are told to differ in a column: by more than chance, and by enough to matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SIGNIFICANCE = 0.01  # chance of naming any column where the parts are alike
LARGE = 0.1  # distance of two distributions, from 0 to 1, from which on it matters
LEAST_EXPECTED = 5.0  # rows of a category; rarer ones are counted together (Cochran 1954)


class Difference(NamedTuple):
    """How far apart two parts are in one column, and how likely that is by chance."""

    column: str
    distance: float  # the largest between the distribution functions, or the total variation of categories
    p: float


def holm(found: Sequence[Difference], significance: float = SIGNIFICANCE) -> list[Difference]:
    """The differences that hold though so many columns were tested, the clearest first (Holm 1979)."""
    ordered = sorted(found, key=lambda d: (d.p, -d.distance))
    kept = 0
    while kept < len(ordered) and ordered[kept].p <= significance / (len(ordered) - kept):
        kept += 1
    return ordered[:kept]
