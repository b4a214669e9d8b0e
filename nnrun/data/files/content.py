"""What the rows of a table hold: arrays of numbers, which need no pandas, or a frame with columns of any type.

Both count their rows as the source does, from 0, whichever of them are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnrun.data.files.values import Array, Indices, Values, is_plain
from nnrun.machine.lazily import cached_property

if TYPE_CHECKING:
    import pandas as pd


class Content(Protocol):
    """Rows with a number each, columns with a name each."""

    @property
    def frame(self) -> pd.DataFrame:
        """The content as pandas has it, whose index is the number of each row."""

    @property
    def names(self) -> list[str]:
        """Of the columns, in the order of the source."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __contains__(self, column: object) -> bool:
        """Whether there is such a column, looked up."""

    def row(self, position: int) -> int:
        """The number of the row at a position."""

    def column(self, name: str) -> Values:
        """The values of a column."""

    def take(self, rows: Indices | slice) -> Content:
        """The rows at these positions `(m,)`, or between two of them, which are not copied."""

    def only(self, columns: Sequence[str]) -> Content:
        """The rows with these columns alone, in this order."""


@dataclass(frozen=True)
class Framed:
    """Rows of a frame, whose index has their numbers."""

    frame: pd.DataFrame

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [str(name) for name in self.frame.columns]

    def __len__(self) -> int:
        return len(self.frame)

    def __contains__(self, column: object) -> bool:
        return column in self.frame.columns

    def row(self, position: int) -> int:
        """The number of the row at a position."""
        return int(self.frame.index[position])

    def column(self, name: str) -> Values:
        """The values of a column."""
        series = self.frame[name]
        return series.to_numpy() if is_plain(series.dtype) else series

    def take(self, rows: Indices | slice) -> Framed:
        """The rows at these positions."""
        return Framed(self.frame.iloc[rows])

    def only(self, columns: Sequence[str]) -> Framed:
        """The rows with these columns alone, in this order."""
        return Framed(self.frame[list(columns)])


@dataclass(frozen=True)
class Plain:
    """Columns of NumPy's numbers and truths, each `(rows,)`, and the number of each row."""

    columns: Mapping[str, Array]
    numbers: Indices

    def __post_init__(self) -> None:
        for values in self.columns.values():  # which are given out as they are
            values.flags.writeable = False

    def __getstate__(self) -> dict[str, object]:
        return {"columns": self.columns, "numbers": self.numbers}  # without the frame

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The content as pandas has it."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns), self.numbers)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def row(self, position: int) -> int:
        """The number of the row at a position."""
        return int(self.numbers[position])

    def column(self, name: str) -> Array:
        """The values of a column."""
        return self.columns[name]

    def take(self, rows: Indices | slice) -> Plain:
        """The rows at these positions."""
        return Plain({name: values[rows] for name, values in self.columns.items()}, self.numbers[rows])

    def only(self, columns: Sequence[str]) -> Plain:
        """The rows with these columns alone, in this order."""
        return Plain({name: self.columns[name] for name in columns}, self.numbers)


def of_columns(columns: Mapping[str, Array], numbers: Indices) -> Content:
    """Arrays `(rows,)` of any type of NumPy's, in a frame where they are not all numbers and truths."""
    if all(is_plain(values.dtype) for values in columns.values()):
        return Plain(columns, numbers)
    import pandas as pd

    return Framed(pd.DataFrame(dict(columns), numbers))


def joined(pieces: Sequence[Content]) -> Content:
    """All rows of several, in order."""
    plain = [piece for piece in pieces if isinstance(piece, Plain)]
    if len(plain) == len(pieces):
        columns = {name: np.concatenate([piece.columns[name] for piece in plain]) for name in plain[0].columns}
        return Plain(columns, np.concatenate([piece.numbers for piece in plain]))
    import pandas as pd

    return Framed(pd.concat([piece.frame for piece in pieces]))
