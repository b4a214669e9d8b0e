"""Which columns hold the same: those whose features rise and fall together, whatever the curve between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.values import Floats
from nnrun.engine.parameters import Array

ALIKE = 0.8  # rank correlation, rising or falling, from which on two columns are told to hold the same
MOST_ROWS, FEWEST_ROWS = 5_000, 200  # that are looked at
WORK = 10_000_000_000  # multiplications, about, that all pairs of features may take
BLOCK = 512  # features that are compared with all others at once, which bounds the memory
RARE = 10  # rows: a mark that fewer have, or fewer lack, is alike to others by chance


class Alike(NamedTuple):
    """Columns that are joined by correlations, of which this is the lowest."""

    columns: list[str]
    correlation: float


def alike(made: Preprocessor, x: Array) -> list[Alike]:
    """Groups of two columns or more, from features `(m, n)`, or more, of which the first n are those of `made`.

    Two columns are joined where a feature of one and a feature of the other have a rank correlation (Spearman 1904) of
    ALIKE or more. Codes of embeddings have no order, and that values are missing together says nothing of them.
    """
    places = np.array(_comparable(made), dtype=np.int64)
    if not len(places):
        return []
    rows = min(len(x), MOST_ROWS, max(FEWEST_ROWS, WORK // len(places) ** 2))
    ranks, kept = _standard_ranks(x[:rows, places])
    owners = np.array([made.columns.index(made.owners[place]) for place in places[kept]], dtype=np.int64)
    edges: dict[tuple[int, int], float] = {}
    for one, other, correlation in _pairs(ranks, owners):
        edges[one, other] = max(edges.get((one, other), 0.0), correlation)
    names = [column.name for column in made.columns]
    return [
        Alike([names[place] for place in group], min(r for (one, _), r in edges.items() if one in group))
        for group in _joined(edges)
    ]


def _comparable(made: Preprocessor) -> list[int]:
    """The places of features that are neither codes nor marks of missing values."""
    marks = {f"{column.name} is missing" for column in made.columns if column.marks_gaps}
    pairs = enumerate(zip(made.features, made.owners, strict=True))
    return [place for place, (name, owner) in pairs if owner.embedding is None and name not in marks]


def _standard_ranks(x: Array) -> tuple[Floats, Array]:
    """Ranks with mean 0 and squares that add up to 1 `(m, k)`, of the features that vary enough, and which these are.

    A mark that RARE rows have varies as much as the ranks of those rows do.
    """
    import pandas as pd

    ranks = np.array(pd.DataFrame(x).rank())
    ranks -= ranks.mean(axis=0)
    squares, rows = np.square(ranks).sum(axis=0), len(ranks)
    kept = np.flatnonzero(squares >= rows * (rows / 2) ** 2 * (RARE / rows) * (1 - RARE / rows))
    return ranks[:, kept] / np.sqrt(squares[kept]), kept


def _pairs(ranks: Floats, owners: Array) -> Iterator[tuple[int, int, float]]:
    """Places of two columns, the first one first, and a correlation of theirs that is high."""
    for start in range(0, ranks.shape[1], BLOCK):
        found = np.abs(ranks[:, start : start + BLOCK].T @ ranks)
        for one, other in np.argwhere(found >= ALIKE):
            pair = int(owners[start + one]), int(owners[other])
            if pair[0] < pair[1]:
                yield *pair, min(1.0, float(found[one, other]))


def _joined(edges: dict[tuple[int, int], float]) -> list[list[int]]:
    """What the edges connect, each group in order."""
    group: dict[int, set[int]] = {}
    for pair in edges:
        together = set().union(pair, *(group.get(place, set()) for place in pair))
        group |= dict.fromkeys(together, together)
    return sorted({min(places): sorted(places) for places in group.values()}.values())
