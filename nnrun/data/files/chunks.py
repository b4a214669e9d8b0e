"""A source that is walked through in pieces, so that what lies in memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from nnrun.data.files.table import Table

CELLS = 1 << 22  # of a chunk: as numbers they take 32 MiB, and a few times as much while they are worked on

Heard = Callable[[str, int, int | None], None]  # what is being done, rows done, rows in all where that is known


def nobody(step: str, done: int, rows: int | None) -> None:
    """Hears of the progress where there is no screen."""


class Source(Protocol):
    """A table that can be read again and again."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def sha256(self) -> str: ...  # noqa: D102

    def chunks(self, cells: int, text: Collection[str]) -> Iterator[Table]:
        """Pieces of about so many cells, in order; the values of columns named in `text` stay text.

        The index of each frame goes on counting the rows of the source. Raises DataError for what cannot be read.
        """

    def table(self) -> Table:
        """All rows, in memory."""


class Chunks:
    """A source in pieces of about CELLS; one that is a single piece is read once and kept."""

    def __init__(self, source: Source, heard: Heard = nobody) -> None:
        self.source, self.heard = source, heard
        self._text: frozenset[str] = frozenset()
        self.rows: int | None = None
        self._only: Table | None = None

    def walk(self, step: str) -> Iterator[Table]:
        """All pieces in order, while whoever listens is told how far the step has come."""
        done, first = 0, None
        for table in self._read():
            yield table
            first = table if done == 0 else None
            done += len(table)
            self.heard(step, done, self.rows)
        self.rows, self._only = done, first

    @property
    def is_one(self) -> bool:
        """Whether one piece is all there is; known after the first walk."""
        return self._only is not None

    def keep_as_text(self, columns: Iterable[str]) -> None:
        """From now on do not take the values of these columns for numbers."""
        self._text |= set(columns)

    def _read(self) -> Iterator[Table]:
        return self.source.chunks(CELLS, self._text) if self._only is None else iter([self._only])


class Whole:
    """A table in memory as a source."""

    def __init__(self, table: Table) -> None:
        self._table, self.name, self.sha256 = table, table.name, table.sha256

    def table(self) -> Table:
        """All rows."""
        return self._table

    def chunks(self, cells: int, text: Collection[str]) -> Iterator[Table]:
        """Slices of the table."""
        rows = max(1, cells // len(self._table.columns))
        for start in range(0, len(self._table), rows):
            yield self._table.slice(start, start + rows)
