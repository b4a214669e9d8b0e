"""Tables that fit a screen: cells as a list and a comparison show them; columns that matter less are left out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nnrun.text import columns, duration, in_percent, metric_step, number, shortened, yaml_text

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
    kept = fitting(table, width)
    if cut and total(kept) > width:
        first = kept[0]
        room = max(LEAST, first.width - (total(kept) - width))
        kept[0] = first._replace(cells=[shortened(cell, room) for cell in first.cells])
    rows = [[column.title for column in kept], *(list(row) for row in zip(*(c.cells for c in kept), strict=True))]
    return columns(rows, right=[index for index, column in enumerate(kept) if column.right])


def fitting(table: Sequence[Column], width: int) -> list[Column]:
    """As many columns as fit, those of rank 0 in any case."""
    kept = list(table)
    while total(kept) > width and max(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    return kept


def total(table: Sequence[Column]) -> int:
    """Columns of the screen that it takes."""
    return sum(column.width for column in table) + GAP * (len(table) - 1)


NOTHING = "–"
DIGITS = (1, 2, 4, 10)  # of per cents after the point, of which the first that tells values apart is taken


def metric_cells(key: str, values: Sequence[Any]) -> list[str]:
    """Numbers of the best epoch, or facts."""
    if key == "seconds":
        return [NOTHING if value is None else duration(value) for value in values]
    if in_percent(key):
        return _apart(values, [_percent(digits) for digits in DIGITS])
    return _apart(values, [_number(number), *(_number(f"{{:.{digits}g}}".format) for digits in (6, 8, 10)), repr])


def config_cells(values: Sequence[Any]) -> list[str]:
    """Settings."""
    return _apart(values, [yaml_text, lambda value: repr(value) if isinstance(value, float) else yaml_text(value)])


def _percent(digits: int) -> Callable[[Any], str]:
    return lambda value: f"{100 * value:.{digits}f}%"


def _number(write: Callable[[float], str]) -> Callable[[Any], str]:
    return lambda value: write(value) if isinstance(value, float) else yaml_text(value)


def difference_cell(key: str, difference: float | None) -> str:
    """With its sign; of errors in points."""
    unit = " points" if in_percent(key) else ""
    return "" if difference is None else metric_step(difference, key) + unit


def band_cell(key: str, band: float) -> str:
    """± so much."""
    return f"± {100 * band:.1f}" if in_percent(key) else f"± {band:.2g}"


def _apart(values: Sequence[Any], ways: Sequence[Callable[[Any], str]]) -> list[str]:
    """The first way of writing the values that keeps different ones apart, else the last."""
    different = len({repr(value) for value in values if value is not None})
    cells = [NOTHING] * len(values)
    for way in ways:
        cells = [NOTHING if value is None else way(value) for value in values]
        if len(set(cells) - {NOTHING}) >= different:
            break
    return cells


class Legend:
    """What was too long for its place, to be told below the table."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._keys: dict[str, str] = {}  # by how they are shortened
        self._values: dict[str, str] = {}

    def cut(self, cells: Sequence[str]) -> list[str]:
        """The cells, at most so wide."""
        self._values |= {cell: shortened(cell, self.most) for cell in cells if len(cell) > self.most}
        return [shortened(cell, self.most) for cell in cells]

    def title(self, key: str, others: Sequence[str]) -> str:
        """The last word of a key where that is clear."""
        last = key.rpartition(".")[2]
        short = shortened(key if sum(o.rpartition(".")[2] == last for o in others) > 1 else last, self.most)
        if short != key:
            self._keys[key] = short
        return short

    @property
    def lines(self) -> list[str]:
        """All keys in one line, each value in one of its own."""
        keys = [f"keys     {', '.join(self._keys)}"] if self._keys else []
        return [*keys, *(f"{short} is {value}" for value, short in self._values.items())]


def folded(text: str, width: int) -> list[str]:
    """Lines of the screen's width; those after the first stand below the words behind `note` or `keys`."""
    indent = " " * len("note     ") if text.startswith(("note ", "keys ")) else ""
    return textwrap.wrap(text, max(20, width), subsequent_indent=indent, break_on_hyphens=False)
