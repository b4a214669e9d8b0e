"""What rows are split by, taken in piece by piece: their group, or their time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrun.data.codes import Coded
from nnrun.data.facts import ColumnFacts
from nnrun.data.table import Floats, Indices, Table, kind_of, numbers, shown
from nnrun.errors import DataError


class GroupFacts:
    """The group of each row."""

    def __init__(self, column: ColumnFacts) -> None:
        self.column, self.groups = column, Coded()

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        self.groups.see(table.frame[self.column.name])

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """A number a row; raises DataError at the first row without a group."""
        _require_values(self.column)
        return self.groups.codes


class TimeFacts:
    """The time of each row: a number, or a date in ISO 8601."""

    def __init__(self, column: ColumnFacts) -> None:
        self.column = column
        self.fault: DataError | None = None
        self._pieces: list[npt.NDArray[Any]] = []

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        if self.fault is None:
            try:
                self._pieces.append(_times(table, self.column.name))
            except DataError as error:
                self.fault = error

    @property
    def times(self) -> npt.NDArray[Any]:
        """Sortable `(rows,)`; raises DataError at the first row without a time."""
        _require_values(self.column)
        if self.fault:
            raise self.fault
        return np.concatenate(self._pieces)


def _times(table: Table, column: str) -> Floats | Indices:
    import pandas as pd

    series = table.frame[column]
    if kind_of(series) != "category":
        return numbers(table, column)
    parsed = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    wrong = (parsed.isna() & series.notna()).to_numpy(dtype=bool)
    if wrong.any():
        row = table.first(wrong)
        raise DataError(
            f"{table.at_cell(row, column)}: {shown(series[row])} in time column {column!r} is neither a number nor a "
            "date like 2026-01-31 or 2026-01-31T12:00; rewrite the column"
        )
    return parsed.to_numpy(dtype="datetime64[ns]").astype(np.int64)


def _require_values(column: ColumnFacts) -> None:
    if column.missing:
        raise DataError(
            f"{column.first_missing}: no value in column {column.name!r}, which splits the rows; "
            "fill it in or remove the row"
        )
