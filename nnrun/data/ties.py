"""Rows of the same time on both sides of a cut: what is told of them, and which cut would have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Sizes = tuple[int, int, int]
Fractions = tuple[float, float, float]


def tied(before: str, after: str) -> str:
    """The notice on a cut between two parts."""
    return f"rows of the same time stand on both sides of the cut between {before} and {after}"


def tied_cuts(
    times: Values, sizes: Sizes, parts: Sequence[str], made_of: Callable[[int, Fractions], Sizes]
) -> list[str]:
    """Notices on the cuts of sorted times `(n,)` into parts of these sizes, and fractions that cut beside them.

    `made_of` are the sizes that n rows are cut into by fractions. Where a cut stands follows from the sizes alone, so
    that old runs find their rows again.
    """
    cuts = [int(cut) for cut in np.cumsum(sizes)[:2] if cut < len(times)]
    told = [tied(parts[k], parts[k + 1]) for k, cut in enumerate(cuts) if times[cut - 1] == times[cut]]
    fractions = _beside(times, cuts, made_of) if told else None
    if fractions:
        shares = ", ".join(np.format_float_positional(share, trim="-") for share in fractions)
        told[-1] += f"; data.split: [{shares}] cuts between times"
    return told


def _beside(times: Values, cuts: Sequence[int], made_of: Callable[[int, Fractions], Sizes]) -> Fractions | None:
    """Fractions by which each cut is at the change of time nearest to it; None where too few times differ."""
    n, changes = len(times), 1 + np.flatnonzero(times[1:] != times[:-1])
    chosen: list[int] = []
    for cut in cuts:
        later = changes[changes > (chosen[-1] if chosen else 0)]
        if not len(later):
            return None
        chosen.append(int(later[np.argmin(np.abs(later - cut))]))
    first, last = chosen[0], chosen[-1] if len(cuts) > 1 else n
    digits = len(str(n))
    dev, test = round((last - first) / n, digits), round((n - last) / n, digits)
    fractions = (round(1 - dev - test, digits), dev, test)
    return fractions if made_of(n, fractions) == (first, last - first, n - last) else None


def tied_folds(blocks: Sequence[Values]) -> list[str]:
    """The notice on cuts between the blocks of folds, of the times of each, the oldest first."""
    ties = sum(1 for before, after in pairwise(blocks) if before.max() == after.min())
    cuts = len(blocks) - 1
    return [f"rows of the same time stand on both sides of {ties} of the {cuts} cuts between folds"] if ties else []
