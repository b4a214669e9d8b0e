"""A list of runs: what is known of each, the conditions of --filter and the order of --sort."""

from __future__ import annotations

import math
import operator
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, get_args

from nnrun.config.values import Settings, dotted
from nnrun.errors import NnrunError, UsageError
from nnrun.insight.comparison.contestants import Contestant
from nnrun.machine.lazily import cached_property
from nnrun.runs.finding import ID, born, seconds_of
from nnrun.runs.labels import Labels, readable_labels
from nnrun.runs.lineage import nudges
from nnrun.runs.members import is_gathered
from nnrun.runs.records import DataSizes, RunStatus
from nnrun.runs.rundir import RESOLVED
from nnrun.runs.stored import StoredRun, best_row, flat, head_of, record_of, yaml_of
from nnrun.runs.verdict import error_kind
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord, sharing
from nnrun.text import as_number, closest, one_of, yaml_text

LISTED = ("train", "dev", "test")  # parts whose numbers a list of runs has
BROKEN = "unreadable"  # in place of a status
FACTS = (
    "id", "kind", "name", "status", "created", "epochs", "best_epoch", "trials", "best_trial", "ties", "seconds",
    "parent", "tags", "note", "nudges", "members", "error_kind", "target_transform",
)  # fmt: skip
TAGS = "tags"  # a condition holds where it does for one of them
STATUSES = (*get_args(RunStatus), BROKEN)
AGE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*([mhdw])")
SECONDS_OF = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


class Entry:
    """A run or a search in a list; one that is broken has the status `unreadable` and nothing else."""

    def __init__(self, run: StoredRun, so_far: Callable[[StoredRun], Settings] | None = None) -> None:
        """`so_far` tells what one without a result has come to, in place of reading all of its epochs or trials."""
        self.run, self.search = run, run.is_search
        self.problem: NnrunError | None = None  # why it cannot be read
        try:
            self.record: Settings = dict(head_of(run))
            if _lacks_result(run):
                self.record |= (so_far or _so_far)(run)
        except NnrunError as error:
            self.record, self.problem = {"status": BROKEN}, error

    @cached_property
    def facts(self) -> Settings:
        """What is told of it, the numbers of its best epoch or trial aside."""
        name = ID.fullmatch(self.run.id)
        keys = ("status", "created", "epochs", "best_epoch", "trials", "best_trial", "ties", "seconds", "parent")
        return {
            "id": self.run.id,
            "kind": "search" if self.search else "run",
            "name": name["name"].removesuffix(self._suffix) if name else self.run.id,
            **{key: self.record.get(key) for key in keys},
            **self.labels,
            "nudges": self.nudges,
            "members": len(self.record.get("members") or []) or None,
            "error_kind": error_kind(self._data) or None,
            "target_transform": self._data.get("target_transform"),
        }

    @property
    def born(self) -> float:
        """When it was made, in seconds since 1970."""
        return born(self.run.id, self.record.get("created"))

    @property
    def _suffix(self) -> str:
        """What stands behind the name of its config."""
        return "-search" if self.search else "-ensemble" if is_gathered(self.record) else ""

    @cached_property
    def labels(self) -> Labels:
        """What people wrote on it; nothing where that cannot be read."""
        return readable_labels(self.run.directory)

    @cached_property
    def nudges(self) -> int | None:
        """How often it was changed while it trained; None of a search, and where that cannot be read."""
        try:
            return None if self.search or self.record["status"] == BROKEN else nudges(self.run.events)
        except NnrunError:
            return None

    @cached_property
    def final(self) -> dict[str, float | None]:
        """The numbers of the best epoch, of a search those of its best trial."""
        final: Settings = self.record.get("final") or {}
        return {key: value for key, value in final.items() if value is None or isinstance(value, (int, float))}

    @cached_property
    def measured_on(self) -> Mapping[str, str]:
        """What its errors depend on besides the network, as `nnrun compare` asks; unreadable, it is like no other."""
        try:
            return Contestant("", self.run.best or self.run).measured_on
        except (NnrunError, KeyError, TypeError, AttributeError):
            return {"data": self.run.id}

    @cached_property
    def settings(self) -> Settings:
        """The config by dotted key, of a search that of its best trial, if it has one; read when it is asked for."""
        try:
            return (self.run.best or self.run).settings
        except NnrunError:
            return {}

    @cached_property
    def _asked_for(self) -> Settings:
        """`settings`, and of a search those by which it searches."""
        try:
            values = yaml_of(self.run.directory, RESOLVED) if self.search else {}
        except NnrunError:
            values = {}
        return self.settings | {key: value for key, value in flat(values) if key.startswith("search.")}

    @property
    def keys(self) -> set[str]:
        """Of all that there may be a value of."""
        return {*self.facts, *self.final, *self._asked_for}

    @property
    def _data(self) -> DataSizes:
        """What the record says of the data; nothing where it is broken, or of an early search."""
        found: DataSizes = self.record.get("data") or {"rows": {}}
        return found

    def value(self, key: str) -> Any:
        """A fact, a number of the best epoch, or a setting; None where there is none."""
        facts = self.facts | self.final
        return facts[key] if key in facts else self._asked_for.get(key)


