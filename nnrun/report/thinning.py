"""Fewer points of a long curve, so that it looks the same: the lowest and the highest of each stretch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

POINTS = 1200  # of a curve: more than a chart has pixels


def kept(values: Sequence[float | None], most: int = POINTS) -> list[int]:
    """Indices, at most `most`, rising: first, last, and of each of equal stretches its lowest and highest value."""
    n = len(values)
    if n <= most:
        return list(range(n))
    if most < 4:
        return [0, n - 1][:most]
    numbers = np.array([np.nan if value is None else value for value in values], float)
    edges = np.linspace(0, n, (most - 2) // 2 + 1).astype(int)
    chosen = {0, n - 1}
    for start, end in pairwise(edges):
        stretch = numbers[start:end]
        finite = np.flatnonzero(np.isfinite(stretch))
        if len(finite):
            chosen |= {int(start + finite[pick(stretch[finite])]) for pick in (np.argmin, np.argmax)}
    return sorted(chosen)
