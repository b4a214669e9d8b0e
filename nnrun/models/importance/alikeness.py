"""Which columns hold the same: those whose features rise and fall together, whatever the curve between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.values import Floats
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sampled

ALIKE = 0.8  # rank correlation, rising or falling, from which on two columns are told to hold the same
ENOUGH = 20  # rows: of fewer, columns that have nothing to do with each other are alike by chance
MOST_ROWS, FEWEST_ROWS = 5_000, 200  # of the sample that is looked at
WORK = 10_000_000_000  # multiplications, about, that all pairs of features may take
BLOCK = 512  # features that are compared with all others at once, which bounds the memory; those of a column together
RARE = 10  # rows: a mark that fewer have, or fewer lack, is alike to others by chance


class Alike(NamedTuple):
    """Columns that are joined by correlations, of which this is the lowest."""

    columns: list[str]
    correlation: float


def alike(made: Preprocessor, x: Array) -> list[Alike]:
    """Groups of two columns or more, from features `(m, n)`, or more, of which the first n are those of `made`.

    Two columns are joined where a feature of one and a feature of the other have a rank correlation (Spearman 1904) of
    ALIKE or more. Codes of embeddings have no order, and that values are missing together says nothing of them. Of 3
    rows every third pair of columns is so alike by chance, of ENOUGH one in 40,000; of fewer than that none is told.
    """
    places = np.array(_comparable(made), dtype=np.int64)
    if not len(places) or len(x) < ENOUGH:
        return []
    rows = min(len(x), MOST_ROWS, max(FEWEST_ROWS, WORK // len(places) ** 2))
    ranks, kept = _standard_ranks(x[sampled(len(x), rows)][:, places])
    names = [column.name for column in made.columns]
    numbers = {name: number for number, name in enumerate(names)}
    owners = np.array([numbers[made.owners[place].name] for place in places[kept]], dtype=np.int64)
    return [Alike([names[number] for number in group], lowest) for group, lowest in _joined(ranks, owners)]


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
    least = rows * (rows / 2) ** 2 * (RARE / rows) * (1 - RARE / rows)  # 0 or less where there are no more than RARE
    kept = np.flatnonzero((squares >= least) & (squares > 0))
    return ranks[:, kept] / np.sqrt(squares[kept]), kept


def _joined(ranks: Floats, owners: Array) -> Iterator[tuple[list[int], float]]:
    """The columns of each group, in order, and the lowest correlation that joins them.

    Of the features of two columns the pair that is most alike counts; `owners` are the columns `(k,)`, ascending.
    """
    columns, starts = np.unique(owners, return_index=True)
    group, lowest = np.arange(len(columns)), np.full(len(columns), np.inf)
    for one, row in _correlations(ranks, starts):
        others = one + 1 + np.flatnonzero(row[one + 1 :] >= ALIKE)
        if len(others):
            lowest[one] = min(1.0, row[others].min())
            together = np.zeros(len(columns), dtype=bool)
            together[group[one]] = together[group[others]] = True
            group[together[group]] = together.argmax()
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(members) > 1:
            yield columns[members].tolist(), float(lowest[members].min())


def _correlations(ranks: Floats, starts: Array) -> Iterator[tuple[int, Floats]]:
    """The place of a column, and how alike each column is to it, `(columns,)`; their first features are `starts`."""
    ends, first = np.append(starts[1:], ranks.shape[1]), 0
    while first < len(starts):
        stop = max(first + 1, int(np.searchsorted(ends, starts[first] + BLOCK, side="right")))
        found = np.abs(ranks[:, starts[first] : ends[stop - 1]].T @ ranks)
        if len(starts) < ranks.shape[1]:  # else, as of images, each column has one feature
            found = np.maximum.reduceat(np.maximum.reduceat(found, starts, axis=1), starts[first:stop] - starts[first])
        yield from enumerate(found, first)
        first = stop
