"""What is told of a run: its settings before, the numbers of each epoch, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nnrun.config.values import Settings
from nnrun.runs.finding import seconds_of
from nnrun.runs.labels import readable_labels
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import of_record, summary

Numbers = Mapping[str, float]
APART = ("epoch", "step")  # where an epoch stands, and nothing that was measured


@dataclass(frozen=True)
class Story:
    """How a run begins; `whole` is the search, or the run of folds, that it belongs to."""

    name: str
    whole: str | None
    is_search: bool
    settings: Settings  # by dotted key
    began: float  # seconds since 1970


@dataclass(frozen=True)
class Ending:
    """What came of it until now."""

    status: str
    ended: float | None  # seconds since 1970; None while it goes on
    best_epoch: int | None
    best: Numbers  # the numbers of the best epoch
    verdict: str
    tags: Sequence[str]
    note: str


class Told(Protocol):
    """A run as a tool is told of it: epochs as they come, and the ending once."""

    known: int  # epochs that the tool has already, from the first on, the same as here

    def epochs(self, rows: Sequence[Mapping[str, Any]], began: float) -> None:
        """Further lines of metrics.jsonl, the first of which began then, in seconds since 1970."""

    def end(self, ending: Ending) -> None:
        """What came of it; nothing follows."""


class Tracker(Protocol):
    """A tool, as far as it is written to."""

    def begin(self, story: Story, rows: Sequence[Mapping[str, Any]]) -> Told:
        """A run, with the epochs that are known; what the tool was told of it before is replaced, or gone on with."""


def story_of(run: StoredRun) -> Story:
    """Before its first epoch; DataError where it cannot be read."""
    whole, _, inside = run.name.partition("/")
    began = seconds_of(run.written.get("created")) or 0.0
    return Story(run.name, whole if inside else None, run.is_search, run.settings, began)


def ending_of(run: StoredRun) -> Ending:
    """The ending of a run or a search as its record has it."""
    record = run.record
    best = dict(_flat(record.get("final") or {}))
    labels = readable_labels(run.directory)
    tags, note = labels["tags"], labels["note"] or ""
    epoch = None if run.is_search else record.get("best_epoch")
    return Ending(run.status, seconds_of(record.get("ended")), epoch, best, _verdict(run), tags, note)


def _verdict(run: StoredRun) -> str:
    verdict = of_record(run.record, run.config.diagnosis)
    return summary(verdict) if verdict else ""


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """All that was measured in an epoch, by name; of layers and members by paths such as `layers/relu1/activation`."""
    return {key: value for key, value in _flat(row) if key not in APART}


def _flat(values: Mapping[str, Any] | Sequence[Any], before: str = "") -> Iterator[tuple[str, float]]:
    pairs = values.items() if isinstance(values, Mapping) else ((str(k), each) for k, each in enumerate(values, 1))
    for key, value in pairs:
        if isinstance(value, (Mapping, list)):
            yield from _flat(value, f"{before}{key}/")
        elif is_finite(value):
            yield f"{before}{key}", float(value)


def is_finite(value: Any) -> bool:
    """Whether it is a number that a chart can show."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def times_of(rows: Sequence[Mapping[str, Any]], began: float) -> Iterator[tuple[Mapping[str, Any], float]]:
    """Each with when it had ended, as if nobody had paused."""
    for row in rows:
        began += float(row["seconds"]) if is_finite(row.get("seconds")) else 0.0
        yield row, began
