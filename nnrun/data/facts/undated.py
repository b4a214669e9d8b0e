"""What stands in a column of dates and is none, such as a word for a date that is not known."""

from __future__ import annotations

import re

import numpy as np

from nnrun.data.facts.kinds import day_of, possible_formats, read_dates
from nnrun.data.files.table import MOSTLY_NUMBERS, Table

# A year of four digits with a month and a day, or a month by its name: codes and versions look like other dates.
_CLEAR = re.compile(r"\b[A-Za-z]{3}|^(?:1[89]|2[01]|99)\d\d\W\d+\W\d|\d\W(?:1[89]|2[01]|99)\d\d\b")
_LOOKED_AT = 10  # different values, one of which is a date where most are


class Undated:
    """The rows of a column of text that no one format of dates reads, while one reads nearly all others.

    Nearly all of these are clearly dates. Times of day are not looked for: spans of time look like them as long as they
    are short.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}  # by format; none is left where the column is no such one
        self._unclear: dict[str, int] = {}  # the rows that it reads, but that may be codes
        self._begun, self._seen = False, 0
        self._first: dict[str, tuple[str, str]] = {}

    def see(self, table: Table, column: str, formats: list[str], present: int) -> None:
        """Take in the next rows, with which there are so many values; `formats` read all rows before these."""
        values = table.frame[column].dropna().astype(str)
        if not self._begun:
            self._begun, different = True, map(str, values.unique()[:_LOOKED_AT])
            formats = formats or next(filter(None, map(possible_formats, different)), [])
            self._rows = dict.fromkeys(filter(day_of, formats), 0)
            self._unclear = dict(self._rows)
        self._seen += len(values)
        clear = values.str.contains(_CLEAR).to_numpy(dtype=bool)
        for format, before in [*self._rows.items()]:
            wrong = np.isnat(read_dates(values, format))
            if wrong.any() and not before:
                row = int(values.index[int(np.argmax(wrong))])
                self._first[format] = table.at_cell(row, column), str(values[row])
            self._rows[format] = before + int(wrong.sum())
            self._unclear[format] += int((~wrong & ~clear).sum())
            most = 1 - MOSTLY_NUMBERS
            if self._rows[format] > most * present or self._unclear[format] > most * self._seen:
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
