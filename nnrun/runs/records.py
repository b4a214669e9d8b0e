"""What the files of a run hold, key by key: run.json, lines of metrics.jsonl and events.jsonl, a checkpoint's words.

A number that was not finite stands in a file as null. What older versions did not write may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, NotRequired, TypedDict, cast

from nnrun.engine.scores import Counters

Number = float | None
Final = dict[str, Number]  # the numbers of the best epoch by column: `cost`, and `dev_error`, part and metric
Layers = Mapping[str, Mapping[str, Number]]  # statistics of each layer, from the first to the output
RunStatus = Literal["done", "diverged", "failed", "interrupted", "created", "running", "paused"]
ENDED: Sequence[RunStatus] = ("done", "diverged")  # it has its result, and writes no checkpoint any more
HELD: Sequence[RunStatus] = ("running", "paused")  # a process trains it
TRAINED: Sequence[RunStatus] = ("created", *HELD)  # it takes requests up, now or at its first epoch


class Members(TypedDict):
    """What each network of an ensemble comes to by itself, in the order of their seeds."""

    dev_error: list[Number]
    dev_loss: list[Number]


class MemberRecord(TypedDict, total=False):
    """A member of an ensemble: its origin, weight and own dev errors; of those trained together at the best epoch."""

    id: str  # the run that it is, or is a copy of
    seed: int
    fold: int | str
    rows: dict[str, int]  # of each part of its own data, where members do not share one split
    weight: float
    best_epoch: int | None
    dev_error: Number
    dev_loss: Number
    without: Number  # the dev error that the others would have


class Row(TypedDict):
    """An epoch: a line of metrics.jsonl. Beside these it has the columns of the primary metric, such as `dev_auc`.

    Errors are shares of wrong classes, or 1 − R²; on train they and the loss are those of a sample.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: Number
    cost: Number  # the training loss with penalties
    train_error: Number
    dev_loss: Number
    dev_error: Number
    train_rmse: NotRequired[Number]  # of a regression, in the target's own unit
    dev_rmse: NotRequired[Number]
    layers: NotRequired[Layers]  # where training.layer_statistics asks for them
    step_losses: NotRequired[list[Number]]  # of each mini-batch, where training.record asks for them
    members: NotRequired[Members]  # of an ensemble, whose pooled prediction the columns above measure
    seconds: float


def numbers(row: Row) -> Mapping[str, Number]:
    """The columns of an epoch by name, those that a table of metrics names among them."""
    return cast(Mapping[str, Number], row)


def finite_values(values: Iterable[float | None]) -> list[float]:
    """The values that are finite, as NaN, or null in a file, stands where training diverged."""
    return [value for value in values if value is not None and isfinite(value)]


class Diverged(TypedDict):
    """Where numbers that are not finite were met first."""

    epoch: int
    step: int
    layer: str
    seed: NotRequired[int]  # of the network of an ensemble
    fold: NotRequired[int]  # of the run of all folds


class FoundSymptom(TypedDict):
    """A symptom that a run has: since when, in which layer if in one, and the settings that may help.

    While it trains also those that may help it on its way, as far as there are any.
    """

    name: str
    epoch: int
    layer: str | None
    why: str
    cure: list[str]
    nudge: NotRequired[list[str]]


class Event(TypedDict):
    """What happened besides epochs: a line of events.jsonl; the latter keys are those of single kinds."""

    time: str
    event: str  # started, symptom, evaluated, differs, how the run ended, or what was asked of it: changed, refused, …
    epoch: int | None
    fold: NotRequired[int]  # whose epoch that is, of a run of folds; without it the epoch is of their mean
    step: NotRequired[int]
    best_epoch: NotRequired[int]
    name: NotRequired[str]
    layer: NotRequired[str | None]
    seed: NotRequired[int]  # of the network of an ensemble that diverged
    first: NotRequired[int]  # training of a step that a budget of time had room for
    what: NotRequired[str]  # these trainings are, as a checksum of their settings
    why: NotRequired[str]
    cure: NotRequired[list[str]]
    nudge: NotRequired[list[str]]
    key: NotRequired[str]  # of a change, which holds from that epoch on
    old: NotRequired[Any]
    new: NotRequired[Any]
    replaced: NotRequired[dict[str, Any]]  # other changes of that epoch, whose place it took
    request: NotRequired[str]  # its name, which the lines of one request share
    note: NotRequired[str | None]
    host: NotRequired[str]  # of who asked
    process: NotRequired[int]


class BestSoFar(TypedDict):
    """The best epoch until some other, and by which scores."""

    epoch: int
    scores: list[Number]


