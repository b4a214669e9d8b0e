"""What a column holds, taken in piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from nnrun.data.facts.kinds import ISO, Meaning, Texts
from nnrun.data.facts.spelled import Spelled
from nnrun.data.facts.tallies import Distinct
from nnrun.data.facts.undated import Undated
from nnrun.data.files.numerals import UNKNOWN
from nnrun.data.files.table import Table, odd_of, slips_of
from nnrun.data.files.values import EXACT, Kind, Values, kind_of, labels, missing_of

if TYPE_CHECKING:
    from nnrun.config.data_section import Declared


class ColumnFacts:
    """What a column holds, and where its first oddities stand."""

    def __init__(self, name: str, declared: Declared | None = None, splits: bool = False) -> None:
        self.name, self.declared = name, declared
        self.is_learned = declared != "drop" and not splits
        self.kinds: set[Kind] = set()  # of the pieces, each read by itself
        self.units: set[str] = set()  # of the pieces that hold numbers, empty where a piece has none
        self.only_unknown = True  # whether its texts are all words for a missing number
        self.present = self.missing = self.slips = 0
        self.first_missing = ""  # the place
        self.first_slip = ("", "")  # the place and the text that is no number
        self.why = ""  # what that is, in a column that is declared to be one of numbers
        self.spelled = Spelled()  # the texts of one that is not declared
        self.texts = Texts()
        self.undated = Undated()
        self.beyond_exact = False  # whole numbers of which float64 makes neighbours equal
        self._dropped = Distinct()  # of a column that is not learned from, by which rows may be known

    @classmethod
    def of(cls, table: Table, name: str) -> ColumnFacts:
        """Of a column of a table in memory."""
        found = cls(name)
        found.see(table)
        return found

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        values = table.column(self.name)
        missing = missing_of(values)
        count = int(np.count_nonzero(missing))
        if count and not self.missing:
            self.first_missing = table.at_cell(table.first(missing), self.name)
        self.missing += count
        self.present += len(values) - count
        if count < len(values):
            self.kinds.add(kind_of(values))
            if kind_of(values) == "number":
                self.units.add(table.units.get(self.name, ""))
            self._see_values(table, values)

    def _see_values(self, table: Table, values: Values) -> None:
        kind = kind_of(values)
        if kind == "category":
            self._see_text(table)
        elif self.declared == "category":
            self.texts.see(labels(values))
        elif not self.is_learned:
            self._dropped.see(table.frame[self.name].dropna())
        if kind == "date" and self.declared != "category":
            self.texts.see_dates(table.frame[self.name])
        elif values.dtype.kind in "iu":
            self.beyond_exact |= max(-int(values.min()), int(values.max())) > EXACT

    def _see_text(self, table: Table) -> None:
        series, formats = table.frame[self.name], self.texts.formats
        self.texts.see(series)
        if not self.texts.formats:
            self.undated.see(table, self.name, formats, self.present)
        self.only_unknown = self.only_unknown and bool(series.dropna().astype(str).str.strip().isin(UNKNOWN).all())
        slips, what = odd_of(table, self.name) if self.declared == "number" else (slips_of(table, self.name), "")
        if self.declared is None and self.is_learned:
            self.spelled.see(table, self.name, slips)
        if slips.any() and not self.slips:
            row = table.first(slips)
            self.first_slip = (table.at_cell(row, self.name), str(series[row]))
            self.why = what
        self.slips += int(slips.sum())

    @property
    def kind(self) -> Kind:
        """What the column is as a whole, whatever it is declared to be; one without any value holds numbers."""
        return "category" if self.is_mixed else next(iter(self.kinds), "number")

    @property
    def is_mixed(self) -> bool:
        """Whether pieces were read as different things, or have other units: all have to be read as text."""
        return len(self.kinds) > 1 or len(self.units) > 1

    @property
    def unit(self) -> str:
        """Of the numbers, empty if they have none."""
        return "" if self.is_mixed else next(iter(self.units), "")

    @property
    def meaning(self) -> Meaning:
        """What the values mean, all together: what the column is declared to be, else what they look like."""
        stored = Meaning(self.kind, ISO if self.kind == "date" else None)
        looks = self.texts.meaning if self.kind == "category" else stored
        if self.declared in (None, "text", "drop", looks.kind):
            return looks
        return Meaning(cast("Kind", self.declared))

    @property
    def identifies(self) -> bool:
        """Whether a column that is not learned from has another value in each row."""
        return self.present > 1 and not self.missing and len(self._dropped) + len(self.texts.distinct) == self.present

    def reason_to_leave_out(self, least: int | None = None) -> str | None:
        """Why the column can be no feature, None if it can; `least` rows a category needs to have one of its own."""
        if self.declared == "text":
            return "its kind is text, by data.kinds"
        if self.declared or self.meaning.kind != "category":
            return None
        return self.texts.reason_to_leave_out(least)
