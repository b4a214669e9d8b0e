"""How far apart two parts are, column by column: tests corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.association import codes
from nnrun.data.facts.chances import chance_of_distance, chance_of_table, common_cells
from nnrun.data.facts.likeness import LARGE, SIGNIFICANCE, Difference, holm
from nnrun.data.files.values import Indices, kind_of

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
    if not (kind_of(one) == "number" and kind_of(other) == "number"):
        return _category_difference(one, other)
    a, b = (np.sort(np.asarray(series.dropna(), float)) for series in (one, other))
    if not (len(a) and len(b)):
        return Difference(str(one.name), 0.0, 1.0)
    both = np.concatenate([a, b])
    below = [part.searchsorted(both, side="right") / len(part) for part in (a, b)]
    distance = float(np.abs(below[0] - below[1]).max())
    return Difference(str(one.name), distance, chance_of_distance(distance, len(a) * len(b) / len(both)))


def _category_difference(one: pd.Series[Any], other: pd.Series[Any]) -> Difference:
    import pandas as pd

    both = codes(pd.concat([one, other]).astype(str))
    width = int(both.max()) + 1
    table = np.stack([np.bincount(part, minlength=width) for part in (both[: len(one)], both[len(one) :])])
    cells = common_cells(table)
    shares = cells / cells.sum(axis=1, keepdims=True)
    return Difference(str(one.name), float(np.abs(shares[0] - shares[1]).sum() / 2), chance_of_table(table))


def large(found: Sequence[Difference], pairs: int) -> list[Difference]:
    """Those that are no chance, though so many pairs of parts were looked at, and far enough apart to matter."""
    return [d for d in holm(found, SIGNIFICANCE / pairs) if d.distance >= LARGE]
