"""What a column holds, taken in piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.kinds import ISO, Meaning, Texts
from nnrun.data.files.table import Kind, Table, kind_of, slips_of

if TYPE_CHECKING:
    import pandas as pd


class ColumnFacts:
    """What a column holds, and where its first oddities stand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: set[Kind] = set()  # of the pieces, each read by itself
        self.present = self.missing = self.slips = 0
        self.first_missing = ""  # the place
        self.first_slip = ("", "")  # the place and the text that is no number
        self.texts = Texts()

    @classmethod
    def of(cls, table: Table, name: str) -> ColumnFacts:
        """Of a column of a table in memory."""
        found = cls(name)
        found.see(table)
        return found

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        series = table.frame[self.name]
        missing = series.isna().to_numpy(dtype=bool)
        count = int(np.count_nonzero(missing))
        if count and not self.missing:
            self.first_missing = table.at_cell(table.first(missing), self.name)
        self.missing += count
        self.present += len(series) - count
        if count < len(series):
            self.kinds.add(kind_of(series))
            if kind_of(series) == "category":
                self._see_text(table, series)

    def _see_text(self, table: Table, series: pd.Series[Any]) -> None:
        self.texts.see(series)
        slips = slips_of(table, self.name)
        if slips.any() and not self.slips:
            row = table.first(slips)
            self.first_slip = (table.at_cell(row, self.name), str(series[row]))
        self.slips += int(slips.sum())

    @property
    def kind(self) -> Kind:
        """What the column is as a whole; one without any value holds numbers."""
        return "category" if self.is_mixed else next(iter(self.kinds), "number")

    @property
    def is_mixed(self) -> bool:
        """Whether pieces were read as different things: all of them have to be read as text."""
        return len(self.kinds) > 1

    @property
    def meaning(self) -> Meaning:
        """What the values mean, all together."""
        if self.kind == "category":
            return self.texts.meaning
        return Meaning(self.kind, ISO if self.kind == "date" else None)

    @property
    def reason_to_leave_out(self) -> str | None:
        """Why the column can be no feature, None if it can."""
        return self.texts.reason_to_leave_out if self.meaning.kind == "category" else None
