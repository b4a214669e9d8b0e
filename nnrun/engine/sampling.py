"""A fixed sample of rows, where all of them would take too long."""

from __future__ import annotations

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream


def sample(examples: Examples, most: int) -> Examples:
    """A fixed random sample of at most so many rows, in their order."""
    return examples if len(examples) <= most else examples.take(sampled(len(examples), most))


def sampled(rows: int, most: int) -> Array:
    """The numbers `(k,)` of the rows in a sample of at most so many."""
    return np.sort(stream(0, "sample").choice(rows, min(rows, most), replace=False, shuffle=False))


def sampled_in_groups(groups: Array, most: int) -> Array:
    """The numbers `(k,)` of at most so many rows, of which groups `(rows,)` have shares as equal as their sizes allow.

    Every group gives a row, then every one that has another a second, and so on; where there are more groups than that,
    those that give one are drawn at random. A sample by rows leaves out small groups.
    """
    rng = stream(0, "sample")
    rows = rng.permutation(len(groups))
    names, own, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
    by_group = np.argsort(own, kind="stable")
    round_ = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    turn = np.repeat(rng.permutation(len(names)), sizes)
    return np.sort(rows[by_group[np.lexsort((turn, round_))[:most]]])
