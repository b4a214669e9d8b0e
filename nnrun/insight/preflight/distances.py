"""How far apart two parts are, column by column: tests corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.association import codes
from nnrun.data.facts.likeness import LARGE, LEAST_EXPECTED, SIGNIFICANCE, Difference, holm
from nnrun.data.files.table import Indices, kind_of

if TYPE_CHECKING:
    import pandas as pd


MOST_ROWS, FEWEST_ROWS = 5_000, 500  # of the sample that is looked at
CELLS = 4_000_000  # rows × columns of the sample


def sampled(rows: int, columns: int) -> Indices:
    """A fixed random sample of the rows, fewer where there are many columns, so that it takes seconds."""
    most = min(MOST_ROWS, max(FEWEST_ROWS, CELLS // columns))
    return np.random.default_rng(0).permutation(rows)[:most]


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


def large(found: Sequence[Difference], pairs: int) -> list[Difference]:
    """Those that are no chance, though so many pairs of parts were looked at, and far enough apart to matter."""
    return [d for d in holm(found, SIGNIFICANCE / pairs) if d.distance >= LARGE]
