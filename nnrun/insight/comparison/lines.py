"""Listed runs as lines: a table, or a tree with the children under their parents; as CSV and as plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nnrun.config.values import Settings
from nnrun.errors import NnrunError
from nnrun.files import csv_text
from nnrun.insight.comparison.listing import BROKEN, FACTS, LISTED, Entry
from nnrun.insight.comparison.tables import GAP, LEAST, Column, Legend, fitted, fitting, folded, total
from nnrun.runs.lineage import Change, Place, fork_of, tree, watched
from nnrun.runs.members import is_gathered
from nnrun.runs.rundir import EVENTS
from nnrun.runs.verdict import error_name
from nnrun.text import columns, counted, duration, in_percent, metric_value, percent, shortened, yaml_text

LEAST_PREFIX = len("20260101-000000")  # shorter ones name a run today and several tomorrow
UNKNOWN = "*?"
# That always have a column, if there is room.
SHOWN = {"id", "status", "seconds", *(f"{part}_error" for part in LISTED)}


def plain(entry: Entry) -> Settings:
    """A run in a JSON list."""
    errors = {f"{part}_error": entry.final.get(f"{part}_error") for part in LISTED}
    return {**entry.facts, **errors, "final": entry.final or None}


def as_csv(entries: Sequence[Entry]) -> str:
    """A row a run: facts, then every number of the best epoch that any of them has; of no run the facts alone."""
    return csv_text(rows(entries), FACTS)


def rows(entries: Sequence[Entry]) -> list[Settings]:
    """The entries as plain values."""
    return [
        {**entry.facts, "tags": " ".join(entry.labels["tags"]), "parent": _parent(entry), **entry.final}
        for entry in entries
    ]


def table(entries: Sequence[Entry], ids: Sequence[str], sort: str | None, width: int, cut: bool) -> list[str]:
    """A line a run; `ids` are those of all runs, among which the beginning of a parent's is to be clear."""
    found = [
        Column("run", [entry.run.id for entry in entries], right=False),
        *measured(entries, sort),
        Column("tags", [", ".join(entry.labels["tags"]) for entry in entries], rank=3, right=False),
        Column("from", [beginning(_parent(entry), ids) for entry in entries], rank=4, right=False),
    ]
    lines = fitted([c for c in found if c.title not in ("from", "tags") or any(c.cells)], width, cut)
    return [*lines, *marks_explained(entries)]


def measured(entries: Sequence[Entry], sort: str | None) -> list[Column]:
    """What became of each; the key that they are sorted by has a column too."""
    found = [
        Column("status", [entry.facts["status"] for entry in entries], right=False),
        Column("epochs", [epochs(entry) for entry in entries], rank=3),
        Column("best", [best(entry) for entry in entries], rank=6),
        *_ties(entries),
        *_errors(entries),
        *_kinds(entries),
        Column("time", [_time(entry) for entry in entries], rank=5),
    ]
    if sort and sort not in SHOWN:
        found.insert(1, Column(sort.rpartition(".")[2], [shown(sort, entry.value(sort)) for entry in entries]))
    return found


def _errors(entries: Sequence[Entry]) -> Iterator[Column]:
    """The dev error with a mark where somebody watched it and made changes."""
    marks = [mark(entry) for entry in entries]
    width = max(map(len, marks), default=0)
    for part, rank in {"train": 2, "dev": 0, "test": 1}.items():
        cells = [percent(entry.final.get(f"{part}_error")) for entry in entries]
        if width and part == "dev":
            cells = [f"{cell} {each:<{width}}" for cell, each in zip(cells, marks, strict=True)]
            part += " " * (width + 1)
        yield Column(part, cells, rank)


def mark(entry: Entry) -> str:
    """Behind a dev error: how often the run was changed by somebody who could see it."""
    if entry.search or entry.facts["status"] == BROKEN or entry.nudges == 0:
        return ""
    return UNKNOWN if entry.nudges is None else f"*{entry.nudges}"


def marks_explained(entries: Sequence[Entry]) -> list[str]:
    """What the marks mean, if there are any; the words are those that stand beside the dev error elsewhere."""
    marks = {mark(entry) for entry in entries} - {""}
    counted = [f"*N: N {watched(2).partition(' ')[2]}"] if marks - {UNKNOWN} else []
    return [
        *counted,
        *([f"{UNKNOWN}: how many were made is unknown, as {EVENTS} is damaged"] if UNKNOWN in marks else []),
    ]


