"""Values of new rows that training did not have in their column, or hardly had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nnrun.data.features.categories import MOST_POOLED, OTHER
from nnrun.data.features.columns import Column
from nnrun.data.files.spelling import composed_otherwise
from nnrun.data.files.table import Table
from nnrun.data.files.values import missing_of
from nnrun.engine.parameters import Array
from nnrun.text import counted

MOST_TOLD = 5  # columns of which the same is told one by one, as an image has thousands
_POOLED = f"rare in training and counted as {OTHER}"
_COMPOSED = "not seen in training, where the same letters have other code points"


class _Found(NamedTuple):
    """How many values of a column there are, and where the first one stands."""

    values: int
    first: str


@dataclass
class Unlike:
    """What is unlike training in the rows that come, by what it is and its column."""

    found: dict[str, dict[str, _Found]] = field(default_factory=dict)

    def see(self, table: Table, columns: Sequence[Column]) -> None:
        """Count those of a table."""
        for column in columns:
            missing = missing_of(table.column(column.name))
            if not column.indicator:
                self._count(table, column.name, "missing, as none was in training", missing)
            if column.kind == "category":
                values = column.labels(table)
                pooled, known = (values.isin(seen).to_numpy() for seen in (column.pooled, column.vocabulary))
                self._count(table, column.name, _POOLED, pooled)
                unseen = ~known & ~pooled & ~missing
                twins = composed_otherwise(values[unseen].unique(), (*column.vocabulary, *column.pooled))
                composed = unseen & values.isin(twins).to_numpy()
                self._count(table, column.name, _COMPOSED, composed)
                self._count(table, column.name, _unseen(column), unseen & ~composed)

    def _count(self, table: Table, column: str, what: str, where: Array) -> None:
        if not where.any():
            return
        of = self.found.setdefault(what, {})
        before = of.get(column) or _Found(0, table.at_cell(table.first(where), column))
        of[column] = before._replace(values=before.values + int(where.sum()))

    def notices(self) -> list[str]:
        """A line for each column, or for all of many."""
        return [notice for what, of in self.found.items() for notice in _told(what, of)]

    def doubts(self) -> list[str]:
        """The notices by which rows are predicted worse than others."""
        return [notice for what, of in self.found.items() if what != _POOLED for notice in _told(what, of)]


def _told(what: str, of: dict[str, _Found]) -> list[str]:
    if len(of) <= MOST_TOLD:
        return [_line(found.values, f"column {name!r}", what, found.first) for name, found in of.items()]
    name, first = next(iter(of.items()))
    columns = f"{len(of):,} columns, such as {name!r},"
    return [_line(sum(found.values for found in of.values()), columns, what, first.first)]


def _line(count: int, of: str, what: str, first: str) -> str:
    return f"{counted(count, 'value')} of {of} {'was' if count == 1 else 'were'} {what} (the first: {first})"


def _unseen(column: Column) -> str:
    """What is known of values without a feature, of which training may have had more than are kept by name."""
    rare = len(column.pooled) >= MOST_POOLED
    return "not seen in training, or rare there" if rare else "not seen in training"
