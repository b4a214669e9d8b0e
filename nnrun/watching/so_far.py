"""What a run or a search that goes on has come to: of a file that grows only what is new is read.

Lines are checked as by `nnrun list`, each of them once.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnrun.config.values import Settings
from nnrun.errors import DataError, NnrunError
from nnrun.files import naming
from nnrun.insight.comparison.listing import best_epoch, best_trials
from nnrun.runs.reading import read_record
from nnrun.runs.records import ENDED, Row
from nnrun.runs.rundir import EPOCHS
from nnrun.runs.stored import StoredRun, best_row
from nnrun.runs.together import told_of
from nnrun.search.ledger import Ledger
from nnrun.search.record import Sample, TrialRecord, best_of, continued
from nnrun.watching.columns import Columns
from nnrun.watching.curves import Cursor, Line

if TYPE_CHECKING:
    from nnrun.config.space.space import Space


class SoFar(ABC):
    """The lines of a file until now; a damaged one stays a problem until the file is another one."""

    def __init__(self, path: Path) -> None:
        self._path, self._cursor = path, Cursor(path)
        self._problem: DataError | None = None
        self._lock = threading.Lock()
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """No line."""

    @abstractmethod
    def _enter(self, lines: Sequence[Line]) -> None:
        """Take in further lines; DataError where one is damaged."""

    @abstractmethod
    def _told(self) -> Settings:
        """The keys of run.json that stand for it."""

    def follow(self, path: Path) -> None:
        """Look into this file from now on, from its start if it is another one."""
        with self._lock:
            self._path = self._cursor.path = path

    def look(self) -> Settings:
        """What the file holds by now; DataError where a line is damaged."""
        with self._lock:
            for lines, void in self._cursor.batches():
                if void:
                    self._problem = None
                    self._begin()
                try:
                    self._enter([line for line in lines if line[1]])
                except DataError as error:
                    self._problem = error
            if self._problem:
                raise self._problem
            return self._told()


def epochs_of(run: StoredRun) -> Path:
    """The file that its epochs come to: of folds of which none is over yet that of the first."""
    try:
        first = next((fold for fold in told_of(run.begun) if fold.status not in ENDED), run)
    except NnrunError:  # the run has no row but the reason then
        first = run
    return first.path / EPOCHS


class EpochsSoFar(SoFar):
    """How many there are, what they took, and the best of them by the primary metric."""

    def __init__(self, run: StoredRun) -> None:
        self._primary = run.settings.get("metrics.primary", "error")
        super().__init__(epochs_of(run))

    def _begin(self) -> None:
        self._count, self._seconds = 0, 0.0
        self._best: Mapping[str, Any] = {}

    def _enter(self, lines: Sequence[Line]) -> None:
        rows = [cast(Row, read_record(line, str(self._path), Row)) for _, line in lines]
        self._count += len(rows)
        self._seconds += sum(row["seconds"] for row in rows)
        self._best = best_row([*([cast(Row, self._best)] if self._best else []), *rows], self._primary)

    def _told(self) -> Settings:
        return {"epochs": self._count, "seconds": self._seconds, **best_epoch(self._best)}


class TrialsSoFar(SoFar):
    """How many there are, and the best of them; of each a few numbers, by which some are chosen to be drawn."""

    def __init__(self, run: StoredRun) -> None:
        self._ledger = Ledger.of(run.directory)
        super().__init__(self._ledger.path)

    def _begin(self) -> None:
        self._columns = Columns()
        self._best: TrialRecord | None = None
        self._level = set[int]()  # where the trainings began whose trials share the best value
        self._origins: dict[int, int] = {}  # of trials that continue others

    def _enter(self, lines: Sequence[Line]) -> None:
        records = [(at, self._ledger.record(line, str(self._path))) for at, line in lines]
        for at, record in records:
            if self._columns.add(record, at):
                self._weigh(record)

    def _weigh(self, record: TrialRecord) -> None:
        if (parent := continued(record)) is not None:
            self._origins[record["number"]] = self._origins.get(parent, parent)
        before, self._best = self._best, best_of([record] if self._best is None else [self._best, record])
        if self._best is None or record["metric"] != self._best["metric"]:
            return
        if before is None or before["metric"] != record["metric"]:
            self._level.clear()
        self._level.add(self._origins.get(record["number"], record["number"]))

    def _told(self) -> Settings:
        return best_trials(len(self._columns), self._best, len(self._level))

    def sample(self, most: int, space: Space) -> Sample:
        """About so many of the trials of a search over that space; DataError where a line is damaged."""
        self.look()
        with self._lock:
            places, spent, of = self._columns.picked(most), self._columns.spent(), len(self._columns)
        ledger, trials = Ledger(self._path, space), []
        with naming(self._path), self._path.open("rb") as file:
            for at in places:
                file.seek(at)
                trials.append(ledger.record(file.readline().rstrip(b"\n"), str(self._path)))
        numbers = {trial["number"] for trial in trials}
        return Sample(sorted(trials, key=lambda trial: trial["number"]), of, {n: spent[n] for n in numbers})
