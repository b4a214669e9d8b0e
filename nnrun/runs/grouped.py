"""How sure a mean is of rows that come in groups, such as all visits of one patient: as sure as that of fewer rows.

Groups are taken as drawn at random, and their rows as alike to any degree: each group counts as one number.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.features.weights import effective_rows
from nnrun.data.groups import numbered
from nnrun.engine.parameters import Array
from nnrun.runs.proportions import Z

LEVEL = 0.95  # of intervals


def groups_of(dataset: Dataset, part: str) -> Array | None:
    """The group of each row `(rows,)` where an error of classes is to be judged by them, else None."""
    return dataset.parts[part].groups if dataset.classes else None


def sure_as(part: str, mistakes: Array, groups: Array, weights: Array | None) -> float:
    """Independent rows that the error of a part is as sure as, by the mistakes `(rows,)`.

    Training rows without a mistake were learned one by one, so that each of them counts.
    """
    if part == "train" and not mistakes.any():
        return float(len(mistakes) if weights is None else effective_rows(weights))
    return float(independent_rows(mistakes, groups, weights))


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


def independent_rows(values: Array, groups: Array, weights: Array | None = None) -> int:
    """How many rows without groups would have a mean as sure as that of values `(rows,)` in these groups `(rows,)`.

    Fewer where there are few groups, whose spread is known badly (Korn and Graubard 1998, Survey Methodology 24,
    193-201). Never more than there are rows; one a group where all values are equal, which says nothing of a spread.
    """
    of_groups = pseudo_values(values, groups, weights)
    count, rows = len(of_groups), len(values) if weights is None else effective_rows(weights)
    if count < 2:
        return 1
    spread = float(np.average(np.square(values - np.average(values, weights=weights)), weights=weights))
    of_mean = float(of_groups.var(ddof=1)) / count
    if not spread or not of_mean:
        return min(count, rows)
    known = (Z / student(count)) ** 2
    return max(1, min(round(spread / of_mean * known), rows))
