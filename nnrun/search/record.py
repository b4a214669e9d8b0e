"""What a search leaves: a line of its ledger a trial, and in run.json what stands there beside what every run has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from nnrun.config.values import Settings
from nnrun.files import csv_text
from nnrun.runs.records import DataSizes, Diverged, Final, Parent, RunStatus
from nnrun.text import metric_value

LOSS = "training.loss"  # where it is searched, trials have losses that cannot be compared

Ending = Literal["done", "diverged", "failed"]  # status of a trial
Rank = tuple[float, float, int, int]  # of a trial among others, less is better; the last is its number


class TrialResult(TypedDict):
    """What a trial came to. One that never trained has none of the keys that may be missing."""

    number: int
    values: Settings
    seed: int | None
    status: Ending
    final: Final
    best_epoch: NotRequired[int | None]
    epochs: NotRequired[int]
    divergence: NotRequired[Diverged | None]
    curve: list[float | None]  # the dev error, epoch by epoch
    seconds: NotRequired[float]
    host: NotRequired[str]
    error: str | None
    parent: NotRequired[Parent]  # the trial that it continues, and from which epoch
    pruned: NotRequired[bool]  # it was ended early, as it fell behind others
    stopped_early: NotRequired[bool]  # early stopping has ended it
    scores: NotRequired[list[float | None]]  # with search.prune, where epochs are not compared by the dev error
    bits: NotRequired[str]  # of the worker's tiny training, in a search that takes workers with different ones
    attempt: NotRequired[int | None]  # which of its attempts this was; None where its directory was all that was left


class TrialRecord(TrialResult):
    """The ledger's line of a finished trial."""

    metric: float | None  # what is minimised: the metric times its sign; None where the trial has no value
    time: float  # when it was entered, in seconds since 1970


class Sample(NamedTuple):
    """Some trials of many, by number."""

    trials: list[TrialRecord]
    of: int  # how many there are
    spent: Mapping[int, float]  # seconds of training of all trials until the end of each of these, by number


def or_so(final: Final, metric: str) -> str:
    """One standard error of a mean over folds, behind it; nothing where there is none."""
    name = f"{metric}_se"
    return f" ± {metric_value(final[name], metric)}" if name in final else ""


def sharing(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that share the best value, one of each training, in the order of `ranked`; the first is chosen."""
    ordered = ranked(records)
    return [record for record in ordered if record["metric"] == ordered[0]["metric"]]


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The best trial of each training that has a value, the best first."""
    return of_each_training(sorted((record for record in records if record["metric"] is not None), key=rank))


def rank(record: TrialRecord) -> Rank:
    """By the metric, then by dev loss; of equal ones a trial comes before that which it continues, then the first.

    A trial has the best epoch of the one that it continues until it finds a better one, so both may be one network.
    What has no value comes last.
    """
    value = record["metric"]
    return math.inf if value is None else value, dev_loss(record), -inherited(record), record["number"]


def of_each_training(ordered: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Of trials that continue each other the first in this order."""
    origins, found = origins_of(ordered), dict[int, TrialRecord]()
    for record in ordered:
        found.setdefault(origins[record["number"]], record)
    return list(found.values())


def origins_of(records: Iterable[TrialRecord]) -> dict[int, int]:
    """The first trial of the training that each of these goes on with, by number; itself if it continues none."""
    found: dict[int, int] = {}
    for record in sorted(records, key=lambda each: each["number"]):  # what it continues has a lower number
        parent = continued(record)
        found[record["number"]] = record["number"] if parent is None else found.get(parent, parent)
    return found


def continued(record: TrialResult) -> int | None:
    """The number of the trial that it continues, if it does."""
    return int(record["parent"]["id"]) if "parent" in record else None


def inherited(record: TrialResult) -> int:
    """The epochs that it did not train itself, as it continues a trial."""
    return record["parent"]["epoch"] if "parent" in record else 0


def dev_loss(record: TrialResult) -> float:
    """What decides between trials of one value; infinite where it is not known, or trials have losses of two kinds.

    By these nothing can be decided: a Huber loss is half the squared error at most, however good the network is.
    """
    loss = None if LOSS in record["values"] else (record.get("final") or {}).get("dev_loss")
    return math.inf if loss is None or math.isnan(loss) else loss


def best_of(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The best trial that has a value; None where there is none."""
    return next(iter(sharing(records)), None)


class Expected(TypedDict):
    """What a random search is expected to reach."""

    value: float
    trials: int  # no more than the draws; early versions wrote as many as the search had
    draws: int  # trials from the whole space that this is estimated from


class Repeated(TypedDict):
    """One of the best trials, trained again with new seeds."""

    trial: int
    chosen: float | None  # the result that it was chosen for, which does not count
    mean: float | None
    deviation: float | None
    n: int  # results
    lost: int  # trainings without a result
    values: list[float]


class Change(TypedDict):
    """How a stage changed the range of one parameter."""

    key: str
    old: list[Any]  # low and high, or the choices
    new: list[Any]
    why: str


class Stage(TypedDict):
    """One stage after the first of a strategy that goes from coarse to fine."""

    number: int
    first: int  # its first trial
    finished: int  # trials that it rests on: those before `first` with a result
    best: int  # the best of them
    value: float
    changes: list[Change]


EndedBy = Literal["trials", "target", "flat", "timeout", "points", "signal"]  # points: there are no more of them


class Flat(TypedDict):
    """Why a search ended that was to end when hardly anything is to be expected any more."""

    trials: int  # the first so many by number, whose results said it; others may have ended meanwhile
    left: int  # behind them
    expected: float  # by how much these improve the metric, at most
    size: float  # that was asked for


class SearchRecord(TypedDict, total=False):
    """The keys that telling and pages use; those of a search's end are not there before it."""

    status: RunStatus
    data: DataSizes
    error: str | None
    ended_by: EndedBy
    flat: Flat | None
    seconds: float  # of training, all trials together
    running_seconds: float  # of all calls
    trials: int
    counts: dict[str, int]  # by status
    pruned_trials: int  # of those that are done; missing where none can be
    best_trial: int | None
    ties: int  # trials that share its value, itself among them; early versions did not write it
    final: Final
    test_reads: int
    random_search_expected: Expected | None
    notes: list[str]
    stages: list[Stage]
    repeats: list[Repeated]


FIRST = ("number", "status", "metric")
FINALS = ("dev_error", "dev_loss", "train_error", "train_loss", "cost")  # others stand behind them
LAST = ("epochs", "best_epoch", "seconds", "seed")


def trial_table(records: Sequence[TrialRecord], keys: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """Titles and a row a trial: results, then its values of these dotted keys and of all others that a trial has."""
    keys = list(dict.fromkeys([*keys, *(key for record in records for key in record["values"])]))
    finals = list(dict.fromkeys([*FINALS, *(name for record in records for name in record["final"])]))
    rows = [
        [
            *map(record.get, FIRST),
            *map(record["final"].get, finals),
            *map(record.get, LAST),
            *map(record["values"].get, keys),
        ]
        for record in records
    ]
    return [*FIRST, *finals, *LAST, *keys], rows


def spreadsheet(records: Sequence[TrialRecord], keys: Sequence[str]) -> str:
    """CSV with a line of titles and a row a trial; empty = none, as in YAML."""
    titles, rows = trial_table(records, keys)
    return csv_text([dict(zip(titles, row, strict=True)) for row in rows], titles) + "\n"
