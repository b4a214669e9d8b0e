"""What a run came to, as it is now; reading it needs neither NumPy nor pydantic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from nnrun.errors import DataError, NnrunError
from nnrun.files import read_json_lines
from nnrun.rundir import RunDir, best_in, is_search

Values = dict[str, Any]

DEEPEST = 20  # levels of a config; nnrun writes 5
NOTHING = type(None)
WRITTEN_FIRST = {"status": (str,), "created": (str,), "data": (dict,), "parent": (dict, NOTHING)}
WRITTEN_LAST = {
    "final": (dict, NOTHING),
    "seconds": (int, float, NOTHING),
    **dict.fromkeys(("epochs", "best_epoch", "trials", "best_trial"), (int, NOTHING)),
}
UNDER_WAY = ("created", "running", "failed")  # status in run.json of what has not written its result
BROKEN = "unreadable"  # in place of a status
ID = re.compile(r"\d{8}-\d{6}-(?P<name>.+)-[0-9a-f]{4}")
IGNORED = "search."  # keys of the config that training one network ignores


def record_of(run: RunDir) -> Values:
    """run.json with the status as it is now; DataError where it holds no record of a run.

    One run that is running, was killed or failed has not written its result: its epochs are counted, and what
    stands there from before it was resumed is left out.
    """
    record = run.read_json("run.json")
    kinds = [(record[key], kind) for key, kind in (WRITTEN_FIRST | WRITTEN_LAST).items() if key in record]
    if not record.keys() >= WRITTEN_FIRST.keys() or not all(isinstance(value, kind) for value, kind in kinds):
        raise DataError(f"{run.path / 'run.json'}: holds no record of a run")
    if record["status"] in UNDER_WAY and not is_search(run):
        rows = run.metrics()
        seconds = sum(row["seconds"] for row in rows)
        record |= {"epochs": len(rows), "seconds": seconds, "final": None, "best_epoch": None}
    return record | {"status": run.status_of(record)}


def settings_of(run: RunDir) -> Values:
    """Every setting of the run by its dotted key, those of a search left out; DataError where they cannot be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where it was built
    content = run.read("resolved.yaml")
    try:
        _refuse_bomb(yaml.parse(content, Loader=loader))
        values = yaml.load(content, Loader=loader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{run.path / 'resolved.yaml'}: not valid YAML") from error
    if not isinstance(values, dict):
        raise DataError(f"{run.path / 'resolved.yaml'}: holds no settings")
    return {key: value for key, value in _flat(values) if not key.startswith(IGNORED)}


def _refuse_bomb(events: Iterable[Any]) -> None:
    """Before any value is built: an alias may stand for millions of them, and deep nesting overruns the stack of C."""
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
            raise ValueError("nnrun writes no such file")


def _flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class Entry:
    """A run or a search in a list; one that is broken has the status `unreadable` and nothing else."""

    def __init__(self, run: RunDir) -> None:
        self.run, self.search = run, is_search(run)
        try:
            self.record = record_of(run)
        except NnrunError:
            self.record = {"status": BROKEN}
        if self.search and self.record["status"] not in (BROKEN, "done"):
            self.record |= _so_far(run)

    @property
    def facts(self) -> Values:
        """What is told of it, the numbers of its best epoch or trial aside."""
        name = ID.fullmatch(self.run.id)
        keys = ("status", "created", "epochs", "best_epoch", "trials", "best_trial", "seconds", "parent")
        return {
            "id": self.run.id,
            "kind": "search" if self.search else "run",
            "name": name["name"].removesuffix("-search" if self.search else "") if name else self.run.id,
            **{key: self.record.get(key) for key in keys},
        }

    @property
    def final(self) -> dict[str, float | None]:
        """The numbers of the best epoch, of a search those of its best trial."""
        final: Values = self.record.get("final") or {}
        return {key: value for key, value in final.items() if value is None or isinstance(value, (int, float))}

    @cached_property
    def settings(self) -> Values:
        """Its config by dotted key, of a search that of its best trial, if it has one; read when it is asked for."""
        try:
            return settings_of(best_in(self.run) or self.run)
        except NnrunError:
            return {}

    def knows(self, key: str) -> bool:
        """Whether there may be a value."""
        return key in self.facts or key in self.final or key in self.settings

    def value(self, key: str) -> Any:
        """A fact, a number of the best epoch, or a setting; None where there is none."""
        facts = self.facts | self.final
        return facts[key] if key in facts else self.settings.get(key)


def _so_far(run: RunDir) -> Values:
    """The best of the trials that a search has finished until now."""
    try:
        records = [line for line in read_json_lines(run.path / "trials.jsonl") if isinstance(line, dict)]
    except NnrunError:  # `nnrun resume` will mend it
        return {}
    best = min((r for r in records if r.get("metric") is not None), key=lambda r: float(r["metric"]), default={})
    return {
        "trials": len(records),
        "best_trial": best.get("number"),
        **{key: best.get(key) for key in ("final", "epochs", "best_epoch")},
    }
