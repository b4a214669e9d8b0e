"""What rows are split by, taken in piece by piece: their group, or their time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrun.data.codes import Coded
from nnrun.data.facts import ColumnFacts
from nnrun.data.kinds import ISO, dates, possible_formats, read_dates
from nnrun.data.table import Indices, Table, kind_of, numbers, shown
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
    """The time of each row: a number, or a date in a format that reads all of them."""

    def __init__(self, column: ColumnFacts) -> None:
        self.column = column
        self.fault: DataError | None = None
        self._pieces: dict[str | None, list[npt.NDArray[Any]]] = {}  # by format, as long as it reads all texts so far

    def see(self, table: Table) -> None:
        """Take in the next rows; the column has seen them."""
        if self.fault is None:
            try:
                self._read(table)
            except DataError as error:
                self.fault = error

    def _read(self, table: Table) -> None:
        name = self.column.name
        kind = kind_of(table.frame[name])
        if kind in ("number", "boolean"):
            self._pieces.setdefault(None, []).append(numbers(table, name))
            return
        formats = self.column.texts.formats if kind == "category" else [ISO]
        if not formats:
            raise _no_time(table, name, next(iter(self._pieces), None))
        read = {format: _microseconds(dates(table, name, format)) for format in formats}
        self._pieces = {format: [*self._pieces.get(format, []), times] for format, times in read.items()}

    @property
    def times(self) -> npt.NDArray[Any]:
        """Sortable `(rows,)`; raises DataError at the first row without a time."""
        _require_values(self.column)
        if self.fault:
            raise self.fault
        return np.concatenate(next(iter(self._pieces.values())))


def _microseconds(found: npt.NDArray[np.datetime64]) -> Indices:
    return found.astype("datetime64[us]").astype(np.int64)


def _no_time(table: Table, column: str, format: str | None) -> DataError:
    """Of the first cell that is no date in the format of those before it."""
    series = table.frame[column]
    texts = series.dropna().astype(str)
    format = format or next(iter(possible_formats(texts.iloc[0])), ISO)
    row = int(texts.index[int(np.argmax(np.isnat(read_dates(texts, format))))])
    return DataError(
        f"{table.at_cell(row, column)}: {shown(series[row])} in time column {column!r} is neither a number nor a "
        "date like 2026-01-31 or 2026-01-31T12:00; rewrite the column"
    )


def _require_values(column: ColumnFacts) -> None:
    if column.missing:
        raise DataError(
            f"{column.first_missing}: no value in column {column.name!r}, which splits the rows; "
            "fill it in or remove the row"
        )