def _lacks_result(run: StoredRun) -> bool:
    """Whether what it has come to does not stand in run.json."""
    return run.status != "done" if run.is_search else run.under_way


def _so_far(run: StoredRun) -> Settings:
    if not run.is_search:
        best = best_row(run.rows, run.settings.get("metrics.primary", "error")) if run.rows else {}
        return dict(record_of(run)) | best_epoch(best)
    records = Ledger.of(run.directory).read_whole()
    level = sharing(records)
    return best_trials(len(records), level[0] if level else None, len(level))


def best_trials(trials: int, best: TrialRecord | None, ties: int) -> Settings:
    """What so many trials of a search came to, of which so many share the value of the best."""
    keys = {"best_trial": "number", "final": "final", "epochs": "epochs", "best_epoch": "best_epoch"}
    return {
        "trials": trials,
        "ties": ties,
        **{key: best.get(name) if best else None for key, name in keys.items()},
    }


def best_epoch(row: Mapping[str, Any]) -> Settings:
    """What a run came to whose best epoch until now is this one; empty: it has none."""
    final = {key: value for key, value in row.items() if key.startswith(LISTED)}
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
        key = found["key"]
        return cls(TAGS if key == "tag" else key, found["comparison"], found["value"])

    def holds(self, value: Any) -> bool:
        """Whether a run with this value is listed; one without a value is not before or after anything."""
        if self.comparison in ORDERS:
            return value is not None and self._ordered(value)
        values = value if self.key == TAGS else [value]
        return any(map(self._equal, values)) is (self.comparison != "!=")

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


def select(entries: Sequence[Entry], filters: Iterable[str], key: str | None, reverse: bool) -> list[Entry]:
    """Entries that fulfil all conditions, sorted by a key, those without a value last; UsageError for unknown keys.

    Without a key the oldest comes first, wherever each was made.
    """
    conditions = [Condition.of(text) for text in filters]
    for wanted in [condition.key for condition in conditions] + ([key] if key else []):
        _refuse_unknown(wanted, entries)
    found = [e for e in entries if all(c.holds(e.value(c.key)) for c in conditions)]
    found.sort(key=lambda entry: entry.born)
    if key is None:
        return found[::-1] if reverse else found
    with_value = [entry for entry in found if entry.value(key) is not None]
    ordered = sorted(with_value, key=lambda entry: _rank(key, entry.value(key)), reverse=reverse)
    return ordered + [entry for entry in found if entry.value(key) is None]


def rivals(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries in groups whose errors can be compared."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(str(entry.measured_on), []).append(entry)
    return list(found.values())


def kept_best(entries: Iterable[Entry], most: int) -> list[Entry]:
    """The best of each data set by dev error, then by dev loss, then the earlier one; errors on others say nothing."""
    judged = (entry for entry in entries if entry.final.get("dev_error") is not None)
    return [entry for of in rivals(judged) for entry in sorted(of, key=_scores)[:most]]


def _scores(entry: Entry) -> tuple[float, float, str]:
    final = entry.final
    error, loss = final["dev_error"], final.get("dev_loss")
    return math.inf if error is None else error, math.inf if loss is None else loss, entry.run.id


def older_than(entries: Iterable[Entry], age: str) -> list[Entry]:
    """Entries made longer ago than 30d, 12h or 4w; UsageError for what is no such time. What has no date is not old."""
    found = AGE.fullmatch(age.strip())
    if not found:
        raise UsageError(f"--older {age}: write a number and m, h, d or w: minutes, hours, days or weeks, such as 30d")
    before = time.time() - float(found[1]) * SECONDS_OF[found[2]]
    dated = ((entry, seconds_of(entry.facts["created"])) for entry in entries)
    return [entry for entry, created in dated if created is not None and created < before]


def of_status(entries: Iterable[Entry], wanted: Sequence[str]) -> list[Entry]:
    """The entries with one of these statuses; UsageError for a word that is no status."""
    for word in wanted:
        if word not in STATUSES:
            close = closest(word, STATUSES)
            raise UsageError(f"--status {word}: {f'did you mean {close}?' if close else one_of(STATUSES)}")
    return [entry for entry in entries if entry.record["status"] in wanted]


def with_tag(entries: Iterable[Entry], wanted: Sequence[str]) -> list[Entry]:
    """The entries with one of these tags."""
    return [entry for entry in entries if not set(wanted).isdisjoint(entry.labels["tags"])]


def _rank(key: str, value: Any) -> tuple[int, Any]:
    """Numbers before words."""
    if isinstance(value, (int, float)):
        return (0, value)
    created = seconds_of(value) if key == "created" else None
    return (1, yaml_text(value)) if created is None else (0, created)


def _refuse_unknown(key: str, entries: Sequence[Entry]) -> None:
    if not entries or any(key in entry.keys for entry in entries):
        return
    from nnrun.config.config import Config  # which loads NumPy
    from nnrun.config.hints import key_called

    known = {key for entry in entries for key in entry.keys}
    called = dotted(key_called(Config, key.rpartition(".")[2]) or ())
    close = closest(key, known, cutoff=0.8) or (called if called in known else closest(key, known, cutoff=0.5))
    raise UsageError(f"no run has a {key!r}{f', did you mean {close}?' if close else ''}")
