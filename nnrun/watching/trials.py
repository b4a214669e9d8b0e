"""The trials of a search that goes on, for its line in a table: of a ledger that grows only what is new is read."""

from __future__ import annotations

from nnrun.config.values import Settings
from nnrun.errors import DataError
from nnrun.insight.comparison.listing import best_trials
from nnrun.runs.rundir import RunDir
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord, sharing
from nnrun.watching.curves import Cursor


class TrialsSoFar:
    """How many there are, and the best of them."""

    def __init__(self, run: RunDir) -> None:
        self._ledger = Ledger.of(run)
        self._cursor = Cursor(self._ledger.path)
        self._begin()

    def _begin(self) -> None:
        self._numbers: set[int] = set()
        self._level: list[TrialRecord] = []  # those that share the best value
        self._problem: DataError | None = None

    def look(self) -> Settings:
        """As they are now; DataError where a line is damaged."""
        lines, void = self._cursor.lines()
        if void:
            self._begin()
        try:
            self._enter([self._ledger.record(line, str(self._ledger.path)) for line in lines])
        except DataError as error:
            self._problem = error
        if self._problem:
            raise self._problem
        return best_trials(len(self._numbers), self._level)

    def _enter(self, records: list[TrialRecord]) -> None:
        fresh = {record["number"]: record for record in reversed(records) if record["number"] not in self._numbers}
        self._numbers |= fresh.keys()
        self._level = sharing([*self._level, *fresh.values()])