def _ties(entries: Sequence[Entry]) -> Iterator[Column]:
    """How many trials of a search share its best result, where that is more than one."""
    level = [str(count) if (count := entry.facts["ties"] or 0) > 1 else "" for entry in entries]
    if any(level):
        yield Column("tied", level, rank=4)


def _kinds(entries: Sequence[Entry]) -> Iterator[Column]:
    """What the errors of each run are, and the plain dev error, if rows of any do not count alike."""
    weighted = any(entry.facts["error_kind"] for entry in entries)
    if weighted or any(entry.facts["target_transform"] for entry in entries):
        yield Column("error is", [error_is(entry) for entry in entries], 1, right=False)
    if weighted:
        yield Column("plain dev", [percent(plain_dev(entry)) for entry in entries], 1)


def error_is(entry: Entry) -> str:
    """What its errors are: plain, balanced, weighted or 1 − R², perhaps of the logarithm; – where it has none."""
    if not entry.final:
        return "–"
    name = error_name(entry.final, entry.record["data"]) if entry.record.get("data") else "error"
    return name.removesuffix("error").strip() or "plain"


def plain_dev(entry: Entry) -> float | None:
    """The dev error where every row counts alike."""
    return entry.final.get("dev_plain_error" if entry.facts["error_kind"] else "dev_error")


