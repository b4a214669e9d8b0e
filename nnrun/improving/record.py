"""What an improvement writes beside what a search writes: improve.json, and a line of steps.jsonl a step."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, cast

from nnrun.config.values import Settings
from nnrun.runs.kinds import IMPROVE
from nnrun.runs.reading import complete, read_lines
from nnrun.runs.rundir import RunDir

STEPS, IMPROVED = "steps.jsonl", "improved.yaml"
SCHEMA_VERSION = 1

Reason = Literal["target", "budget", "noise floor", "perfect", "nothing to learn", "nothing left"]


class Fault(TypedDict):
    """What a check before training found, the settings that would mend it if some would."""

    check: str
    finding: str
    cure: str | None
    settings: Settings


class Asked(TypedDict):
    """What the command was given; the settings are those on top of the config in each command that is printed."""

    budget: str
    target: float | None
    seeds: int
    config: str | None  # the file that commands name; None where it is left out
    settings: list[str]
    options: list[str]


class Measured(TypedDict):
    """A setting trained with all seeds."""

    settings: Settings  # on top of the config
    dev_error: float | None  # mean over the seeds; a training that diverged counts as all wrong, none failed
    deviation: float | None
    trials: list[int]


class Tried(TypedDict):
    """A change with one of the settings that are tried beside it, trained with a seed of its own."""

    settings: Settings
    dev_error: float | None
    trial: int


class Evidence(TypedDict):
    """The paired difference of the dev errors, more being better."""

    gains: list[float]  # a seed each
    gain: float
    low: float | None  # 95%
    high: float | None
    chance: float
    rows: int


class StepRecord(TypedDict):
    """One time round: diagnosis, change, evidence, verdict."""

    number: int
    first_trial: int
    diagnosed: str  # the trial whose diagnosis it was, as trials/0003
    diagnosis: str
    rule: str
    why: str
    change: Settings  # as advised
    settings: Settings  # on top of the config, with what was chosen beside the change
    command: str
    trial: int  # that the command repeats
    tried: list[Tried]
    trials: list[int]  # with the seeds that both settings were trained with
    evidence: Evidence | None  # None where it was given up before
    verdict: Literal["adopted", "rejected"]
    reason: str
    before: float | None
    after: float | None  # None where a training failed, which is the reason then
    runs: int
    epochs: int
    seconds: float


class Again(TypedDict):
    """The last change that was adopted, measured on another split of the rows."""

    split_seed: int
    evidence: Evidence
    told: str


class Ending(TypedDict):
    """How it ended, and what came of it."""

    why: Reason
    told: str
    start: Measured
    end: Measured
    adopted: int
    tried: int
    again: Again | None
    chosen: int | None  # the trial in best/
    best_trial: int | None  # the best single one of the seeds
    runs: int
    epochs: int
    seconds: float
    rules: dict[str, str]  # helped, or did not


class ImproveRecord(TypedDict):
    """The whole file."""

    schema_version: int
    asked: Asked
    faults: list[Fault]
    told: list[str]
    folder: NotRequired[str]  # that paths in config.yaml are relative to; older ones lack it
    lasting: NotRequired[bool]  # settings hold to the end, as training.changes gives way to them; older ones lack it
    ending: Ending | None  # None until it has ended
    test_error: NotRequired[float | None]


def read(run: RunDir) -> ImproveRecord:
    """The record of an improvement; DataError where it is damaged."""
    return cast(ImproveRecord, complete(run.read_json(IMPROVE, ImproveRecord), ImproveRecord))


def read_steps(run: RunDir) -> list[StepRecord]:
    """The steps that have ended, oldest first; a torn last line is left out."""
    return cast(list[StepRecord], read_lines(run.content(STEPS), run.path / STEPS, StepRecord))
