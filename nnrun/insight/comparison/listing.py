"""A list of runs: the conditions of --filter and the order of --sort, as a table, as CSV and as plain values."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, NamedTuple

from nnrun.config.values import Settings
from nnrun.errors import NnrunError, UsageError
from nnrun.insight.comparison.tables import Column, fitted
from nnrun.runs.stored import StoredRun, best_row, record_of, settings_of
from nnrun.runs.verdict import error_kind
from nnrun.search.ledger import Ledger
from nnrun.search.record import sharing
from nnrun.text import closest, csv_text, duration, number, percent, yaml_text

PARTS = ("train", "dev", "test")
BROKEN = "unreadable"  # in place of a status
ID = re.compile(r"\d{8}-\d{6}-(?P<name>.+)-[0-9a-f]{4}")


class Entry:
    """A run or a search in a list; one that is broken has the status `unreadable` and nothing else."""

    def __init__(self, run: StoredRun) -> None:
        self.run, self.search = run, run.is_search
        try:
            self.record: Settings = dict(record_of(run))
            if self.search and self.record["status"] != "done":
                self.record |= _so_far(run)
            elif run.under_way and run.rows:
                self.record |= _best_so_far(run)
        except NnrunError:
            self.record = {"status": BROKEN}

    @property
    def facts(self) -> Settings:
        """What is told of it, the numbers of its best epoch or trial aside."""
        name = ID.fullmatch(self.run.id)
        keys = ("status", "created", "epochs", "best_epoch", "trials", "best_trial", "ties", "seconds", "parent")
        return {
            "id": self.run.id,
            "kind": "search" if self.search else "run",
            "name": name["name"].removesuffix("-search" if self.search else "") if name else self.run.id,
            **{key: self.record.get(key) for key in keys},
        }

    @property
    def final(self) -> dict[str, float | None]:
        """The numbers of the best epoch, of a search those of its best trial."""
        final: Settings = self.record.get("final") or {}
        return {key: value for key, value in final.items() if value is None or isinstance(value, (int, float))}

    @cached_property
    def settings(self) -> Settings:
        """Its config by dotted key, of a search that of its best trial, if it has one; read when it is asked for."""
        try:
            return settings_of(self.run.best or self.run)
        except NnrunError:
            return {}

    def knows(self, key: str) -> bool:
        """Whether there may be a value."""
        return key in self.facts or key in self.final or key in self.settings

    def value(self, key: str) -> Any:
        """A fact, a number of the best epoch, or a setting; None where there is none."""
        facts = self.facts | self.final
        return facts[key] if key in facts else self.settings.get(key)


def _so_far(run: StoredRun) -> Settings:
    """The best of the trials that a search has finished until now."""
    records = Ledger.of(run.directory).read_whole()
    level = sharing(records)
    best = level[0] if level else None
    keys = {"best_trial": "number", "final": "final", "epochs": "epochs", "best_epoch": "best_epoch"}
    return {
        "trials": len(records),
        "ties": len(level),
        **{key: best.get(name) if best else None for key, name in keys.items()},
    }


def _best_so_far(run: StoredRun) -> Settings:
    """The best of the epochs that a run without a result has finished."""
    row = best_row(run.rows, settings_of(run).get("metrics.primary", "error"))
    final = {key: value for key, value in row.items() if key.startswith(PARTS)}
    return {"best_epoch": row.get("epoch"), "final": final or None}


WRITTEN = re.compile(r"\s*(?P<key>[^\s<>=!]+)\s*(?P<comparison><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*")
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
FORM = "write KEY=VALUE, such as status=done, 'name=digits*', 'dev_error<5%' or optimizer.name=adam"


class Condition(NamedTuple):
    """What a listed run fulfils: `dev_error<0.05`, `name=digits*`, `optimizer.name!=sgd`."""

    key: str
    comparison: str
    value: str

    @classmethod
    def of(cls, text: str) -> Condition:
        """Read one; UsageError where it is none, or where a word stands in place of a number."""
        found = WRITTEN.fullmatch(text)
        if not found:
            raise UsageError(f"--filter: {text!r} is no condition; {FORM}")
        return cls(**found.groupdict())

    def holds(self, value: Any) -> bool:
        """Whether a run with this value is listed; one without a value is not before or after anything."""
        if self.comparison in ORDERS:
            return value is not None and self._ordered(value)
        return self._equal(value) is (self.comparison != "!=")

    def _ordered(self, value: Any) -> bool:
        compare = ORDERS[self.comparison]
        if isinstance(value, str):
            return compare(value, self.value)
        limit = as_number(self.value)
        if limit is None or not isinstance(value, (int, float)):
            raise UsageError(f"--filter: {self.key} {self.comparison} {self.value}: compares no two numbers")
        return compare(value, limit)

    def _equal(self, value: Any) -> bool:
        limit = as_number(self.value)
        if limit is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return value == limit
        there, wanted = yaml_text(value).replace(" ", ""), self.value.replace(" ", "")
        return there == wanted or fnmatchcase(there, wanted)


def as_number(text: str) -> float | None:
    """0.05, 5e-2 or 5%; None for what is no number."""
    scale = 100 if text.endswith("%") else 1
    try:
        return float(text.removesuffix("%")) / scale
    except ValueError:
        return None


def select(entries: Sequence[Entry], filters: Iterable[str], key: str | None, reverse: bool) -> list[Entry]:
    """Those that fulfil all conditions, sorted by a key, those without a value last; UsageError for unknown keys."""
    conditions = [Condition.of(text) for text in filters]
    for wanted in [condition.key for condition in conditions] + ([key] if key else []):
        _refuse_unknown(wanted, entries)
    found = [e for e in entries if all(c.holds(e.value(c.key)) for c in conditions)]
    if key is None:
        return found[::-1] if reverse else found
    with_value = [entry for entry in found if entry.value(key) is not None]
    ordered = sorted(with_value, key=lambda entry: _rank(key, entry.value(key)), reverse=reverse)
    return ordered + [entry for entry in found if entry.value(key) is None]


def _rank(key: str, value: Any) -> tuple[int, Any]:
    """Numbers before words."""
    if isinstance(value, (int, float)):
        return (0, value)
    return (0, datetime.fromisoformat(value).timestamp()) if key == "created" else (1, yaml_text(value))


def _refuse_unknown(key: str, entries: Sequence[Entry]) -> None:
    if not entries or any(entry.knows(key) for entry in entries):
        return
    known = {key for entry in entries for key in [*entry.facts, *entry.final, *entry.settings]}
    close = closest(key, known, cutoff=0.5)
    raise UsageError(f"no run has a {key!r}{f', did you mean {close}?' if close else ''}")


LEAST_PREFIX = len("20260101-000000")  # shorter ones name a run today and several tomorrow
SHOWN = {"id", "status", "seconds", *(f"{part}_error" for part in PARTS)}  # that always have a column, if there is room


def plain(entry: Entry) -> Settings:
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
        *_ties(entries),
        *_errors(entries),
        *_kinds(entries),
        Column("time", [_time(entry) for entry in entries], rank=5),
        Column("from", [_beginning(_parent(entry), ids) for entry in entries], rank=4, right=False),
    ]
    if sort and sort not in SHOWN:
        found.insert(2, Column(sort.rpartition(".")[2], [shown(sort, entry.value(sort)) for entry in entries]))
    return fitted([c for c in found if c.title != "from" or any(c.cells)], width, cut)


def _errors(entries: Sequence[Entry]) -> Iterator[Column]:
    for part, rank in {"train": 2, "dev": 0, "test": 1}.items():
        yield Column(part, [percent(entry.final.get(f"{part}_error")) for entry in entries], rank)


def _ties(entries: Sequence[Entry]) -> Iterator[Column]:
    """How many trials of a search share its best result, where that is more than one."""
    level = [str(count) if (count := entry.facts["ties"] or 0) > 1 else "" for entry in entries]
    if any(level):
        yield Column("tied", level, rank=4)


def _kinds(entries: Sequence[Entry]) -> Iterator[Column]:
    """What the errors of each run are, and the plain dev error, if rows of any do not count alike."""
    kinds = [error_kind(entry.record["data"]) if entry.record.get("data") else "" for entry in entries]
    if any(kinds):
        yield Column("error is", [kind or "plain" for kind in kinds], 0, right=False)
        keys = ["dev_plain_error" if kind else "dev_error" for kind in kinds]
        yield Column("plain dev", [percent(e.final.get(key)) for e, key in zip(entries, keys, strict=True)], 1)


def shown(key: str, value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    if key.endswith("_error"):
        return percent(value)
    return number(value) if isinstance(value, float) else yaml_text(value)


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
