"""Where a run comes from: its parent and children, what was changed on the way, and how a family is drawn.

A child of `nnrun rewind` has its parent's epochs and changes in its own files; one of `nnrun resume --set` begins after
them, so that what stands before has to be read from its parent, as long as that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from nnrun.config.values import Settings
from nnrun.errors import NnrunError
from nnrun.files import to_json
from nnrun.runs.finding import TRIALS, list_runs
from nnrun.runs.records import Event, Row, numbers
from nnrun.runs.rundir import RECORD, RunDir
from nnrun.runs.stored import CHANGES, StoredRun, flat
from nnrun.text import counted, yaml_text

# changes


class Changed(TypedDict):
    """A change as a program gets it."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    """A setting that got another value after training had begun; `epoch` is the first in which it holds."""

    epoch: int
    key: str
    old: Any
    new: Any
    time: str
    request: str | None = None  # its name, which all changes of one request share
    note: str | None = None
    host: str | None = None
    process: int | None = None

    @property
    def values(self) -> str:
        """The old value and the new one."""
        old, new = yaml_text(self.old), yaml_text(self.new)
        return f"{self.old!r} → {self.new!r}" if old == new else f"{old} → {new}"

    @property
    def plain(self) -> Changed:
        """For a JSON document."""
        return {"key": self.key, "old": self.old, "new": self.new}

    @property
    def step(self) -> tuple[int, str | None]:
        """What the changes of one request share; a parent's request may have the name of a child's own."""
        return self.epoch, self.request


def changes_in(events: Iterable[Event]) -> list[Change]:
    """What was changed while a run trained, each key of a request once; what is no whole change is left out."""
    found: dict[tuple[int, str | None, str], Change] = {}
    for event in events:
        epoch, key = event.get("epoch"), event.get("key")
        if event["event"] == "changed" and epoch is not None and key is not None:
            change = Change(
                epoch, key, event.get("old"), event.get("new"), event["time"], event.get("request"),
                event.get("note"), event.get("host"), event.get("process"),
            )  # fmt: skip
            found.setdefault((*change.step, key), change)
    return list(found.values())


def nudges(events: Iterable[Event]) -> int:
    """How often a run was changed by somebody who could see its dev error; several keys at once are one change."""
    return len({change.step for change in changes_in(events)})


def watched(number: int) -> str:
    """What is said of so many nudges beside a dev error, as such an error flatters; nothing of none."""
    were = "was" if number == 1 else "were"
    return f"{counted(number, 'change')} {were} made while watching dev" if number else ""


def fork_of(run: StoredRun, parent: StoredRun | None) -> list[Change]:
    """What a child changed when it left its parent: as it recorded that, else what their settings differ in.

    Nothing where neither is known.
    """
    origin = run.written.get("parent")
    if not origin:
        return []
    first = origin["epoch"] + 1
    if "state" in origin:
        return [change for change in changes_in(run.events) if change.epoch == first]
    if parent is None:
        return []
    of_parent = {(*change.step, change.key) for change in changes_in(parent.events)}
    nudged = [change for change in changes_in(run.events) if change.epoch == first]
    inherited = {change.key: change.new for change in nudged if (*change.step, change.key) in of_parent}
    old, new = settings_held(parent.settings, origin["epoch"], inherited), settings_held(run.settings, first)
    keys = [key for key in {**old, **new} if yaml_text(old.get(key)) != yaml_text(new.get(key))]
    return [Change(first, key, old.get(key), new.get(key), run.written["created"]) for key in keys]


def settings_held(settings: Settings, epoch: int, then: Settings | None = None) -> Settings:
    """Settings as they hold in an epoch, by the changes of `training.changes` until then, and others after them."""
    found = {key: value for key, value in settings.items() if key != CHANGES}
    changes = settings.get(CHANGES)
    until = {
        start: values
        for start, values in (changes.items() if isinstance(changes, Mapping) else ())
        if isinstance(start, int) and start <= epoch and isinstance(values, Mapping)
    }
    stages = [*(until[start] for start in sorted(until)), then or {}]
    for key, value in (change for changed in stages for change in changed.items()):
        others = {name: old for name, old in found.items() if name != key and not name.startswith(f"{key}.")}
        found = others | dict(flat({key: value}))
    return found


def changes_of(run: StoredRun, parent: StoredRun | None) -> list[Change]:
    """All changes that its directory and its parent's settings tell of, in the order of epochs."""
    found = {(*change.step, change.key): change for change in [*fork_of(run, parent), *changes_in(run.events)]}
    return sorted(found.values(), key=lambda change: change.epoch)


# relatives


def parent_of(run: StoredRun) -> StoredRun | None:
    """The run that this one continues; None where there is none, or where it is not there any more."""
    origin = run.written.get("parent")
    if not origin or Path(origin["id"]).name != origin["id"] or origin["id"].startswith("."):
        return None
    beside = run.path.resolve().parent
    places = (StoredRun(RunDir(folder / origin["id"])) for folder in (beside, beside / TRIALS))
    return next((place for place in places if place.directory.exists and _is_readable(place)), None)


def _is_readable(run: StoredRun) -> bool:
    try:
        return bool(run.written)
    except NnrunError:
        return False


def ancestors_of(run: StoredRun) -> Iterator[StoredRun]:
    """The parent of a run, the parent's parent and so on, as far as they are there; each once."""
    seen, parent = {run.id}, parent_of(run)
    while parent and parent.id not in seen:
        yield parent
        seen.add(parent.id)
        parent = parent_of(parent)


