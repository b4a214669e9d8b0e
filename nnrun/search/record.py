"""What a search leaves in its run.json, beside what every run has there."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from nnrun.runs.records import DataSizes, Final


class Expected(TypedDict):
    """What a random search is expected to reach."""

    value: float
    trials: int  # as many as were run
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


EndedBy = Literal["trials", "target", "timeout", "points", "signal"]  # points: there are no more of them


class SearchRecord(TypedDict, total=False):
    """The keys that telling and pages use; those of a search's end are not there before it."""

    status: str
    data: DataSizes
    error: str | None
    ended_by: EndedBy
    seconds: float  # of training, all trials together
    trials: int
    counts: dict[str, int]  # by status
    best_trial: int | None
    final: Final
    test_reads: int
    random_search_expected: Expected | None
    notes: list[str]
    stages: list[Stage]
    repeats: list[Repeated]
