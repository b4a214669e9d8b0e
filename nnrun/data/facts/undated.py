"""What stands in a column of dates and is none, such as a word for a date that is not known."""

from __future__ import annotations

import numpy as np

from nnrun.data.facts.kinds import day_of, possible_formats, read_dates
from nnrun.data.files.table import MOSTLY_NUMBERS, Table

_LOOKED_AT = 10  # different values, one of which is a date where most are


class Undated:
    """The rows of a column of text that no one format of dates reads, while one reads nearly all others.

    Times of day are not looked for: spans of time look like them as long as they are short.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}  # by format; none is left where the column is no such one
        self._begun = False
        self._first: dict[str, tuple[str, str]] = {}

    def see(self, table: Table, column: str, formats: list[str], present: int) -> None:
        """Take in the next rows, with which there are so many values; `formats` read all rows before these."""
        values = table.frame[column].dropna().astype(str)
        if not self._begun:
            self._begun, different = True, map(str, values.unique()[:_LOOKED_AT])
            formats = formats or next(filter(None, map(possible_formats, different)), [])
            self._rows = dict.fromkeys(filter(day_of, formats), 0)
        for format, before in [*self._rows.items()]:
            wrong = np.isnat(read_dates(values, format))
            if wrong.any() and not before:
                row = int(values.index[int(np.argmax(wrong))])
                self._first[format] = table.at_cell(row, column), str(values[row])
            self._rows[format] = before + int(wrong.sum())
            if self._rows[format] > (1 - MOSTLY_NUMBERS) * present:
                del self._rows[format]

    @property
    def format(self) -> str:
        """The one that reads most, empty where none reads nearly all."""
        return min(self._rows, key=self._rows.__getitem__, default="")

    @property
    def rows(self) -> int:
        """How many that one does not read."""
        return self._rows.get(self.format, 0)

    @property
    def first(self) -> tuple[str, str]:
        """The place and the text of the first of them."""
        return self._first[self.format]
