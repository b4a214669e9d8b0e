"""Whether a classifier can tell two samples apart (Lopez-Paz & Oquab 2017, classifier two-sample tests).

The classifier is ridge regression on the ranks of all columns and on all products of two, by a quadratic kernel. It is
fitted in closed form, where permuted labels cost a product each. So the test is exact: for samples of one distribution
p is at most α in a share α of all cases. Measured with 1,000 random halves each of at most 200 rows of iris, wine,
diabetes and breast_cancer: p ≤ 0.01 in 0.7, 1.1, 0.6 and 0.9% of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.data.table import Floats

FOLDS = 4
RIDGE = 1.0  # beside a kernel of about 2 between a row and itself
LEAST_DEVIATION = 0.3  # of ranks between −1 and 1; columns that hardly vary are not stretched further
PERMUTATIONS = 599
LARGE = 0.6  # area under the ROC curve from which on it matters; 0.5 is guessing
WORTH_NAMING = 0.5  # of what the most telling column or pair contributes

Members = NDArray[np.bool_]


class Separation(NamedTuple):
    """How well two samples are told apart, how likely that is by chance, and by what, the most telling first."""

    auc: float
    p: float
    by: list[str]


def separate(x: Floats, member: Members, owners: Sequence[str]) -> Separation:
    """Tell rows `x (m, n)` where `member (m,)` is true from the others, each by a classifier that did not see it.

    `owners` names the column of each feature. Where the AUC is too small to matter, p is left at 1.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))  # equal scores then stand in no order
    z, member = ranks(x[order]), member[order]
    predict = _projection(z)
    auc = float(areas(predict @ member, member))
    if auc < LARGE:
        return Separation(auc, 1.0, [])
    shuffled = np.stack([rng.permutation(member) for _ in range(PERMUTATIONS)], axis=1)
    reached = int((areas(predict @ shuffled, shuffled) >= auc).sum())
    return Separation(auc, (1 + reached) / (1 + PERMUTATIONS), _telling(z, member, owners))


def ranks(x: Floats) -> Floats:
    """Each column's ranks, `(m, n)`, with mean 0 and deviation 1, or less where nearly all values are equal."""
    from scipy.stats import rankdata

    ranked = (2 * np.asarray(rankdata(x, axis=0), float) - 1) / len(x) - 1
    ranked -= ranked.mean(axis=0)
    return np.asarray(ranked / np.maximum(ranked.std(axis=0), LEAST_DEVIATION), float)


def _kernel(a: Floats, b: Floats) -> Floats:
    """Linear and quadratic, `(rows of a, rows of b)`."""
    linear = a @ b.T / a.shape[1]
    return np.asarray(linear + np.square(linear), float)


def _projection(z: Floats) -> Floats:
    """`(m, m)`: labels `(m,)` times this are the score of each row by a fit to the other folds."""
    projection = np.zeros((len(z), len(z)))
    for fold in range(FOLDS):
        out = np.arange(len(z)) % FOLDS == fold
        kernel, cross = _kernel(z[~out], z[~out]), _kernel(z[out], z[~out])
        cross += kernel.mean() - kernel.mean(axis=0) - cross.mean(axis=1, keepdims=True)
        projection[np.ix_(out, ~out)] = cross @ np.linalg.inv(_centred(kernel) + RIDGE * np.eye(len(kernel)))
    return projection


def _centred(kernel: Floats) -> Floats:
    """The kernel of features whose means are 0."""
    mean = kernel.mean(axis=0)
    return np.asarray(kernel - mean - mean[:, None] + mean.mean(), float)


def areas(scores: Floats, member: Members) -> NDArray[np.float64]:
    """Area under the ROC curve of each column of scores `(m, k)` or of `(m,)`: how often a member ranks higher."""
    ranked = np.take_along_axis(member, scores.argsort(axis=0), axis=0)
    inside = ranked.sum(axis=0)
    above = np.tensordot(np.arange(1, len(ranked) + 1), ranked, 1) - inside * (inside + 1) / 2
    return np.asarray(above / (inside * (len(ranked) - inside)))


def _telling(z: Floats, member: Members, owners: Sequence[str]) -> list[str]:
    """Columns, and pairs of columns, by what they add to the difference of the mean scores of a fit to all rows."""
    fit = np.linalg.inv(_centred(_kernel(z, z)) + RIDGE * np.eye(len(z)))
    alpha = fit @ (member - member.mean())
    side = np.where(member, 1 / member.sum(), -1 / (~member).sum())
    n = z.shape[1]
    both = (z.T * alpha @ z / n**2) * (z.T * side @ z)
    both[np.diag_indices(n)] += (alpha @ z / n) * (side @ z)
    names, column = np.unique(np.array(owners), return_inverse=True)
    sums = np.zeros((len(names), len(names)))
    np.add.at(sums, (column[:, None], column[None]), both)
    sums = np.triu(sums) + np.tril(sums, -1).T
    order = np.argsort(-sums, axis=None)
    least = WORTH_NAMING * sums.max()
    pairs = [divmod(int(place), len(names)) for place in order if sums.flat[place] >= least]
    return [str(names[a]) if a == b else f"{names[a]} with {names[b]}" for a, b in pairs]
