"""The check of parts that differ in what no single column shows: can a classifier tell them apart?

A two-sample test by a classifier (Lopez-Paz & Oquab 2017): ridge regression of the part that a row comes from on the
ranks of its columns and their products, by a kernel (Saunders, Gammerman & Vovk 1998) whose features are centred
(Schölkopf, Smola & Müller 1998). Its scores of rows that it did not see give the area under the ROC curve, and the
same areas of permuted labels say how often chance reaches it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.data.dataset import Dataset
from nnrun.data.files.values import Floats
from nnrun.insight.preflight.context import Context, Pair
from nnrun.insight.preflight.distances import large
from nnrun.insight.preflight.rows import unlike
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import listed

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
    scoring = _held_out_scoring(z)
    auc = float(areas(scoring @ member, member))
    if auc < LARGE:
        return Separation(auc, 1.0, [])
    shuffled = np.stack([rng.permutation(member) for _ in range(PERMUTATIONS)], axis=1)
    reached = int((areas(scoring @ shuffled, shuffled) >= auc).sum())
    return Separation(auc, (1 + reached) / (1 + PERMUTATIONS), _most_telling(z, member, owners))


def ranks(x: Floats) -> Floats:
    """Each column's ranks, `(m, n)`, with mean 0 and deviation 1, or less where nearly all values are equal."""
    import pandas as pd

    ranked = (2 * np.array(pd.DataFrame(x).rank()) - 1) / len(x) - 1
    ranked -= ranked.mean(axis=0)
    return np.asarray(ranked / np.maximum(ranked.std(axis=0), LEAST_DEVIATION), float)


def _kernel(a: Floats, b: Floats) -> Floats:
    """Linear and quadratic, a·b/n + (a·b/n)², of rows `(p, n)` and `(q, n)`: `(p, q)`."""
    linear = a @ b.T / a.shape[1]
    return np.asarray(linear + np.square(linear), float)


def _held_out_scoring(z: Floats) -> Floats:
    """The scores of rows `z (m, n)`, each by a fit to the other folds, as a matrix `(m, m)` to multiply labels by.

    Ridge regression is linear in its labels y: the fit's scores are K(out, in) (K(in, in) + ridge)⁻¹ y(in). So one
    factorisation a fold serves all permutations of the labels.
    """
    scoring = np.zeros((len(z), len(z)))
    for fold in range(FOLDS):
        out = np.arange(len(z)) % FOLDS == fold
        kernel, cross = _kernel(z[~out], z[~out]), _kernel(z[out], z[~out])
        cross += kernel.mean() - kernel.mean(axis=0) - cross.mean(axis=1, keepdims=True)  # less the means of the fit
        scoring[np.ix_(out, ~out)] = _ridge_fit(kernel, cross.T).T
    return scoring


def _ridge_fit(kernel: Floats, values: Floats) -> Floats:
    """(K + ridge)⁻¹ of the centred kernel `(m, m)` times values `(m, ...)`: of labels, the weight of each row."""
    from scipy.linalg import solve

    ridged = _centred(kernel) + RIDGE * np.eye(len(kernel))
    return np.asarray(solve(ridged, values, assume_a="pos", check_finite=False), float)


def _centred(kernel: Floats) -> Floats:
    """The kernel `(m, m)` of features whose means over these rows are 0."""
    mean = kernel.mean(axis=0)
    return np.asarray(kernel - mean - mean[:, None] + mean.mean(), float)


def areas(scores: Floats, member: Members) -> NDArray[np.float64]:
    """Area under the ROC curve of each column of scores `(m, k)` or of `(m,)`: how often a member ranks higher.

    `member` has the shape of the scores. The sum of the members' ranks tells it (Mann & Whitney 1947).
    """
    ranked = np.take_along_axis(member, scores.argsort(axis=0), axis=0)
    inside = ranked.sum(axis=0)
    above = np.tensordot(np.arange(1, len(ranked) + 1), ranked, 1) - inside * (inside + 1) / 2
    return np.asarray(above / (inside * (len(ranked) - inside)))


