"""What a run or a search that goes on has come to: of a file that grows only what is new is read.

Lines are checked as by `nnrun list`, each of them once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from nnrun.config.values import Settings
from nnrun.errors import DataError
from nnrun.insight.comparison.listing import best_epoch, best_trials
from nnrun.runs.reading import read_record
from nnrun.runs.records import Row
from nnrun.runs.rundir import EPOCHS
from nnrun.runs.stored import StoredRun, best_row
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord, sharing
from nnrun.watching.curves import Cursor


class SoFar(ABC):
    """The lines of a file until now; a damaged one stays a problem until the file is another one."""

    def __init__(self, path: Path) -> None:
        self._path, self._cursor = path, Cursor(path)
        self._problem: DataError | None = None
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """No line."""

    @abstractmethod
    def _enter(self, lines: Sequence[bytes]) -> None:
        """These too; DataError where one is damaged."""

    @abstractmethod
    def _told(self) -> Settings:
        """The keys of run.json that stand for it."""

    def look(self) -> Settings:
        """As it is now; DataError where a line is damaged."""
        lines, void = self._cursor.lines()
        if void:
            self._problem = None
            self._begin()
        try:
            self._enter(lines)
        except DataError as error:
            self._problem = error
        if self._problem:
            raise self._problem
        return self._told()


class EpochsSoFar(SoFar):
    """How many there are, what they took, and the best of them by the primary metric."""

    def __init__(self, run: StoredRun) -> None:
        self._primary = run.settings.get("metrics.primary", "error")
        super().__init__(run.path / EPOCHS)

    def _begin(self) -> None:
        self._count, self._seconds = 0, 0.0
        self._best: Mapping[str, Any] = {}

    def _enter(self, lines: Sequence[bytes]) -> None:
        rows = [cast(Row, read_record(line, str(self._path), Row)) for line in lines]
        self._count += len(rows)
        self._seconds += sum(row["seconds"] for row in rows)
        self._best = best_row([*([cast(Row, self._best)] if self._best else []), *rows], self._primary)

    def _told(self) -> Settings:
        return {"epochs": self._count, "seconds": self._seconds, **best_epoch(self._best)}


class TrialsSoFar(SoFar):
    """How many there are, and the best of them."""

    def __init__(self, run: StoredRun) -> None:
        self._ledger = Ledger.of(run.directory)
        super().__init__(self._ledger.path)

    def _begin(self) -> None:
        self._numbers: set[int] = set()
        self._level: list[TrialRecord] = []  # those that share the best value

    def _enter(self, lines: Sequence[bytes]) -> None:
        records = [self._ledger.record(line, str(self._path)) for line in lines]
        fresh = {record["number"]: record for record in reversed(records) if record["number"] not in self._numbers}
        self._numbers |= fresh.keys()
        self._level = sharing([*self._level, *fresh.values()])

    def _told(self) -> Settings:
        return best_trials(len(self._numbers), self._level)
