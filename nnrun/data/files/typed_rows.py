"""Rows whose values have types, written as the text that means the same in a CSV file, so that both are read alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from nnrun.data.files.dialect import Decimal, Dialect, find_decimal
from nnrun.data.files.layout import Layout
from nnrun.data.files.reading import Reading

_COMMA = ","


def as_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as records of a CSV file: None is an empty field, truth True or False, as pandas writes it."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=_COMMA, lineterminator="\r\n").writerows(rows)  # so that either of both is quoted
    return text.getvalue()


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
    def is_settled(self) -> bool:
        """Whether more rows cannot tell more."""
        return self._found.settled

    def see(self, text: str) -> None:
        """Take in the next rows, as `as_text` gives them."""
        if not self.is_settled:
            self._found = find_decimal([text], _COMMA)

    def dialect(self, reading: Reading) -> Dialect:
        """How what `as_text` gives is to be read."""
        return Dialect(Layout(_COMMA), "utf-8", self.mark, self._found.settled, "", reading)