def _most_telling(z: Floats, member: Members, owners: Sequence[str]) -> list[str]:
    """Columns, and pairs of columns, that add the most to the difference of the mean scores of a fit to all rows."""
    names, column_of = np.unique(np.array(owners), return_inverse=True)
    shares = np.zeros((len(names), len(names)))
    np.add.at(shares, (column_of[:, None], column_of[None]), _contributions(z, member))
    shares = np.triu(shares) + np.tril(shares, -1).T  # a pair in one place
    order = np.argsort(-shares, axis=None)
    least = WORTH_NAMING * shares.max()
    pairs = [divmod(int(place), len(names)) for place in order if shares.flat[place] >= least]
    return [str(names[a]) if a == b else f"{names[a]} with {names[b]}" for a, b in pairs]


def _contributions(z: Floats, member: Members) -> Floats:
    """What the product of features i and j adds to the mean score of members less that of the others, `(n, n)`.

    A row x scores Σ α_r k(z_r, x) over the rows r, and k is a sum over features x_i and products x_i·x_j: the product
    has the coefficient Σ α_r z_ri z_rj / n². The difference of the means weights rows by 1/members and −1/others. What
    a feature adds by itself stands on the diagonal, beside its square.
    """
    n = z.shape[1]
    alpha = _ridge_fit(_kernel(z, z), member - member.mean())
    side = np.where(member, 1 / member.sum(), -1 / (~member).sum())
    products = (z.T * alpha @ z / n**2) * (z.T * side @ z)
    products[np.diag_indices(n)] += (alpha @ z / n) * (side @ z)
    return np.asarray(products, float)


MOST_ROWS, FEWEST_ROWS = 500, 100  # of the sample of each part
CELLS = 200_000  # rows × features of that sample
SIGNIFICANCE = 0.01  # chance of a finding where the parts are alike


def check_mismatch(context: Context) -> Finding:
    """A classifier for each two parts that are alike in every column; the others `distribution` has told."""
    alike = [
        pair for pair, difference in context.differences.items() if not large(difference, len(context.differences))
    ]
    owners = _owners(context)
    separations = {pair: _separate(context.dataset, pair, owners) for pair in alike}
    split, seed = context.dataset.fitted.split, context.config.data.split_seed
    return judge_mismatch(separations, context.differences, split["rule"], seed)


def _owners(context: Context) -> list[str]:
    """The column of each feature; the columns of `_values` behind them are the target's."""
    fitted = context.dataset.fitted
    owners = [column.name for column in fitted.preprocessor.owners]
    outputs = len(context.dataset.classes or [context.target])
    return [owners[place] for place in fitted.numeric] + [context.target] * outputs


def _separate(dataset: Dataset, pair: Pair, owners: list[str]) -> Separation:
    values = [_values(dataset, part) for part in pair]
    member = np.repeat([False, True], [len(rows) for rows in values])
    return separate(np.concatenate(values), member, owners)


def _values(dataset: Dataset, name: str) -> Floats:
    """Numeric features and target of a fixed random sample of a part, `(m, n)`, classes as one-hot vectors."""
    part = dataset.parts[name]
    most = max(FEWEST_ROWS, min(MOST_ROWS, CELLS // dataset.n_features))
    rows = np.sort(np.random.default_rng(0).permutation(len(part.x))[:most])
    y = part.y[rows]
    target = np.eye(len(dataset.classes))[y] if dataset.classes else y
    return np.asarray(np.hstack([part.x[rows][:, dataset.fitted.numeric], target]), float)


def judge_mismatch(separations: Mapping[Pair, Separation], pairs: Collection[Pair], rule: str, seed: int) -> Finding:
    """Parts that are told apart often enough to matter, and too often for chance."""
    numbers = {"-".join(pair): separation._asdict() for pair, separation in separations.items()}
    if not separations:
        return Finding("pass", "how the parts differ stands under distribution", numbers=numbers)
    significance = SIGNIFICANCE / len(separations)
    apart = {pair: test for pair, test in separations.items() if test.auc >= LARGE and test.p <= significance}
    if not apart:
        told = " and ".join(f"{'/'.join(pair)} (AUC {test.auc:.2f})" for pair, test in separations.items())
        return Finding("pass", f"a classifier cannot tell apart {told}", numbers=numbers)
    told = "; ".join(
        f"a classifier can tell {' from '.join(pair)} (AUC {test.auc:.2f}) by {listed(test.by)}"
        for pair, test in apart.items()
    )
    return Finding(*unlike(apart, told, pairs, rule, seed), numbers)
