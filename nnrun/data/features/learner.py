"""What a column is, learned from the training rows piece by piece."""

from __future__ import annotations

from dataclasses import replace

from nnrun.data.facts.kinds import Meaning
from nnrun.data.features.categories import USUAL, Limits, notices_of
from nnrun.data.features.columns import KINDS, Column, Seen
from nnrun.data.features.profile import WrittenProfile
from nnrun.data.files.table import Table


class Learner:
    """Learns a column from the training rows, piece by piece; its meaning may be decided by more rows than these."""

    def __init__(self, name: str, meaning: Meaning, limits: Limits = USUAL) -> None:
        self._start, self._limits = Column(name, meaning.kind, format=meaning.format), limits
        self._rows = 0
        self._seen = Seen()

    def see(self, table: Table) -> None:
        """Take in the next rows; raises DataError for a value that does not fit the column's kind."""
        self._rows += len(table)
        self._seen.add(KINDS[self._start.kind].see(self._start, table))

    @property
    def column(self) -> Column:
        """The column as all rows seen so far have it."""
        start = replace(self._start, indicator=self._seen.present < self._rows)
        return KINDS[start.kind].learn(start, self._seen, self._rows, self._limits)

    def profile(self, sample: Table) -> WrittenProfile:
        """What the column is like in all rows seen so far, with quantiles of a sample of them."""
        return KINDS[self._start.kind].profile(self._start, self._seen, self._rows, sample)

    @property
    def notices(self) -> list[str]:
        """What was decided about the values of a category."""
        column = self.column
        return notices_of(column.name, self._seen.counts, column.vocabulary, column.embedding)

    @property
    def scales(self) -> list[tuple[float, float]]:
        """Mean and deviation of each feature over all rows seen so far; 0 and 1 for what marks a category or a gap.

        Divided by its deviation, the mark of a value in one row out of a hundred would be 10 where it is set, and the
        few rows that have it would be learned by heart.
        """
        column = self.column
        moments = (self._seen.moments[key].filled(self._rows) for key in column.parts or ("",))
        return [(0.0, 1.0) if mark else next(moments).center_and_scale for mark in column.marks]