def trained_by(run: StoredRun) -> list[tuple[Path, int]]:
    """Where the runs lie that trained its epochs, each with the epoch after which it did: itself, its parent and so on.

    The last of them may be gone.
    """
    found = []
    for each in (run, *ancestors_of(run)):
        origin = each.written.get("parent")
        path = each.path.resolve()
        found.append((path, origin["epoch"] if origin else 0))
    return [*found, (path.parent / origin["id"], 0)] if origin else found


def children_of(run: StoredRun) -> list[StoredRun]:
    """The runs beside it that continue it, oldest first; one whose record cannot be read is not among them."""
    named = to_json(run.id).encode()
    beside = [each for each in list_runs(run.path.resolve().parent) if each.id != run.id and _has(each, named)]
    return [child for child in map(StoredRun, beside) if _is_readable(child) and _parent_id(child) == run.id]


def _has(run: RunDir, text: bytes) -> bool:
    """Whether it stands in run.json, which is quicker than to read what that says."""
    try:
        return text in run.read(RECORD)
    except NnrunError:
        return False


def _parent_id(run: StoredRun) -> str | None:
    origin = run.written.get("parent")
    return origin["id"] if origin else None


@dataclass(frozen=True)
class Course:
    """The epochs that made a run, its ancestors' among them; those up to `fork` its parent has trained."""

    rows: list[Row]
    changes: list[Change]
    fork: int = 0

    @property
    def steps(self) -> list[list[Change]]:
        """The changes that were made together, in the order of epochs."""
        return [list(together) for _, together in groupby(self.changes, key=lambda change: change.step)]


def course_of(run: StoredRun) -> Course:
    """What its own files hold, and what those of its ancestors do besides, as long as they are there."""
    origin = run.written.get("parent")
    child, rows = run, run.rows
    changes = {(*change.step, change.key): change for change in changes_of(run, parent_of(run))}
    for each in ancestors_of(run):
        left = child.written.get("parent")
        if left is None:
            break
        try:
            past = [change for change in changes_of(each, parent_of(each)) if change.epoch <= left["epoch"]]
            before = [row for row in each.rows if row["epoch"] <= left["epoch"]]
        except NnrunError:  # damaged; the run itself is whole
            break
        rows = [row for row in before if not rows or row["epoch"] < rows[0]["epoch"]] + rows
        changes = {(*change.step, change.key): change for change in past} | changes
        child = each
    return Course(rows, sorted(changes.values(), key=lambda change: change.epoch), origin["epoch"] if origin else 0)


# a run trained again


class Repeated(NamedTuple):
    """How a run compares with one that trained the same: epochs that both have, and the first that differs."""

    of: str
    epochs: int
    first: int | None
    key: str | None  # which number differs there
    pruned: bool = False  # whether a search ended the other one there, where this one goes on
    other_data: bool = False  # whether the rows are no longer those that the other one was trained on

    @property
    def told(self) -> str:
        """In a line."""
        if self.first is None:
            pruned = ", which its search ended then; alone it trains on" if self.pruned else ""
            both = f"every number of {counted(self.epochs, 'epoch')} is as in {self.of}{pruned}"
            return f"same     {both}" if self.epochs else f"note     {self.of} has no epoch to compare with"
        why = "; the data is no longer what that was trained on" if self.other_data else ""
        return f"differs  from {self.of} since epoch {self.first}, there first in {self.key}{why}"


def repeated(before: StoredRun, again: StoredRun) -> Repeated:
    """Compared number by number, the time that epochs took aside."""
    theirs = {row["epoch"]: row for row in before.rows}
    common = [(theirs[row["epoch"]], row) for row in again.rows if row["epoch"] in theirs]
    other_data = not before.data.same_rows(again.data)
    for old, new in common:
        for key, value in numbers(new).items():
            if key != "seconds" and numbers(old).get(key) != value:
                return Repeated(before.name, len(common), new["epoch"], key, other_data=other_data)
    return Repeated(before.name, len(common), None, None, bool(before.record.get("pruned")), other_data)


# a family as lines


class Place(NamedTuple):
    """Where a run stands in a tree: how deep, the lines before its name, and those before what stands below it."""

    id: str
    depth: int
    lines: str
    below: str


def tree(parents: Mapping[str, str | None]) -> list[Place]:
    """Children under their parents, siblings in the order given; `parents` has a run's parent by its id.

    A run whose parent is none of them stands at the top, and so does the first of those that go in a circle.
    """
    children: dict[str | None, list[str]] = {}
    for run, parent in parents.items():
        children.setdefault(parent if parent in parents else None, []).append(run)
    places: dict[str, Place] = {}
    for top in [*children.get(None, []), *parents]:
        waiting = [Place(top, 0, "", "")]
        while waiting:
            place = waiting.pop()
            if place.id not in places:
                places[place.id] = place
                own = [child for child in children.get(place.id, []) if child not in places]
                waiting += [_below(place, child, child == own[-1]) for child in reversed(own)]
    return list(places.values())


def _below(parent: Place, child: str, last: bool) -> Place:
    turn, on = ("└─ ", "   ") if last else ("├─ ", "│  ")
    return Place(child, parent.depth + 1, parent.below + turn, parent.below + on)
