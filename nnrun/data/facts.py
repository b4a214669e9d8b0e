"""What a column holds, taken in piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnrun.data.kinds import ISO, Meaning, Texts
from nnrun.data.table import EXACT_LIMIT, Kind, Table, kind_of, slips_of

if TYPE_CHECKING:
    import pandas as pd

Storage = Literal["nothing", "boolean", "integer", "large integer", "float", "date", "text"]


class ColumnFacts:
    """What a column holds, and where its first oddities stand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.storages: set[Storage] = set()
        self.present = self.missing = self.slips = 0
        self.first_missing = ""  # the place
        self.first_slip = ("", "")  # the place and the text that is no number
        self.texts = Texts()

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        series = table.frame[self.name]
        missing = series.isna().to_numpy(dtype=bool)
        count = int(np.count_nonzero(missing))
        if count and not self.missing:
            self.first_missing = table.at_cell(table.first(missing), self.name)
        self.missing += count
        self.present += len(series) - count
        storage = _storage(series, count == len(series))
        self.storages |= {storage} - {"nothing"}
        if storage == "text":
            self._see_text(table, series)

    def _see_text(self, table: Table, series: pd.Series[Any]) -> None:
        self.texts.see(series)
        slips = slips_of(series)
        if slips.any() and not self.slips:
            row = table.first(slips)
            self.first_slip = (table.at_cell(row, self.name), str(series[row]))
        self.slips += int(slips.sum())

    @property
    def kind(self) -> Kind:
        """What the column is as a whole; one without any value holds numbers."""
        if "text" in self.storages or ("boolean" in self.storages and len(self.storages) > 1):
            return "category"
        return next((kind for kind in ("boolean", "date") if kind in self.storages), "number")

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

    @property
    def better_dtype(self) -> str | None:
        """How the column has to be read where its pieces, each read by itself, do not fit together."""
        if self.kind == "category" and len(self.storages) > 1:
            return "str"
        return "float64" if self.storages >= {"float", "large integer"} else None


def _storage(series: pd.Series[Any], empty: bool) -> Storage:
    """How a piece of a column was read; whole numbers that float64 cannot tell apart are a case of their own."""
    kind = kind_of(series)
    if empty:
        return "nothing"
    if kind != "number":
        return "text" if kind == "category" else kind
    if series.dtype.kind not in "iu":
        return "float"
    return "large integer" if max(abs(int(series.min())), abs(int(series.max()))) > EXACT_LIMIT else "integer"
