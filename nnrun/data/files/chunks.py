"""A source that is walked through in pieces, so that what lies in memory does not grow with the file."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from nnrun.data.files.table import Table, joined
from nnrun.data.files.values import Indices

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

    @property
    def is_text(self) -> bool: ...  # noqa: D102

    def chunks(self, cells: int, text: Collection[str], numbers: Collection[str] = ()) -> Iterator[Table]:
        """Pieces of about so many cells, in order; the values of columns named in `text` stay text.

        Those named in `numbers` hold numbers, also where a piece has none but words for a missing one.
        Their rows have the numbers that they have in the source. Raises DataError for what cannot be read.
        """

    def table(self) -> Table:
        """All rows, in memory."""


class Chunks:
    """A source in pieces of about CELLS; one that is a single piece is read once and kept.

    Text takes long to read: where there is a `folder`, or one above it, what was read of text is kept there as numbers
    in a file without a name, from which the next walks take it.
    """

    def __init__(self, source: Source, heard: Heard = nobody, folder: Path | None = None) -> None:
        self.source, self.heard = source, heard
        self._text: frozenset[str] = frozenset()
        self._numbers: frozenset[str] = frozenset()
        self.rows: int | None = None
        self._only: Table | None = None
        self._kept = Kept(folder)

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

    def read_alike(self, columns: Iterable[str], numbers: Collection[str]) -> None:
        """From now on take the values of these columns for text, but for those known to hold `numbers`."""
        self._text |= set(columns) - (set(numbers) - self._numbers)
        self._numbers |= set(numbers)
        self._kept.forget()

    def _read(self) -> Iterator[Table]:
        if self._only is not None:
            return iter([self._only])
        if self._kept.is_whole:
            return self._kept.tables()
        tables = self.source.chunks(CELLS, self._text, self._numbers - self._text)
        return self._kept.keep(tables) if self.source.is_text else tables


def places_sampled(rows: int, most: int) -> Indices:
    """The numbers of at most so many of the rows, in order, always the same ones."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False, shuffle=False))


class Sample:
    """The rows with these numbers, in order, of those that are seen piece by piece."""

    def __init__(self, places: Indices) -> None:
        self._places, self._seen = places, 0
        self._found: list[Table] = []

    def see(self, table: Table) -> None:
        """Take in the next rows."""
        chosen = self._places - self._seen
        self._found.append(table.take(chosen[(chosen >= 0) & (chosen < len(table))]))
        self._seen += len(table)

    @property
    def table(self) -> Table:
        """The rows of the sample that were seen, in memory."""
        return joined(self._found)


SPARE = 4  # times what is kept that must be free on its disk, for the arrays that are still to be written


class Kept:
    """Tables on disk in the order in which they came, if there are several and there is room for them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = next((path for path in (folder, *folder.parents) if path.is_dir()), None) if folder else None
        self._file: IO[bytes] | None = None
        self.is_whole = False

    def keep(self, tables: Iterator[Table]) -> Iterator[Table]:
        """The tables as they come, all of them kept once the last one was given."""
        self.forget()
        room, waiting = self._folder is not None, []
        for number, table in enumerate(tables):
            if room:
                waiting.append(table)
            if number and room:  # a source of one piece is not written down
                room = self._put(waiting)
                waiting.clear()
            yield table
        self.is_whole = self._file is not None

    def tables(self) -> Iterator[Table]:
        """What was kept."""
        assert self._file is not None
        end = self._file.seek(0, os.SEEK_END)
        place = self._file.seek(0)
        while place < end:
            self._file.seek(place)
            table: Table = pickle.load(self._file)
            place = self._file.tell()
            yield table

    def forget(self) -> None:
        """Make room."""
        if self._file is not None:
            _close(self._file)
        self._file, self.is_whole = None, False

    def _put(self, tables: Iterable[Table]) -> bool:
        """Whether there was room for them; without it, all is forgotten."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
                weakref.finalize(self, _close, self._file)  # in a cycle, `__del__` may come after that of the file
            for table in tables:
                pickle.dump(table, self._file, protocol=5)
            self._file.flush()
            if shutil.disk_usage(str(self._folder)).free > SPARE * self._file.tell():
                return True
        except OSError:
            pass  # the source is read again
        self.forget()
        return False


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):
        file.close()


class Whole:
    """A table in memory as a source."""

    def __init__(self, table: Table) -> None:
        self._table, self.name, self.sha256, self.is_text = table, table.name, table.sha256, False

    def table(self) -> Table:
        """All rows."""
        return self._table

    def chunks(self, cells: int, text: Collection[str], numbers: Collection[str] = ()) -> Iterator[Table]:
        """Slices of the table."""
        rows = max(1, cells // len(self._table.columns))
        for start in range(0, len(self._table), rows):
            yield self._table.slice(start, start + rows)