def shown(key: str, value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    return metric_value(value, key) if isinstance(value, float) or in_percent(key) else yaml_text(value)


def epochs(entry: Entry) -> str:
    """How many it had, of a search how many trials, of an ensemble how many members."""
    count = entry.facts["trials"]
    if is_gathered(entry.record):
        return counted(entry.facts["members"], "member")
    if not entry.search or count is None:
        return shown("epochs", None if entry.search else entry.facts["epochs"])
    return f"{count} trial{'' if count == 1 else 's'}"


def best(entry: Entry) -> str:
    """The best epoch or trial."""
    trial = entry.facts["best_trial"]
    if entry.search:
        return "–" if trial is None else f"trial {trial}"
    return shown("best_epoch", entry.facts["best_epoch"])


def _time(entry: Entry) -> str:
    seconds = entry.facts["seconds"]
    return "–" if seconds is None else duration(seconds)


def _parent(entry: Entry) -> str:
    parent = entry.facts["parent"]
    return str(parent["id"]) if parent else ""


def beginning(run_id: str, ids: Sequence[str]) -> str:
    """As much of an id as `RUN` needs to mean that run."""
    for end in range(LEAST_PREFIX, len(run_id)):
        if sum(other.startswith(run_id[:end]) for other in ids) <= 1:
            return run_id[:end]
    return run_id


# a tree

WIDE, ROOM = 44, 28  # columns that changes have at least, with ids that are whole, and with none but status and dev
ANY = 9  # a rank that no column is above
LEVEL = 3  # columns of a level of the tree
LONGEST_KEY = 40  # of a key whose last word is not clear
KEPT = "\u00a0"  # a space at which no line ends


@dataclass(frozen=True)
class Member:
    """A listed run in its family: where it stands, what it changed when it left its parent, where that is otherwise."""

    entry: Entry
    place: Place
    changes: Sequence[Change]
    away: str = ""  # of a child at the top: its parent, and why that is not above it

    @property
    def left_at(self) -> int | None:
        """The epoch of its parent that it began from."""
        parent = self.entry.facts["parent"]
        return parent["epoch"] if parent else None


def families(found: Sequence[Entry], entries: Sequence[Entry]) -> list[Member]:
    """The entries found, each child under its parent as long as that is among them; `entries` are all there are."""
    everyone = {entry.run.id: entry for entry in entries}
    listed = {entry.run.id: entry for entry in found}
    places = tree({name: _parent(entry) or None for name, entry in listed.items()})
    return [_member(listed[place.id], place, listed, everyone) for place in places]


def _member(entry: Entry, place: Place, listed: dict[str, Entry], everyone: dict[str, Entry]) -> Member:
    name = _parent(entry)
    parent = everyone.get(name)
    try:
        changes = fork_of(entry.run, parent.run if parent else None) if name else []
    except NnrunError:  # which `nnrun show` tells
        changes = []
    why = "which is gone" if parent is None else "in a circle" if name in listed else "which is not listed"
    return Member(entry, place, changes, f"of {name}, {why}" if name and not place.depth else "")


def plain_member(member: Member) -> Settings:
    """A run in the JSON list of a tree, in which parents stand before their children."""
    changed = [change.plain for change in member.changes]
    return {**plain(member.entry), "depth": member.place.depth, "changed": changed}


def tree_table(members: Sequence[Member], ids: Sequence[str], sort: str | None, width: int, cut: bool) -> list[str]:
    """A line a run, changes folded beside each other; `ids` are those of all runs."""
    legend = Legend(LONGEST_KEY)
    words = [_told(member, legend, {c.key for m in members for c in m.changes}) for member in members]
    most = LEVEL * (width // (4 * LEVEL))
    whole = [member.entry.run.id for member in members]
    short = [beginning(name, ids) for name in whole]
    kept: list[Column] = []
    for names, room, rank in ((whole, WIDE, ANY), (short, WIDE, ANY), (short, ROOM, 1)):
        found = _tree_columns(members, names, [word[:room] for word in words], sort, most)
        kept = fitting([column for column in found if column.rank <= rank], width)
        if total(kept) <= width:
            break
    *others, _ = kept
    over = total(others) + GAP + LEAST - width  # where even the least are too wide
    if cut and over > 0:
        cells = [shortened(cell, max(LEAST, others[0].width - over)) for cell in others[0].cells]
        others[0] = others[0]._replace(cells=cells)
    lines = _folded(members, others, words, max(LEAST, width - total(others) - GAP), most)
    below = [*marks_explained([member.entry for member in members]), *legend.lines]
    return [*lines, *(line for text in below for line in folded(text, width))]


def _tree_columns(
    members: Sequence[Member], names: Sequence[str], words: list[str], sort: str | None, most: int
) -> list[Column]:
    """The status may go last here, as the changes may not."""
    lines = [_from_the_right(member.place.lines, most) for member in members]
    left = ["" if member.left_at is None else str(member.left_at) for member in members]
    status, *others = measured([member.entry for member in members], sort)
    return [
        Column("run", [f"{line}{name}" for line, name in zip(lines, names, strict=True)], right=False),
        Column("left at", left),
        status._replace(rank=1),
        *(column._replace(rank=column.rank and column.rank + 1) for column in others),
        Column("changed", words, right=False),
    ]


def _told(member: Member, legend: Legend, keys: set[str]) -> str:
    """What it changed, a key by its last word where that is clear."""
    changes = (f"{legend.title(change.key, [*keys])} {change.values}" for change in member.changes)
    return ": ".join(filter(None, [member.away, ", ".join(changes)]))


def _folded(
    members: Sequence[Member], others: Sequence[Column], words: Sequence[str], room: int, most: int
) -> list[str]:
    """The lines of all columns and of the words in the last one; lines of the tree go on beside the folded ones."""
    rows = [[*(column.title for column in others), "changed" if any(words) else ""]]
    deeper = [after.place.depth > member.place.depth for member, after in pairwise(members)] + [False]
    for i, (member, text) in enumerate(zip(members, words, strict=True)):
        first, *more = _wrapped(text, room) or [""]
        rows.append([*(column.cells[i] for column in others), first])
        on = _from_the_right(member.place.below, most) + ("│" if deeper[i] else "")
        rows += [[on, *[""] * (len(others) - 1), line] for line in more]
    return columns(rows, right=[index for index, column in enumerate(others) if column.right])


def _wrapped(text: str, room: int) -> list[str]:
    """Lines in which no arrow stands apart from its values; it has two columns, as it has in plain letters."""
    lines = textwrap.wrap(text.replace("→", "→→").replace(" →→ ", f"{KEPT}→→{KEPT}"), room, break_on_hyphens=False)
    return [line.replace("→→", "→").replace(KEPT, " ") for line in lines]


def _from_the_right(lines: str, most: int) -> str:
    """The last levels of a deep tree."""
    return lines if len(lines) <= most else f"…{' ' * (LEVEL - 1)}{lines[LEVEL - most :]}"
