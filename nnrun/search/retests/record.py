"""retest.json: which settings a retest trains, with which seeds, and what came of the old ranking."""

from __future__ import annotations

from typing import TypedDict, cast

from nnrun.config.values import Settings
from nnrun.runs.kinds import RETEST
from nnrun.runs.reading import complete
from nnrun.runs.records import DataRecord
from nnrun.runs.rundir import RunDir

SCHEMA_VERSION = 1
Interval = list[float | None]  # low and high, of 95%; an end that is not finite is null


class Retested(TypedDict):
    """Settings that are trained again, or for the first time."""

    trial: int | None  # its number in the old search; None for a fresh draw
    values: Settings
    then: float | None  # the old search's value of the metric, as its ledger has it; None for a fresh draw


class OldSearch(TypedDict):
    """The search that is retested."""

    id: str
    path: str
    strategy: str
    settings: int  # how many different ones were trained to the end
    data: DataRecord  # as its run.json has it


class Asked(TypedDict):
    """What the command was given."""

    top: int
    seeds: int
    config: str | None
    set: list[str]


class Result(TypedDict):
    """What the settings of the same place in `settings` come to today."""

    mean: float | None  # of the metric, over the seeds; None where a training has no value
    deviation: float | None
    lost: int  # trainings without a value
    rank: int  # 1 = the best; those that lost one come last


class Ranking(TypedDict):
    """The order of the old settings, then and today."""

    correlation: float | None  # Kendall's τ-b; None where one of the orders is none
    interval: Interval | None
    chance: float | None  # how often shuffled settings agree as well
    agreement: float | None  # of the order by one seed with that by the others, over all settings of today
    holds: bool | None  # None: cannot be told


class OldBest(TypedDict):
    """The settings that the old search ranked first."""

    today: float | None
    rank: int
    against: int  # place in `settings` of the best of the others
    difference: float | None  # its mean less that of the best of the others
    interval: Interval | None
    among_the_best: bool | None


class Group(TypedDict):
    """The old settings beside the fresh ones."""

    wins: float  # share of pairs of an old and a fresh one in which the old one is better; a tie is half
    interval: Interval
    chance: float
    expected: float  # if nothing had changed, about
    better: bool | None


class RetestVerdict(TypedDict):
    """What became of the ranking."""

    seeds: int  # with which all settings have ended: these count
    results: list[Result]
    ranking: Ranking
    best: OldBest | None  # None where nothing stands beside it
    group: Group | None  # None without fresh settings
    holds: bool | None
    search_again: bool | None
    why: str
    command: str | None  # to type next


class RetestRecord(TypedDict):
    """The whole file."""

    schema_version: int
    search: OldSearch
    asked: Asked
    same_data: bool  # the rows and parts of the old search
    told: list[str]  # lines on what differs from the old search
    seeds: list[int]
    settings: list[Retested]  # the old ones, the best first, then the fresh ones
    verdict: RetestVerdict | None  # None until the trials have ended


def read(run: RunDir) -> RetestRecord:
    """The record of a retest; DataError where it is damaged."""
    return cast(RetestRecord, complete(run.read_json(RETEST, RetestRecord), RetestRecord))
