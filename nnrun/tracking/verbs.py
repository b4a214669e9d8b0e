"""The verbs of telling other tools: of runs as they are, and of one that trains as it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nnrun.errors import NnrunError
from nnrun.runs.finding import TRIALS, is_search, trial_of
from nnrun.runs.members import has_members, members_of
from nnrun.runs.records import TRAINED
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import LEDGER
from nnrun.tracking.story import Told, Tracker, ending_of, story_of
from nnrun.watching.curves import Cursor
from nnrun.watching.folder import SECONDS_BETWEEN_LOOKS, rest


def write(run: RunDir, tracker: Tracker, note: Callable[[str], None]) -> int:
    """A run, or a search with the trials that have ended; how many runs that is. What cannot be read is noted."""
    _write(StoredRun(run), tracker)
    return 1 + sum(_noted(part, tracker, note) for part in _parts(run))


def _noted(part: RunDir, tracker: Tracker, note: Callable[[str], None]) -> bool:
    """Whether it was written: not what has not ended, nor what is broken, which hides no other."""
    try:
        if part.status in TRAINED:
            return False
        _write(StoredRun(part), tracker)
    except NnrunError as error:
        note(f"note     {part.id}: left out, as it cannot be read: {error}")
        return False
    return True


def _parts(run: RunDir) -> Iterator[RunDir]:
    """The trials of a search, or the members of a run."""
    if is_search(run):
        folder = run.path / TRIALS
        parts = [RunDir(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    else:
        parts = members_of(run) if has_members(run) else []
    yield from (part for part in parts if part.id[0] != "." and part.exists)


def _write(run: StoredRun, tracker: Tracker) -> None:
    rows: Sequence[Mapping[str, Any]] = [] if run.is_search else run.rows
    story = story_of(run)
    told = tracker.begin(story, rows)
    told.epochs(rows[told.known :], story.began + _seconds(rows[: told.known]))
    told.end(ending_of(run))


def follow(run: RunDir, tracker: Tracker, note: Callable[[str], None]) -> None:
    """Write what comes of a run that trains, until it is over; a twentieth of the time at most."""
    followed = _Search(run, tracker, note) if is_search(run) else _Epochs(run, tracker)
    while True:
        began = time.monotonic()
        over = run.status not in TRAINED  # asked first: what was written until then is all there will be
        followed.look()
        if over:
            break
        _rest(run, rest(time.monotonic() - began))
    if followed.told:
        followed.told.end(ending_of(StoredRun(RunDir(run.path))))
    for part in _parts(run) if not is_search(run) else ():
        _noted(part, tracker, note)


def _rest(run: RunDir, seconds: float) -> None:
    """Until it is over, at the longest."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and run.status in TRAINED:
        time.sleep(SECONDS_BETWEEN_LOOKS)


class _Epochs:
    """One run by its epochs."""

    def __init__(self, run: RunDir, tracker: Tracker) -> None:
        self._run, self._tracker = run, tracker
        self._cursor = Cursor(run.path / EPOCHS)
        self.told: Told | None = None
        self._time = 0.0

    def look(self) -> None:
        """What is new; where epochs were forgotten, as when it is resumed, all of it."""
        rows, void = self._cursor.fresh()
        if self.told is None or (void and rows):
            story = story_of(StoredRun(RunDir(self._run.path)))
            self.told, self._time = self._tracker.begin(story, rows), story.began
            self._time += _seconds(rows[: self.told.known])
            rows = rows[self.told.known :]
        if rows:
            self.told.epochs(rows, self._time)
            self._time += _seconds(rows)


def _seconds(rows: Sequence[Mapping[str, Any]]) -> float:
    return sum(float(row.get("seconds") or 0.0) for row in rows)


class _Search:
    """A search by its trials, each when its line is in the ledger."""

    def __init__(self, run: RunDir, tracker: Tracker, note: Callable[[str], None]) -> None:
        self._run, self._tracker, self._note = run, tracker, note
        self._cursor = Cursor(run.path / LEDGER)
        self.told: Told | None = None

    def look(self) -> None:
        """The trials that have ended."""
        self.told = self.told or self._tracker.begin(story_of(StoredRun(RunDir(self._run.path))), [])
        for line in self._cursor.fresh()[0]:
            trial = trial_of(self._run.path, line.get("number", 0))
            if trial.exists:
                _noted(trial, self._tracker, self._note)
