"""What is noticed in rows that come, be they predicted or evaluated: how they were read, and what their values are."""

from __future__ import annotations

from collections.abc import Container

from nnrun.data.files.table import Table
from nnrun.engine.parameters import Array
from nnrun.models.beyond import Beyond
from nnrun.models.model import Model
from nnrun.models.unlike import Unlike
from nnrun.text import MANY, listed


class Noticed:
    """Notices on the rows of a model, complete after the last of their tables; doubts are those that cost trust."""

    def __init__(self, model: Model) -> None:
        self._columns, self._unlike, self._beyond = model.columns, Unlike(), Beyond(model.target)
        self._target = model.target.name
        self._read: dict[str, bool] = {}  # whether they are doubts, in their order
        self._ignored: list[str] = []

    def begin(self, table: Table, used: Container[str]) -> None:
        """The columns of the first table, of which some are `used` for something else than to be learned from."""
        known = {self._target, *(column.name for column in self._columns)}
        self._ignored = [name for name in table.columns if name not in known and name not in used]

    def see(self, table: Table, predicted: Array) -> None:
        """Rows, with what the model predicts of them: `(m,)` in the target's own unit, or `(m, classes)`."""
        self._read |= dict.fromkeys(table.notices, False) | dict.fromkeys(table.doubts, True)
        self._unlike.see(table, self._columns)
        self._beyond.see(predicted, table)

    @property
    def reading(self) -> list[str]:
        """On how they were read."""
        ignored = f"columns that the run did not learn from are ignored: {listed(self._ignored, MANY)}"
        return [*self._read, *([ignored] if self._ignored else [])]

    @property
    def doubts_of_reading(self) -> list[str]:
        """On numbers that may be of another unit than those of training, and the like."""
        return [notice for notice, doubtful in self._read.items() if doubtful]

    @property
    def values(self) -> list[str]:
        """On values that training did not have or hardly had, and predictions beyond all numbers."""
        return [*self._unlike.notices(), *self._beyond.notices()]

    @property
    def doubts_of_values(self) -> list[str]:
        """On values by which rows are predicted worse than others."""
        return [*self._unlike.doubts(), *self._beyond.notices()]
