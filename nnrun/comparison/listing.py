"""A list of runs as a table, as CSV and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nnrun.comparison.records import Entry, Values
from nnrun.comparison.selection import text_of
from nnrun.comparison.tables import Column, csv_text, fitted
from nnrun.narration import duration, number, percent

PARTS = ("train", "dev", "test")
LEAST_PREFIX = len("20260101-000000")  # shorter ones name a run today and several tomorrow
SHOWN = {"id", "status", "seconds", *(f"{part}_error" for part in PARTS)}  # that always have a column, if there is room


def plain(entry: Entry) -> Values:
    """A run in a JSON list."""
    errors = {f"{part}_error": entry.final.get(f"{part}_error") for part in PARTS}
    return {**entry.facts, **errors, "final": entry.final or None}


def as_csv(entries: Sequence[Entry]) -> str:
    """A row a run: facts, then every number of the best epoch that any of them has."""
    return csv_text([{**entry.facts, "parent": _parent(entry), **entry.final} for entry in entries])


def table(entries: Sequence[Entry], ids: Sequence[str], sort: str | None, width: int, cut: bool) -> list[str]:
    """A line a run; `ids` are those of all runs, among which the beginning of a parent's is to be clear.

    The key that they are sorted by has a column too.
    """
    found = [
        Column("run", [entry.run.id for entry in entries], right=False),
        Column("status", [entry.facts["status"] for entry in entries], right=False),
        Column("epochs", [_epochs(entry) for entry in entries], rank=3),
        Column("best", [_best(entry) for entry in entries], rank=6),
        *_errors(entries),
        Column("time", [_time(entry) for entry in entries], rank=5),
        Column("from", [_beginning(_parent(entry), ids) for entry in entries], rank=4, right=False),
    ]
    if sort and sort not in SHOWN:
        found.insert(2, Column(sort.rpartition(".")[2], [shown(sort, entry.value(sort)) for entry in entries]))
    return fitted([c for c in found if c.title != "from" or any(c.cells)], width, cut)


def _errors(entries: Sequence[Entry]) -> Iterator[Column]:
    for part, rank in {"train": 2, "dev": 0, "test": 1}.items():
        yield Column(part, [percent(entry.final.get(f"{part}_error")) for entry in entries], rank)


def shown(key: str, value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    if key.endswith("_error"):
        return percent(value)
    return number(value) if isinstance(value, float) else text_of(value)


def _epochs(entry: Entry) -> str:
    count = entry.facts["trials"]
    if not entry.search or count is None:
        return shown("epochs", None if entry.search else entry.facts["epochs"])
    return f"{count} trial{'' if count == 1 else 's'}"


def _best(entry: Entry) -> str:
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


def _beginning(run_id: str, ids: Sequence[str]) -> str:
    """As much of an id as `RUN` needs to mean that run."""
    for end in range(LEAST_PREFIX, len(run_id)):
        if sum(other.startswith(run_id[:end]) for other in ids) <= 1:
            return run_id[:end]
    return run_id
