"""Tables that fit a screen: columns that matter less are left out where there is no room."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nnrun.narration import columns

GAP = 2  # between columns
LEAST = 12  # letters of a first column that is cut


class Column(NamedTuple):
    """A title and the cells below it; where there is no room, the highest rank goes first, and 0 never."""

    title: str
    cells: list[str]
    rank: int = 0
    right: bool = True

    @property
    def width(self) -> int:
        """Of its widest cell."""
        return max(map(len, [self.title, *self.cells]))


def fitted(table: Sequence[Column], width: int, cut: bool) -> list[str]:
    """The lines of as many columns as fit; `cut` also shortens the first column where even the least are too wide."""
    kept = list(table)
    while total(kept) > width and max(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    if cut and total(kept) > width:
        first = kept[0]
        room = max(LEAST, first.width - (total(kept) - width))
        kept[0] = first._replace(cells=[shortened(cell, room) for cell in first.cells])
    rows = [[column.title for column in kept], *(list(row) for row in zip(*(c.cells for c in kept), strict=True))]
    return columns(rows, right=[index for index, column in enumerate(kept) if column.right])


def total(table: Sequence[Column]) -> int:
    """Columns of the screen that it takes."""
    return sum(column.width for column in table) + GAP * (len(table) - 1)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line of titles and a line a row; every key that a row has is a column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def shortened(text: str, width: int) -> str:
    """The beginning, and … for what is missing."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
