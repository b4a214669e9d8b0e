"""Rows whose values have types, written as the text that means the same in a CSV file, so that both are read alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence

from nnrun.data.files.dialect import Decimal, Dialect, find_decimal
from nnrun.data.files.layout import Layout
from nnrun.data.files.reading import Reading

_COMMA = ","


def as_text(rows: Iterable[Iterable[object]]) -> bytes:
    """The rows as records of a CSV file in UTF-8: None is an empty field, truth True or False, as pandas writes it."""
    data = io.BytesIO()  # a StringIO would take four bytes a character
    text = io.TextIOWrapper(data, "utf-8", newline="")
    csv.writer(text, delimiter=_COMMA, lineterminator="\r\n").writerows(rows)  # so that either of both is quoted
    text.detach()
    return data.getvalue()


def noting_spaces(
    rows: Iterable[Iterable[object]], names: Sequence[str], columns: Collection[str], found: dict[str, dict[int, str]]
) -> Iterator[Iterable[object]]:
    """The rows; the cells of these columns that have spaces before them are found, by column and by row.

    A row may end before the last column, as one of a sheet does with its last cell that is filled.
    """
    places = [(place, name) for place, name in enumerate(names) if name in columns]
    for number, row in enumerate(rows):
        cells = [*row]
        for place, name in places:
            cell = cells[place] if place < len(cells) else None
            if isinstance(cell, str) and cell.startswith(" "):
                found.setdefault(name, {})[number] = cell
        yield cells


class Decimals:
    """What marks decimals in texts among the values, as of a CSV file with these; a number has a point of its own."""

    def __init__(self, reading: Reading) -> None:
        self._stated = reading.decimal != "auto"
        self._found = Decimal(reading.decimal, settled=True) if self._stated else Decimal()

    @property
    def mark(self) -> str:
        """The mark in texts, in which numbers have to be written, too."""
        return self._found.mark

    @property
    def are_settled(self) -> bool:
        """Whether more rows cannot tell more."""
        return self._found.settled

    def see(self, rows: Iterable[Iterable[object]]) -> None:
        """Take in the next rows."""
        if not self.are_settled:
            self._found = find_decimal([as_text(rows).decode()], _COMMA)

    def dialect(self, reading: Reading) -> Dialect:
        """How what `as_text` gives is to be read."""
        known = self.are_settled or self.mark == reading.usual_decimal
        return Dialect(Layout(_COMMA), "utf-8", self.mark, known, "", reading)
