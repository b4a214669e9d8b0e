"""Predictions that are as large or as small as float64 goes, as the logarithm that was learned is beyond, or no number.

Features of any size that their precision holds are predicted by; what the network makes of them may be beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nnrun.data.features.target import Target
from nnrun.data.files.table import Table
from nnrun.engine.parameters import Array
from nnrun.text import counted


@dataclass
class Beyond:
    """How many of the rows that come are predicted so, and where the first one stands, by what is told of them."""

    target: Target
    _found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def see(self, predicted: Array, table: Table) -> None:
        """The predictions of the rows of a table: `(m,)` in the target's own unit, or `(m, classes)`."""
        for what, rows in _beyond(self.target, predicted).items():
            count, first = self._found.get(what) or (0, table.at_row(table.first(rows)))
            self._found[what] = count + int(rows.sum()), first

    def notices(self) -> list[str]:
        """The notices on rows predicted so; empty without any."""
        return [_told(what, count, first) for what, (count, first) in self._found.items()]


def of_part(part: str, target: Target, predicted: Array, place: Callable[[str, int], str]) -> list[str]:
    """The notices on a part of the run's own data, whose rows are predicted so; empty without any.

    `place` tells where a row of a part stands.
    """
    found = _beyond(target, predicted).items()
    return [f"{part}: {_told(what, int(rows.sum()), place(part, int(rows.argmax())))}" for what, rows in found]


def _beyond(target: Target, predicted: Array) -> dict[str, npt.NDArray[np.bool_]]:
    """The rows that are predicted so, by what is told of them, where there are any."""
    lost = np.asarray(~np.isfinite(predicted).all(axis=tuple(range(1, predicted.ndim))))
    found = {_BY_LOG: target.beyond(predicted), _OF_CLASSES if target.classes else _LOST: lost}
    return {what: rows for what, rows in found.items() if rows.any()}


_BY_LOG = "0 or the largest number there is, as the logarithm that the network gives is beyond"
_LOST = "infinite or no number, as what the network computes goes beyond its precision"
_OF_CLASSES = f"of probabilities that are {_LOST}, so their class means nothing"


def _told(what: str, count: int, first: str) -> str:
    are = "is" if count == 1 else "are"
    return f"{counted(count, 'prediction')} {are} {what} (the first: {first}); look for wild values in these rows"
