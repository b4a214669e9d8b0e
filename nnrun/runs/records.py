"""What is known of a run as flat keys: numbers of its best epoch, settings of its config; for lists and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nnrun.errors import DataError
from nnrun.runs.rundir import RECORD, RESOLVED
from nnrun.runs.stored import StoredRun

Values = dict[str, Any]

DEEPEST = 20  # levels of a config; nnrun writes 5
NOTHING = type(None)
WRITTEN_FIRST = {"status": (str,), "created": (str,), "data": (dict,), "parent": (dict, NOTHING)}
WRITTEN_LAST = {
    "final": (dict, NOTHING),
    "seconds": (int, float, NOTHING),
    **dict.fromkeys(("epochs", "best_epoch", "trials", "best_trial"), (int, NOTHING)),
}
IGNORED = "search."  # keys of the config that training one network ignores


def record_of(run: StoredRun) -> Values:
    """run.json with the status as it is now; DataError where it holds no record of a run.

    One run that is running, was killed or failed has not written its result: its epochs are counted, and what
    stands there from before it was resumed is left out.
    """
    record = dict(run.written)
    kinds = [(record[key], kind) for key, kind in (WRITTEN_FIRST | WRITTEN_LAST).items() if key in record]
    whole = record.keys() >= WRITTEN_FIRST.keys() and all(isinstance(value, kind) for value, kind in kinds)
    if not whole or not isinstance(record["data"].get("rows"), dict):
        raise DataError(f"{run.path / RECORD}: holds no record of a run")
    if run.under_way and not run.is_search:
        seconds = sum(row["seconds"] for row in run.rows)
        record |= {"epochs": len(run.rows), "seconds": seconds, "final": None, "best_epoch": None}
    return record | {"status": run.status}


def settings_of(run: StoredRun) -> Values:
    """Every setting of the run by its dotted key, those of a search left out; DataError where they cannot be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where it was built
    content = run.directory.read(RESOLVED)
    try:
        _refuse_bomb(yaml.parse(content, Loader=loader))
        values = yaml.load(content, Loader=loader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{run.directory.resolved}: not valid YAML") from error
    if not isinstance(values, dict):
        raise DataError(f"{run.directory.resolved}: holds no settings")
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
