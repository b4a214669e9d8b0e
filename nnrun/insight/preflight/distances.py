"""How far apart two parts are, column by column: tests corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.facts.association import codes
from nnrun.data.facts.chances import chance_of_distance, chance_of_table, common_cells
from nnrun.data.facts.likeness import LARGE, SIGNIFICANCE, Difference, holm
from nnrun.data.files.values import Indices, Values, columns_of, kind_of, missing_of

if TYPE_CHECKING:
    import pandas as pd


MOST_ROWS, FEWEST_ROWS = 5_000, 500  # of the sample that is looked at
CELLS = 4_000_000  # rows × columns of the sample


def rows_compared(rows: int, columns: int) -> Indices:
    """A fixed random sample of the rows, fewer where there are many columns, so that it takes seconds."""
    most = min(MOST_ROWS, max(FEWEST_ROWS, CELLS // columns))
    return np.random.default_rng(0).permutation(rows)[:most]


def differences(one: pd.DataFrame, other: pd.DataFrame) -> list[Difference]:
    """Two-sample tests of each column: Kolmogorov & Smirnov's for numbers, χ² for categories."""
    one, other = (frame.iloc[rows_compared(*frame.shape)] for frame in (one, other))
    pairs = zip(columns_of(one), columns_of(other), strict=True)
    return [_difference(str(name), values, others) for (name, values), (_, others) in pairs]


def _difference(name: str, one: Values, other: Values) -> Difference:
    if not (kind_of(one) == "number" and kind_of(other) == "number"):
        return _category_difference(name, one, other)
    a, b = (np.sort(np.asarray(values[~missing_of(values)], float)) for values in (one, other))
    if not (len(a) and len(b)):
        return Difference(name, 0.0, 1.0)
    both = np.concatenate([a, b])
    below = [part.searchsorted(both, side="right") / len(part) for part in (a, b)]
    distance = float(np.abs(below[0] - below[1]).max())
    return Difference(name, distance, chance_of_distance(distance, len(a) * len(b) / len(both)))


def _category_difference(name: str, one: Values, other: Values) -> Difference:
    import pandas as pd

    both = codes(pd.concat([pd.Series(one), pd.Series(other)]).astype(str))
    width = int(both.max()) + 1
    table = np.stack([np.bincount(part, minlength=width) for part in (both[: len(one)], both[len(one) :])])
    cells = common_cells(table)
    shares = cells / cells.sum(axis=1, keepdims=True)
    return Difference(name, float(np.abs(shares[0] - shares[1]).sum() / 2), chance_of_table(table))


def large(found: Sequence[Difference], pairs: int) -> list[Difference]:
    """Differences that are no chance, though so many pairs of parts were looked at, and far enough apart to matter."""
    return [d for d in holm(found, SIGNIFICANCE / pairs) if d.distance >= LARGE]