class Checkpoint(TypedDict):
    """What a checkpoint says of itself: `scores` the best epoch's, the other keys that of the last one."""

    epoch: int
    scores: NotRequired[list[Number]]  # by which epochs are compared, less is better
    step: NotRequired[int]
    optimizer: NotRequired[str]
    stopping: NotRequired[Counters | None]
    best: NotRequired[BestSoFar]  # of a state that is kept for `rewind`, whose file has the best parameters too
    tensors: NotRequired[str]  # a checksum, in the file alone


class Given(TypedDict):
    """What `nnrun train` was given: CONFIG as it was typed, None where it was left out, and each `--set`."""

    config: str | None
    settings: list[str]


class ScoresRecord(TypedDict):
    """How far off the predictions for some rows were, ascending: |error| of numbers, 1 − p of the true class."""

    part: str  # that the rows are of
    out_of_fold: bool  # each row by the network that has not learned it
    values: list[float]
    groups: NotRequired[list[int]]  # that of each row as a number from 0 on, where rows come in groups


class CalibrationRecord(TypedDict):
    """calibration.json: how sure a model may be, by rows that it has not learned."""

    schema_version: int
    weights: str  # a checksum of the networks that it was worked out for
    temperature: float  # 1 for none
    scores: NotRequired[ScoresRecord]


class Parent(TypedDict):
    """The run that another one continues, the epoch it continues from, and a checksum of the state at its end."""

    id: str
    epoch: int
    knows_rows: NotRequired[bool]  # it, or one that it continues, may have learned rows that are dev or test by now
    state: NotRequired[str | None]  # of a child that rewinds, None until it has come there


class DataFile(TypedDict):
    """A file that rows came from; the part is `all` where it was split."""

    part: str
    name: str
    sha256: str
    rows: int


class DataSizes(TypedDict):
    """How many rows each part has, and if they are weighted as how many an error is as sure as, and what it is.

    `error_kind` is `balanced`, where every class counts alike, or `weighted`; early versions did not write it, nor that
    errors are those of the target's `log`."""

    rows: dict[str, int]
    effective_rows: NotRequired[dict[str, int]]
    error_kind: NotRequired[str]
    target_transform: NotRequired[str]


class DataRecord(DataSizes):
    """The section `data` of run.json."""

    files: list[DataFile]


class Host(TypedDict):
    """The machine."""

    name: str
    system: str
    processor: str
    cores: int
    usable_cores: NotRequired[int]


class Blas(TypedDict):
    """A BLAS library, the kernel that it chose for the processor, and its threads at most."""

    library: str
    version: str | None
    kernel: str | None
    threads: int


class Git(TypedDict):
    """The commit of the directory that the command ran in, and whether files differed from it, or may have."""

    commit: str
    changed: bool


class Environment(TypedDict):
    """The machine and the software that a run ran on."""

    host: Host
    versions: dict[str, str]
    blas: list[Blas]
    git: Git | None


class Written(TypedDict):
    """How far a file that only grows had come, and a checksum of all until there."""

    bytes: int
    checksum: str


class Chosen(TypedDict):
    """What stands in a search's best/ and why it may be trusted."""

    trial: int | None
    final: Final
    test_reads: int  # how often the test part was read, for this trial and those chosen before it


class Refit(TypedDict):
    """The network that learns from the rows of all folds: for how many epochs, None until the folds are over."""

    epochs: int | None


class RunRecord(TypedDict, total=False):
    """run.json; a run that is not over lacks the keys of its end, and one that is no search's the last ones."""

    schema_version: int
    id: str
    status: RunStatus
    argv: list[str]
    given: Given | None  # None where no command line gives the config: a child, a run of a search
    created: str
    seed: int
    parent: Parent | None
    host: Host
    versions: dict[str, str]
    blas: list[Blas]
    git: Git | None
    data: DataRecord
    started: str
    process: int
    error: str | None
    ended: str
    seconds: float
    epochs: int | None  # None of a search without a result
    best_epoch: int | None
    stopped_early: bool
    pruned: bool  # of a trial that its search ended early: it fell behind others, or its rung was over
    divergence: Diverged | None
    symptoms: list[FoundSymptom]
    final: Final | None
    members: list[MemberRecord]  # of an ensemble, or of a run of folds
    refit: Refit
    written: dict[str, Written] | None  # each of metrics.jsonl and events.jsonl; None while a run goes on
    chosen: Chosen
    trials: int | None
    running_seconds: float
    best_trial: int | None
    ties: int
    test_reads: int
