"""How far apart two parts are and how much a column tells, column by column: tests corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.data.files.table import Floats, Indices, kind_of

if TYPE_CHECKING:
    import pandas as pd


MOST_ROWS, FEWEST_ROWS = 5_000, 500  # of the sample that is looked at
CELLS = 4_000_000  # rows × columns of the sample


def sampled(rows: int, columns: int) -> Indices:
    """A fixed random sample of the rows, fewer where there are many columns, so that it takes seconds."""
    most = min(MOST_ROWS, max(FEWEST_ROWS, CELLS // columns))
    return np.random.default_rng(0).permutation(rows)[:most]


def codes(series: pd.Series[Any]) -> Indices:
    """Each different value, a missing one too, as a number from 0, `(m,)`."""
    return np.asarray(series.factorize(use_na_sentinel=False)[0], dtype=np.int64)


class Association(NamedTuple):
    """What a column says about the target: the share that it explains, and how little else it holds."""

    explained: float
    purity: float  # share of its variance that lies between classes; 1 for a recoding, noise aside


def association(series: pd.Series[Any], target: NDArray[np.float64] | Indices, classes: bool) -> Association:
    """How well each row's target `(m,)` is guessed from the column alone, the row itself left out.

    The guess is that of the rows with the same value, or where there are none, of the next smaller and larger value:
    1 − errors / errors of the commonest class (Goodman & Kruskal's λ), or 1 − squared errors / those of the mean.
    It is 1 for any recoding of the target, rising, falling or neither; a missing value counts as a value.
    """
    ordered = kind_of(series) != "category"
    values = np.asarray(series, dtype=np.float64) if ordered else codes(series).astype(np.float64)
    if not classes:
        goal = target.astype(np.float64)[:, None]
        left = float(np.square(_guesses(values, goal, ordered) - goal).mean())
        return Association(_share(left, float(goal.var())), 1.0)
    one_hot = np.eye(int(target.max()) + 1)[target]
    wrong = int((_guesses(values, one_hot, ordered).argmax(axis=1) != target).sum())
    wrong = max(0, wrong - one_hot.shape[1] + 1)  # a row on each border between classes has a neighbour of both
    commonest = int(np.bincount(target.astype(np.intp)).max())
    explained = _share(wrong, len(target) - commonest)
    return Association(explained, _purity(values, target) if ordered else 1.0)


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
    sums = np.zeros((len(sizes), goal.shape[1]))
    np.add.at(sums, group, goal)
    alone = sizes[group] == 1
    guess = (sums[group] - goal) / np.maximum(1, sizes[group] - 1)[:, None]
    guess[alone] = goal.mean(axis=0)
    if ordered and len(sizes) > 2:
        means = sums / sizes[:, None]
        below, above = np.maximum(group - 1, 0), np.minimum(group + 1, len(sizes) - 1)
        below, above = np.where(group == 0, above, below), np.where(above == group, below, above)
        guess[alone] = ((means[below] + means[above]) / 2)[alone]
    return guess


SIGNIFICANCE = 0.01  # chance of naming any column where the parts are alike
LARGE = 0.1  # distance of two distributions, from 0 to 1, from which on it matters
LEAST_EXPECTED = 5.0  # rows of a category; rarer ones are counted together (Cochran 1954)


class Difference(NamedTuple):
    """How far apart two parts are in one column, and how likely that is by chance."""

    column: str
    distance: float  # the largest between the distribution functions, or the total variation of categories
    p: float


def differences(one: pd.DataFrame, other: pd.DataFrame) -> list[Difference]:
    """Two-sample tests of each column: Kolmogorov & Smirnov's for numbers, χ² for categories."""
    one, other = (frame.iloc[sampled(*frame.shape)] for frame in (one, other))
    return [_difference(one[name], other[name]) for name in one.columns]


def _difference(one: pd.Series[Any], other: pd.Series[Any]) -> Difference:
    from scipy.stats import ks_2samp

    name = str(one.name)
    if kind_of(one) == "number" and kind_of(other) == "number":
        a, b = (np.asarray(series.dropna(), float) for series in (one, other))
        if not (len(a) and len(b)):
            return Difference(name, 0.0, 1.0)
        test = ks_2samp(a, b, method="asymp")
        return Difference(name, float(test.statistic), float(test.pvalue))
    return _category_difference(name, one, other)


def _category_difference(name: str, one: pd.Series[Any], other: pd.Series[Any]) -> Difference:
    import pandas as pd
    from scipy.stats import chi2_contingency

    both = codes(pd.concat([one, other]).astype(str))
    width = int(both.max()) + 1
    table = np.stack([np.bincount(part, minlength=width) for part in (both[: len(one)], both[len(one) :])])
    rare = table.sum(axis=0) * table.sum(axis=1).min() / table.sum() < LEAST_EXPECTED
    table = np.hstack([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)])
    table = table[:, table.any(axis=0)]
    if table.shape[1] < 2:
        return Difference(name, 0.0, 1.0)
    shares = table / table.sum(axis=1, keepdims=True)
    return Difference(name, float(np.abs(shares[0] - shares[1]).sum() / 2), float(chi2_contingency(table).pvalue))


def holm(found: Sequence[Difference], significance: float = SIGNIFICANCE) -> list[Difference]:
    """Those that differ though so many columns were tested, the clearest first (Holm 1979)."""
    ordered = sorted(found, key=lambda d: (d.p, -d.distance))
    kept = 0
    while kept < len(ordered) and ordered[kept].p <= significance / (len(ordered) - kept):
        kept += 1
    return ordered[:kept]


def large(found: Sequence[Difference], pairs: int) -> list[Difference]:
    """Those that are no chance, though so many pairs of parts were looked at, and far enough apart to matter."""
    return [d for d in holm(found, SIGNIFICANCE / pairs) if d.distance >= LARGE]
