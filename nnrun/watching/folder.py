"""What a folder of runs holds, looked at again and again: a row a run, read anew where one of its files changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NamedTuple, cast

from nnrun.config.values import Settings
from nnrun.errors import DataError, NnrunError
from nnrun.insight.comparison.lines import epochs, error_is
from nnrun.insight.comparison.listing import BROKEN, Entry, select
from nnrun.runs.finding import ID
from nnrun.runs.records import HELD
from nnrun.runs.rundir import EPOCHS, EVENTS, LOCK, RECORD, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import LEDGER
from nnrun.text import metric_value
from nnrun.watching.curves import BestSoFar, Curve
from nnrun.watching.so_far import EpochsSoFar, SoFar, TrialsSoFar, epochs_of

Row = dict[str, Any]  # plain values of a line of the table, as JSON
Stamp = tuple[int, int] | None  # time and size of a file; None: there is none
State = tuple[Stamp, ...]  # of FILES
FILES = (RECORD, EPOCHS, EVENTS, LEDGER, LOCK)
FACTS = (
    "kind", "name", "status", "created", "epochs", "best_epoch", "trials", "best_trial", "seconds", "parent",
    "tags", "note", "nudges", "members",
)  # fmt: skip
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LISTINGS = 5.0
SHARE = 20  # a look that takes much of the processor is followed by so many times as long without one
NUMBERS = ("train_error", "dev_error", "test_error", "dev_loss", "dev_rmse")


@dataclass
class Seen:
    """A run as it was looked at last."""

    run: RunDir
    state: State
    row: Row
    changed: int  # the look at which it changed


class Listing(NamedTuple):
    """What was in the folder when it had that time, and when to look again whatever its time is."""

    stamp: Stamp = None
    until: float = 0.0  # by the monotonic clock
    runs: Sequence[tuple[RunDir, bool]] = ()  # with whether it is shown though it lacks what makes it a run


@dataclass
class Folder:
    """Runs under `root`; looks come from one thread at a time."""

    root: Path
    looks: int = 0
    next_look: float = 0.0  # by the monotonic clock
    seen: dict[str, Seen] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)  # and the look at which they were missed
    curves: dict[str, Curve] = field(default_factory=dict)
    so_far: dict[str, SoFar] = field(default_factory=dict)  # of what had not ended
    lock: threading.Lock = field(default_factory=threading.Lock)
    _listing: Listing = Listing()

    def look_when_due(self) -> bool:
        """Look, unless that was done a moment ago; whether it was due.

        How long it is not due after one goes by the time of the processor, as others may be at work, and not by the
        first, which reads all, once. Asked by one thread at a time.
        """
        if time.monotonic() < self.next_look:
            return False
        began, is_first = time.thread_time(), not self.looks
        self.look()
        spent = 0.0 if is_first else time.thread_time() - began
        self.next_look = time.monotonic() + rest(spent)
        return True

    def look(self) -> None:
        """See what has changed since the last look."""
        with self.lock:
            self.looks += 1
            states = {run: state for run, named in self._listed() if (state := _state(run.path))[0] or named}
            found = {run.id: run for run in states}
            for name in [name for name in self.seen if name not in found]:
                del self.seen[name]
                self.curves.pop(name, None)
                self.so_far.pop(name, None)
                self.gone[name] = self.looks
            for name, run in found.items():
                state = states[run]
                before = self.seen.get(name)
                if before is None or before.state != state or before.row["status"] in HELD:
                    row = self._row(run)
                    if before is None or row != before.row or before.state != state:
                        self.seen[name] = Seen(run, state, row, self.looks)

    def _listed(self) -> Sequence[tuple[RunDir, bool]]:
        """What may be a run: listed again where the folder has changed, and now and then, as its time may be coarse."""
        stamp, now = _stamp(str(self.root)), time.monotonic()
        if stamp is None or stamp != self._listing.stamp or now >= self._listing.until:
            self._listing = Listing(stamp, now + SECONDS_BETWEEN_LISTINGS, _folders(self.root))
        return self._listing.runs

    def _row(self, run: RunDir) -> Row:
        """Whatever is wrong with a directory is a row with the reason."""
        try:
            if name := _foreign(run):
                raise DataError(f"{name} is a link or a pipe, which is not followed")
            entry = Entry(StoredRun(RunDir(run.path)), self._so_far)
            if entry.problem:
                raise entry.problem
            facts, final = entry.facts, entry.final
        except (NnrunError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{error}" or type(error).__name__
            return {"id": run.id, "kind": "run", "name": run.id, "status": BROKEN, "problem": why}
        parent = facts.get("parent")
        numbers = {key: final.get(key) for key in NUMBERS}
        told = {key: metric_value(value, key) for key, value in numbers.items()} | {"epochs": epochs(entry)}
        return {
            "id": run.id,
            **{key: facts.get(key) for key in FACTS},
            **numbers,
            "parent": (parent or {}).get("id"),
            "error_is": error_is(entry) if final else None,
            "told": told,  # what stands in the table as in a list, since a browser rounds otherwise
        }

    def _so_far(self, run: StoredRun) -> Settings:
        return self._followed(run).look()

    def _followed(self, run: StoredRun) -> SoFar:
        kind = TrialsSoFar if run.is_search else EpochsSoFar
        if not isinstance(self.so_far.get(run.id), kind):
            self.so_far[run.id] = kind(run)
        if not run.is_search:
            self.so_far[run.id].follow(epochs_of(run))
        return self.so_far[run.id]

    def trials(self, name: str) -> TrialsSoFar | None:
        """The trials of a search, of which only new ones are read; None where there is no such search."""
        with self.lock:
            seen = self.seen.get(name)
            if seen is None or seen.row["kind"] != "search" or _foreign(seen.run):
                return None
            return cast(TrialsSoFar, self._followed(StoredRun(RunDir(seen.run.path))))

    def since(self, look: int) -> tuple[int, list[Row], list[str]]:
        """The number of the last look, the rows that changed after another one, and the runs that went since."""
        with self.lock:
            rows = [seen.row for seen in self.seen.values() if seen.changed > look]
            return self.looks, rows, [name for name, at in self.gone.items() if at > look and name not in self.seen]

    def curve(self, name: str) -> Curve | None:
        """The curve of a run, up to date; None where there is no such run."""
        with self.lock:
            seen = self.seen.get(name)
            if seen is None or _foreign(seen.run):
                return None
            of_search = seen.row["kind"] == "search"
            path = seen.run.path / LEDGER if of_search else epochs_of(StoredRun(RunDir(seen.run.path)))
            if name not in self.curves:
                self.curves[name] = BestSoFar(path) if of_search else Curve(path)
            self.curves[name].follow(path)
            self.curves[name].look()
            return self.curves[name]

    def run(self, name: str) -> RunDir | None:
        """The directory of a run that was seen; by no other name is anything read."""
        with self.lock:
            seen = self.seen.get(name)
            return seen.run if seen and not _foreign(seen.run) else None

    def selected(self, filters: Sequence[str]) -> set[str]:
        """The runs that fulfil conditions as `nnrun list --filter` takes them; UsageError for what is none."""
        with self.lock:
            runs = [seen.run for seen in self.seen.values() if not _foreign(seen.run)]
        return {entry.run.id for entry in select([Entry(StoredRun(run)) for run in runs], filters, None, False)}


def rest(took: float) -> float:
    """Seconds without a look after one that took so many."""
    return max(SECONDS_BETWEEN_LOOKS, SHARE * took)


def _folders(root: Path) -> list[tuple[RunDir, bool]]:
    """What may be a run, and whether it is a folder called like one; a link is a run where it leads to one."""
    try:
        with os.scandir(root) as entries:
            known = sorted((entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []
    return [
        (RunDir(root / name), is_folder and ID.fullmatch(name) is not None)
        for name, is_link, is_folder in known
        if name[0] != "." and (is_link or is_folder)
    ]


def _state(path: Path) -> State:
    """What changes when a file of the run does; a kill or a pause changes no file but the lock's holder."""
    return tuple(_stamp(f"{path}/{name}") for name in FILES)


def _stamp(path: str) -> Stamp:
    """By a text, as a Path takes several times as long, and there are five to a run, twice a second."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _foreign(run: RunDir) -> str | None:
    """The first name there that is neither file nor folder: a link leads out, a pipe keeps one waiting."""
    try:
        modes = [(path.name, path.lstat().st_mode) for path in sorted(run.path.iterdir())]
    except OSError:
        return None
    return next((name for name, mode in modes if not (S_ISREG(mode) or S_ISDIR(mode))), None)
