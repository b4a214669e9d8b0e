"""How far apart two parts are, column by column: two-sample tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnrun.data.table import kind_of
from nnrun.preflight.association import codes, sampled

if TYPE_CHECKING:
    import pandas as pd

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


def large(found: Sequence[Difference]) -> list[Difference]:
    """Those that are no chance and far enough apart to matter."""
    return [d for d in holm(found) if d.distance >= LARGE]
