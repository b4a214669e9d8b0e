"""Predicted numbers that are as large or as small as float64 goes, as the logarithm that was learned is beyond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrun.data.features.target import Target
from nnrun.data.files.table import Table
from nnrun.engine.parameters import Array
from nnrun.text import counted


@dataclass
class Beyond:
    """How many of the rows that come are predicted so, and where the first one stands."""

    target: Target
    count: int = 0
    first: str = ""

    def see(self, predicted: Array, table: Table) -> None:
        """The predictions `(m,)` of the rows of a table, in the target's own unit."""
        beyond = self.target.beyond(predicted)
        if beyond.any() and not self.count:
            self.first = table.at_row(table.first(beyond))
        self.count += int(beyond.sum())

    def notices(self) -> list[str]:
        """The notice on rows predicted so; empty without any."""
        return [_told(self.count, self.first)] if self.count else []


def of_part(part: str, target: Target, predicted: Array, place: Callable[[str, int], str]) -> list[str]:
    """The notice on a part of the run's own data, whose rows are predicted so `(m,)`; empty without any.

    `place` tells where a row of a part stands.
    """
    rows = np.flatnonzero(target.beyond(predicted))
    return [f"{part}: {_told(len(rows), place(part, int(rows[0])))}"] if rows.size else []


def _told(count: int, first: str) -> str:
    are = "is" if count == 1 else "are"
    return (
        f"{counted(count, 'prediction')} {are} 0 or the largest number there is, as the logarithm that the network "
        f"gives is beyond (the first: {first}); look for wild values in these rows"
    )
