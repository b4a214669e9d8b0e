"""How likely it is by chance that two sets of rows are so unlike each other, where both are of one distribution.

Without SciPy, which takes longer to load than most files take to be predicted or checked.
"""

from __future__ import annotations

import math

import numpy as np

from nnrun.data.facts.likeness import LEAST_EXPECTED
from nnrun.engine.parameters import Array

EXACT = 1_000  # rows of training, of a kind, up to which chances are summed term by term
TERMS = 20  # of a series whose terms fall as e^(−2k²x²)


def chance_of_more(k: int, rows: int, a: int, b: int) -> float:
    """How likely k or more of new rows are of a kind, of which training had a − 1 of a + b − 1 rows: beta-binomial.

    So it is for rows beyond a known number of the smallest and largest values, whatever their distribution, as new rows
    and those of training are in a random order; of other kinds it is the predictive distribution of a uniform prior.
    """
    if k <= 0:
        return 1.0
    if a > EXACT:
        fewer = k * (a + b) < a * rows
        return 1.0 if fewer else chance_of_table(np.array([[a, b], [k, rows - k]])) / 2
    # Among the first k + a − 1 rows of a random order are a − 1 of training's at most: hypergeometric.
    drawn, special, whole = k + a - 1, a + b - 1, rows + a + b - 1
    start = _log_choose(whole, drawn)
    within = range(max(0, drawn - rows), min(a, special + 1))
    return min(1.0, sum(math.exp(_log_choose(special, j) + _log_choose(rows, drawn - j) - start) for j in within))


def _log_choose(n: int, m: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)


def chance_of_share(k: int, rows: int, before: int, whole: int) -> float:
    """How likely so many, or so few, of new rows are of a kind that `before` of `whole` rows of training were of."""
    if before < EXACT and k * whole > before * rows:
        return min(1.0, 2 * chance_of_more(k, rows, before + 1, whole - before))
    return chance_of_table(np.array([[before, whole - before], [k, rows - k]]))


def chance_of_distance(distance: float, rows: float) -> float:
    """How likely distribution functions are so far apart, of samples that are worth so many rows (Kolmogorov 1933)."""
    x = math.sqrt(rows) * distance
    if x < 0.2:  # where the series needs many terms, and is 1 to twelve digits
        return 1.0
    series = (math.exp(-2 * (k * x) ** 2) * (1.0 if k % 2 else -1.0) for k in range(1, TERMS))
    return min(1.0, 2 * sum(series))


def common_cells(table: Array) -> Array:
    """Of two rows of counts `(2, cells)` those cells in which enough are expected, the others as one, none empty."""
    whole = table.sum(axis=1)
    rare = table.sum(axis=0) * whole.min() / whole.sum() < LEAST_EXPECTED
    cells = np.hstack([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)]).astype(np.float64)
    return cells[:, cells.any(axis=0)]


def chance_of_table(table: Array) -> float:
    """χ² of the common cells of two rows of counts `(2, cells)`."""
    cells = common_cells(table)
    if cells.shape[1] < 2:
        return 1.0
    expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()
    return chance_of_squares(float((np.square(cells - expected) / expected).sum()), cells.shape[1] - 1)


def chance_of_squares(squares: float, degrees: int) -> float:
    """How likely χ² of so many degrees of freedom is as large or larger: a sum, as these are a whole number."""
    half = squares / 2
    total = 0.0 if degrees % 2 == 0 else math.erfc(math.sqrt(half))
    for place in range(degrees % 2, degrees, 2):  # e^(−h)·h^s / Γ(s + 1) for s = place / 2 below degrees / 2
        power = place / 2
        if half:
            total += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
        else:
            total += power == 0
    return min(1.0, total)
