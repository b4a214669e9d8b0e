"""How much a single column tells of the target, whatever the way it tells it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.data.files.values import Floats, Indices, Values, kind_of

GIVES_AWAY, NEARLY = 0.99, 0.97  # share of the target that one column explains


def codes(values: Values) -> Indices:
    """Each different value, a missing one too, as a number from 0, `(m,)`."""
    import pandas as pd

    return np.asarray(pd.Series(values).factorize(use_na_sentinel=False)[0], dtype=np.int64)


class Association(NamedTuple):
    """What a column says about the target: the share that it explains, and how little else it holds."""

    explained: float
    purity: float  # share of its variance between classes, 1 for a recoding, noise aside; 1 where not NEARLY explained


def association(column: Values, target: NDArray[np.float64] | Indices, classes: bool) -> Association:
    """How well each row's target `(m,)` is guessed from the column alone, the row itself left out.

    The guess is that of the rows with the same value, or where there are none, of the next smaller and larger value:
    1 − errors / errors of the commonest class (Goodman & Kruskal's λ), or 1 − squared errors / those of the mean.
    It is 1 for any recoding of the target, rising, falling or neither; a missing value counts as a value.
    """
    ordered = kind_of(column) != "category"
    values = np.asarray(column, dtype=np.float64) if ordered else codes(column).astype(np.float64)
    return association_of(values, ordered, target, classes)


def association_of(values: Floats, ordered: bool, target: NDArray[np.float64] | Indices, classes: bool) -> Association:
    """How well each target is guessed from numbers `(m,)` alone, which may stand for values without an order."""
    if not classes:
        goal = target.astype(np.float64)[:, None]
        left = float(np.square(_guesses(values, goal, ordered) - goal).mean())
        return Association(_share(left, float(goal.var())), 1.0)
    one_hot = np.eye(int(target.max()) + 1)[target]
    wrong = int((_guesses(values, one_hot, ordered).argmax(axis=1) != target).sum())
    wrong = max(0, wrong - one_hot.shape[1] + 1)  # a row on each border between classes has a neighbour of both
    commonest = int(np.bincount(target.astype(np.intp)).max())
    explained = _share(wrong, len(target) - commonest)
    return Association(explained, _purity(values, target) if ordered and explained >= NEARLY else 1.0)


def _share(left: float, base: float) -> float:
    return max(0.0, 1 - left / base) if base else 0.0


def _purity(values: Floats, target: NDArray[Any]) -> float:
    """1 − variance within classes / variance, of the values that are there (the correlation ratio η²)."""
    present = ~np.isnan(values)
    values, target = values[present], target[present]
    total = float(values.var()) * len(values) if len(values) else 0.0
    within = sum(float(values[target == label].var()) * int((target == label).sum()) for label in np.unique(target))
    return 1 - within / total if total else 1.0


def _guesses(values: Floats, goal: Floats, ordered: bool) -> Floats:
    """Mean goal `(m, k)` of the other rows of each value, else of its two neighbours, else of all."""
    group, sizes = np.unique(values, return_inverse=True, return_counts=True)[1:]
    sums = np.stack([np.bincount(group, of_column, len(sizes)) for of_column in goal.T], axis=1)
    alone = sizes[group] == 1
    guess = (sums[group] - goal) / np.maximum(1, sizes[group] - 1)[:, None]
    guess[alone] = goal.mean(axis=0)
    if ordered and len(sizes) > 2:
        means = sums / sizes[:, None]
        below, above = np.maximum(group - 1, 0), np.minimum(group + 1, len(sizes) - 1)
        below, above = np.where(group == 0, above, below), np.where(above == group, below, above)
        guess[alone] = ((means[below] + means[above]) / 2)[alone]
    return guess
