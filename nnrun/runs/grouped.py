"""How sure a mean is of rows that come in groups, such as all visits of one patient: as sure as that of fewer rows.

Groups are taken as drawn at random, and their rows as alike to any degree: each group counts as one number. So does
each row where rows come one by one and do not count alike, since the heavy ones may err more often than others.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.features.weights import effective_rows
from nnrun.data.files.values import Indices
from nnrun.data.groups import numbered
from nnrun.engine.parameters import Array
from nnrun.runs.proportions import Z

LEVEL = 0.95  # of intervals
BLOCKS = 8  # of rows that follow one another in time


def takes_mistakes(dataset: Dataset, part: str) -> bool:
    """Whether mistakes say how sure the error of a part is: of classes, by rows that are in groups or have weights."""
    rows = dataset.parts[part]
    return dataset.classes is not None and not (rows.groups is None and rows.weights is None)


def sure_as(part: str, mistakes: Array, groups: Array | None, weights: Array | None) -> float:
    """Independent rows that the error of a part is as sure as, by the mistakes `(rows,)`.

    Training rows were learned one by one.
    """
    return float(independent_rows(mistakes, groups, weights, learned=part == "train"))


def pseudo_values(values: Array, groups: Array, weights: Array | None = None) -> Array:
    """By how much the mean of values `(..., rows)` would be another without each group, as numbers `(..., groups)`.

    Pseudo-values of the jackknife (Quenouille 1956, Biometrika 43, 353-360; Tukey 1958): the variance of their mean is
    that of the mean of the values, also where a large group has drawn this to itself. Where each row is a group and
    counts alike they are the values. `groups (rows,)` are whole numbers; those that weigh nothing are none.
    """
    if weights is not None and not weights.all():
        values, groups, weights = values[..., weights > 0], groups[weights > 0], weights[weights > 0]
    codes = numbered(groups)
    shares = np.full(len(codes), 1 / len(codes)) if weights is None else weights / weights.sum()
    means, of_group = values @ shares, np.bincount(codes, shares)
    deviations = (values - means[..., None]) * shares
    count = len(of_group)
    summed = [np.bincount(codes, row, count) for row in deviations.reshape(-1, len(codes))]
    without = np.reshape(summed, (*values.shape[:-1], count)) / np.maximum(1 - of_group, np.finfo(float).eps)
    found: Array = means[..., None] + (count - 1) * without
    return found


def blocks(times: Array) -> Indices:
    """The block of each row `(rows,)`, of eight as long that follow one another in the order of `times`.

    Rows that lie close in time are alike. The means of few long blocks are hardly so, and by Student's t for their
    number they tell how sure that of all rows is, as long as rows are not alike for longer than a block: batch means
    (Schmeiser 1982, Operations Research 30, 556-568; Ibragimov & Müller 2010, Journal of Business & Economic Statistics
    28, 453-468, who take 4 to 16).
    """
    found = np.empty(len(times), np.int64)
    for block, rows in enumerate(np.array_split(np.argsort(times, kind="stable"), BLOCKS)):
        found[rows] = block
    return found


def student(cases: int, level: float = LEVEL) -> float:
    """How many standard errors to both sides of the mean of so many rows or groups, at least two, hold this share.

    By Student's t: more where there are few, whose spread is known badly.
    """
    from scipy.special import stdtrit

    return float(stdtrit(cases - 1, (1 + level) / 2))


def error_of_mean(cases: Array, pseudo: float = 0.0) -> float:
    """The standard error of the mean of at least two numbers; `pseudo` is added to the sum of their squares."""
    count = len(cases)
    return sqrt((float(np.square(cases - cases.mean()).sum()) + pseudo) / (count * (count - 1)))


def half_each_way(cases: Array, rows: int) -> float:
    """What one case more, half of it for the one predictor and half for the other, adds to the sum of squares.

    It is as large as the largest of the differences in mistakes `(cases,)`, and as one of the rows at least: a few that
    all differ alike, or not at all, say little of others (Agresti & Min 2005, Statistics in Medicine 24, 729-740).
    """
    return max(float(np.square(cases).max()), (len(cases) / rows) ** 2)


def independent_rows(
    values: Array, groups: Array | None, weights: Array | None = None, *, learned: bool = False
) -> int:
    """How many rows that count alike would have a mean as sure as that of values `(rows,)` in these groups `(rows,)`.

    Without groups each row is one. Fewer where there are few groups, whose spread is known badly (Korn and Graubard
    1998, Survey Methodology 24, 193-201), or where few have a mistake: how alike rows are is then hardly known, so
    that the estimate is drawn to the number of groups, as by one more with a mistake whose rows were all alike. Without
    a mistake it is that number; where rows were `learned` one by one, theirs. Never more than there are rows.
    """
    if weights is not None:
        counted = weights > 0
        values, groups, weights = values[counted], None if groups is None else groups[counted], weights[counted]
    if groups is None and (weights is None or not np.ptp(weights)):
        return len(values)
    codes = np.arange(len(values)) if groups is None else numbered(groups)
    of_groups, mean = pseudo_values(values, codes, weights), np.average(values, weights=weights)
    count, rows = len(of_groups), len(values) if weights is None else effective_rows(weights)
    if count < 2:
        return 1
    prior = rows if learned else min(count, rows)
    spread = float(np.average(np.square(values - mean), weights=weights))
    of_mean = float(of_groups.var(ddof=1)) / count
    if not np.ptp(values) or not of_mean:
        return prior
    known = spread / of_mean * (Z / student(count)) ** 2
    seen = min(len(np.unique(codes[values > mean])), len(np.unique(codes[values < mean])))
    return max(1, min(round(known), round((seen + 1) / (seen / known + 1 / prior)), rows))


def independent_pairs(values: Array, first: Indices, second: Indices) -> int:
    """How many independent rows would have a mean as sure as that of values `(pairs,)`, each of a pair of rows.

    Values of pairs that share a row go together, and those that share none are independent: the variance of the mean is
    the sum of the products of their deviations over all pairs of pairs that share a row (Fafchamps & Gubert 2007,
    Journal of Development Economics 83, 326-350; Aronow, Samii & Assenova 2015, Political Analysis 23, 564-577). Rows
    are whole numbers from 0. Where few of the values differ from the others, that is hardly known, and drawn to what
    it is where each row errs rarely and for itself, which is then a mistake of each of its pairs: 2n² / Σk² of n pairs,
    k of them of a row. At least 1, and never more than there are pairs.
    """
    count, mean = len(values), float(values.mean())
    rows = int(max(first.max(), second.max())) + 1
    of_row = sum(np.bincount(side, minlength=rows) for side in (first, second))
    prior = 2 * count**2 / float(np.square(of_row, dtype=float).sum())
    deviations = values - mean
    of_rows = sum(np.bincount(side, deviations, rows) for side in (first, second))
    same = numbered(np.minimum(first, second) * rows + np.maximum(first, second))  # counted twice, once for each row
    total = float(np.square(of_rows).sum() - np.square(np.bincount(same, deviations)).sum())
    seen = min(np.count_nonzero(values > mean), np.count_nonzero(values < mean))
    known = count * float(np.square(deviations).sum()) / total if seen and total > 0 else prior
    return max(1, min(round((seen + 1) / (seen / known + 1 / prior)), count))
