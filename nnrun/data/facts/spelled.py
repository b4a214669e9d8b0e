"""Which values of a column of text are numbers, however they are written, and the first that is none."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nnrun.data.files.cells import codes_notice
from nnrun.data.files.numerals import UNKNOWN, Spelling, most_written, spelling_of, unlike, unread_spelling
from nnrun.data.files.table import Table
from nnrun.data.files.values import Indices, missing_of

_PLAIN = Spelling()
_LOOKED_AT, _FEWEST = 1000, 0.1  # texts, and the share of different ones that are numbers written alike where many are
_ALIKE = str.maketrans("23456789", "11111111")

Place = tuple[str, str]  # where a cell stands, and its text


def spellings(table: Table, column: str, others: npt.NDArray[np.bool_]) -> tuple[Indices, list[Spelling | None]]:
    """Which of the spellings that follow each text `(m,)` has, None of what is no number; −1 where it is missing.

    `others` are those that are no plain numbers. Texts that mean a missing value among numbers count as missing.
    """
    codes = np.where(missing_of(table.column(column)), -1, 0)
    texts = table.frame[column][others].astype(str)
    looked_at = [_spelled(str(text), table.decimal) for text in texts.iloc[:: len(texts) // _LOOKED_AT + 1].unique()]
    if max(Counter(filter(None, looked_at)).values(), default=0) < _FEWEST * len(looked_at):
        codes[others] = np.where(texts.isin(UNKNOWN), -1, 1)
        return codes, [_PLAIN, None]
    places, different = texts.factorize()
    found = [_spelled(str(text), table.decimal) for text in different]
    known = [*dict.fromkeys([_PLAIN, *found])]
    number = {spelling: place for place, spelling in enumerate(known)}
    of_texts = np.array([number[spelling] for spelling in found], np.int64)
    codes[others] = np.where(texts.isin(UNKNOWN), -1, of_texts[places])
    return codes, known


def _spelled(text: str, decimal: str) -> Spelling | None:
    return _spelled_like(text.translate(_ALIKE), decimal)


@lru_cache(maxsize=4096)
def _spelled_like(text: str, decimal: str) -> Spelling | None:
    """Of a text and all others with the same signs and letters, and digits and zeros in the same places."""
    if "0" not in text and "1" not in text:
        return None
    return spelling_of(text, decimal) or unread_spelling(text, decimal)


class Spelled:
    """How the numbers of a column of text are written, taken in piece by piece.

    Its numbers are those with the unit and the grouping of thousands that most have.
    """

    def __init__(self) -> None:
        self._rows: Counter[Spelling | None] = Counter()
        self._first: dict[Spelling | None, tuple[int, Place]] = {}  # with the number of the row
        self._are_codes, self.are_digits = False, True  # alone, where numbers are no text
        self._known: Spelling | None = None  # how most are written, once asked for
        self.is_typed = False  # read from a file in which numbers are no text

    def see(self, table: Table, column: str, others: npt.NDArray[np.bool_]) -> tuple[Indices, list[Spelling | None]]:
        """Take in the next rows, of which `others` are no plain numbers; give back their `spellings`."""
        self._known, series = None, table.frame[column]
        codes, known = spellings(table, column, others)
        for code, place, rows in zip(*np.unique(codes, return_index=True, return_counts=True), strict=True):
            if code >= 0:
                self._rows[known[code]] += int(rows)
                row = table.row(int(place))
                self._first.setdefault(known[code], (row, (table.at_cell(row, column), str(series[row]))))
        self.is_typed = table.lines is None
        if self.is_typed:
            plain = series.astype(str)[codes == 0]
            self._are_codes |= bool(codes_notice(column, plain))
            self.are_digits &= bool(plain.str.isdecimal().all())
        return codes, known

    @property
    def unit(self) -> str:
        """The unit of most numbers."""
        return self._most.unit

    @property
    def numbers(self) -> int:
        """The rows with a number as most are written."""
        return sum(rows for spelling, rows in self._rows.items() if self.fits(spelling))

    @property
    def present(self) -> int:
        """The rows with a value; what means a missing one among numbers is none."""
        return self._rows.total()

    @property
    def others(self) -> int:
        """The rows with anything else."""
        return self.present - self.numbers

    @property
    def first_number(self) -> str:
        """The text of the first number."""
        return min(first for spelling, first in self._first.items() if self.fits(spelling))[1][1]

    @property
    def first_other(self) -> tuple[Place, str]:
        """The place and the text of the first that is none, and what it is."""
        first, spelling = min((first, other) for other, first in self._first.items() if not self.fits(other))
        return first[1], unlike(spelling, self._most)

    @property
    def is_read(self) -> bool:
        """Whether numbers that are written so are read where the column holds nothing else."""
        return self._most.is_read and not (self.is_typed and self._most != _PLAIN)

    @property
    def are_plain(self) -> bool:
        """Whether texts of a file in which numbers are no text are all plain numbers, and no codes."""
        return self.is_typed and self._rows.keys() == {_PLAIN} and not self._are_codes

    @property
    def other_units(self) -> set[str]:
        """The units of numbers that have another than most, empty for those without one."""
        return {spelling.unit for spelling in self._rows if spelling} - {self.unit}

    def fits(self, spelling: Spelling | None) -> bool:
        """Whether what is written so is one of the numbers."""
        return spelling is not None and spelling.fits(self._most)

    @property
    def _most(self) -> Spelling:
        """How most numbers are written."""
        if self._known is None:
            self._known = most_written(self._rows)
        return self._known
