"""A trial of a search: its seed, its shape, its job, how a worker trains it, and its line in the ledger."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from nnrun.config.config import Config
from nnrun.config.values import Settings, Tree
from nnrun.data.dataset import Dataset, load_dataset, map_dataset
from nnrun.engine.scores import Objective, primary_keys, to_minimise
from nnrun.engine.stopping import Ceilings
from nnrun.files import sealed_document
from nnrun.runs.assembly import OF_A_MEMBER, batch_size, parameters
from nnrun.runs.conclusion import conclude, in_folds, members_file
from nnrun.runs.finding import trial_name
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.members import ALL, member
from nnrun.runs.preparing import first_files
from nnrun.runs.records import Environment, Parent, Row, numbers
from nnrun.runs.rundir import EPOCHS, MEMBERS, RunDir
from nnrun.runs.session import Session
from nnrun.search.executors import SentJob
from nnrun.search.pruning import EpochLimits
from nnrun.search.record import Ending, TrialRecord, TrialResult

LARGEST = 16
# Numbers of theta times rows of a batch, of all members together, up to which a further member costs less than
# training it alone; by `python benchmarks/step.py`: 3.8 times less at 64-32-10 and 32 rows (77 thousand numbers),
# 1.5 times at 64-128-64-10 and 64 rows (1.1 million), no less at 784-256-128-10 and 128 rows (30 million).
WORTH_STACKING = 4_000_000


def signature(values: Tree) -> str:
    """Equal for resolved configurations that differ as runs of one trainer may, and in nothing else.

    So ensembles of one size can be stacked too, with all their members.
    """
    shared = {
        name: {key: value for key, value in section.items() if key not in OF_A_MEMBER.get(name, ())}
        for name, section in values.items()
        if name not in ("name", "seed", "search", "tracking")
    }
    kind = [*(values["training"]["average"] or {})]
    return json.dumps({**shared, "average": kind}, sort_keys=True)


def stacked(config: Config, dataset: Dataset) -> int:
    """How many runs of this shape are worth stacking; of ensembles fewer, as each is a stack itself."""
    rows = config.network.members * batch_size(config, len(dataset.parts["train"].x))
    work = parameters(config, dataset.fitted) * rows
    return max(1, min(LARGEST, WORTH_STACKING // work) // config.network.ensemble)


class TrialJob(TypedDict):
    """What a worker needs to know of one trial."""

    number: int
    values: Settings  # its settings by dotted key
    config: Tree  # with these in their places, section by section
    resume: int | None  # the trial whose last checkpoint it continues
    ceilings: NotRequired[EpochLimits]  # what it has to reach epoch by epoch, or it is ended


class SharedJob(TypedDict):
    """What all jobs of a study share; the last two as in `SentJob`."""

    folder: str  # where the trials' directories lie
    continued: bool  # whether a later trial may continue one of these
    here: Environment  # which a worker need not find out again
    cache: str
    entries: NotRequired[dict[str, str]]


class Job(SharedJob):
    """What a worker takes: trials of one shape."""

    trials: list[TrialJob]


class Answer(TypedDict):
    """What a worker returns: a result a trial, in the order of the job."""

    results: list[TrialResult]


@dataclass
class Trial:
    """A trial that is not finished: its settings, its plain config, and how often it was begun."""

    number: int
    values: Settings
    config: Tree
    attempts: int = 0
    kills: int = 0
    resume: int | None = None  # the trial whose last checkpoint it continues
    alone: bool = False  # a cohort with it failed, or it continues another
    shape: str = ""  # trials of equal shape can train as members of one trainer
    most: int = 1  # as many of this shape are worth stacking
    ceilings: EpochLimits = field(default_factory=list)  # of its own

    def as_job(self, ceilings: EpochLimits | None = None) -> TrialJob:
        """What a worker needs to know."""
        ceilings = ceilings or self.ceilings
        job: TrialJob = {"number": self.number, "values": self.values, "config": self.config, "resume": self.resume}
        return {**job, "ceilings": ceilings} if ceilings else job


def entry(record: TrialResult, metric: Objective) -> TrialRecord:
    """A trial's record as the ledger holds it: with its value of the metric, and the time."""
    number = (record.get("final") or {}).get(metric.key) if record["status"] == "done" else None
    value = None if number is None or math.isnan(number) else metric.sign * float(number)
    return {**record, "metric": value, "time": time.time()}


def cohort(queue: Sequence[Trial], share: int) -> list[int]:
    """Indices of the trials to train next: the first in the queue, and others of its shape, `share` at most."""
    first = queue[0]
    if first.alone:
        return [0]
    same = (i for i, trial in enumerate(queue) if trial.shape == first.shape and not trial.alone)
    return list(islice(same, max(1, min(share, first.most))))


def failed(number: int, values: Settings, why: str) -> TrialResult:
    """The record of a trial that came to nothing, and the reason in one line."""
    return {
        "number": number,
        "values": values,
        "seed": None,
        "status": "failed",
        "final": {},
        "curve": [],
        "error": "; ".join(why.splitlines()).encode(errors="replace").decode(),  # file names may be any bytes
    }


def trial_result(number: int, values: Settings, outcome: Outcome) -> TrialResult:
    """What a trial came to whose training has ended."""
    record, final = outcome.record, outcome.record.get("final") or {}
    result: TrialResult = {
        "number": number,
        "values": values,
        "seed": record["seed"],
        "status": cast(Ending, outcome.status),
        "final": final,
        "best_epoch": record["best_epoch"],
        "epochs": record["epochs"] or 0,
        "divergence": record["divergence"],
        "curve": [row["dev_error"] for row in outcome.rows],
        "seconds": record["seconds"],
        "host": record["host"]["name"],
        "error": record["error"],
    }
    if parent := record["parent"]:
        result["parent"] = parent
        result["seconds"] = sum(row["seconds"] for row in outcome.rows[parent["epoch"] :])  # others count there
    if record.get("stopped_early"):
        result["stopped_early"] = True
    prunes = outcome.config.search.prune
    if prunes and record.get("pruned"):  # else its rung was over
        result["pruned"] = True
    if prunes and (primary := outcome.config.metrics.primary) != "error":
        result["scores"] = [_score(primary, row) for row in outcome.rows]
    return result


def _score(primary: str, row: Row) -> float | None:
    """What decides between epochs, less is better."""
    number = numbers(row)[primary_keys(primary)[0]]
    return None if number is None else float(to_minimise(primary, number))


def train_trials(job: Job) -> Answer:
    """Train the trials of a job, each into `job["folder"]/NNNN`."""
    configs = [Config.from_values(trial["config"]) for trial in job["trials"]]
    outcomes = _train_folds(job, configs) if configs[0].data.in_folds else _train(job, configs)
    pairs = zip(job["trials"], outcomes, strict=True)
    return {"results": [trial_result(trial["number"], trial["values"], outcome) for trial, outcome in pairs]}


def _train(job: Job, configs: Sequence[Config]) -> list[Outcome]:
    folder, dataset = Path(job["folder"]), dataset_of(configs[0], job)
    session = Session(configs, dataset, job["continued"])
    resumed = job["trials"][0]["resume"]
    parent = None if resumed is None else RunDir(folder / trial_name(resumed))
    if parent is not None:  # such a trial comes alone
        session.load(parent)
    pairs = zip(job["trials"], configs, strict=True)
    runs = [_directory(job, trial, config, dataset, parent) for trial, config in pairs]
    with _all_locked(runs):
        parts, given = ("train", "train_dev", "dev"), [trial.get("ceilings", []) for trial in job["trials"]]
        ceilings = Ceilings(given) if any(given) else None
        return session.train(runs, Listener(), lambda: False, parts=parts, ceilings=ceilings)


def _train_folds(job: Job, configs: Sequence[Config]) -> list[Outcome]:
    """Fold by fold, each as a stack; a trial that has diverged in one is left out of the others, as it is alone."""
    whole, members = dataset_of(configs[0], job), members_file(configs[0])
    pairs = zip(job["trials"], configs, strict=True)
    runs = [_directory(job, trial, config, whole, None, {MEMBERS: members}) for trial, config in pairs]
    found: list[list[Outcome]] = [[] for _ in runs]
    with _all_locked(runs):
        for fold in zip(*map(in_folds, configs), strict=True):
            left = [k for k, outcomes in enumerate(found) if all(outcome.status == "done" for outcome in outcomes)]
            outcomes = _train_fold(job, [runs[k] for k in left], [fold[k] for k in left])
            for k, outcome in zip(left, outcomes, strict=True):
                found[k].append(outcome)
        of_fold = partial(dataset_of, job=job)
        return [conclude(*each, {}, of_fold) for each in zip(runs, configs, found, strict=True)]


def _train_fold(job: Job, wholes: Sequence[RunDir], configs: Sequence[Config]) -> list[Outcome]:
    if not configs:
        return []
    dataset, runs = dataset_of(configs[0], job), []
    for whole, config in zip(wholes, configs, strict=True):
        path = member(whole, config.data.fold or ALL).path
        path.parent.mkdir(exist_ok=True)
        files = first_files(path.name, config, None, dataset, argv=(), parent=None, here=job["here"])
        runs.append(RunDir.create_at(path, {**files, EPOCHS: b""}))
    with _all_locked(runs):
        session = Session(configs, dataset, continued=False)
        return session.train(runs, Listener(), lambda: False, parts=("train", "train_dev", "dev"))


@contextmanager
def _all_locked(runs: Sequence[RunDir]) -> Iterator[None]:
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked())
        yield


_DATASETS: dict[tuple[str, str], Dataset] = {}  # mapped once a worker, not once a trial


def dataset_of(config: Config, job: SharedJob | SentJob) -> Dataset:
    """The prepared data of a job, from where its executor has put them."""
    section, dtype = config.data.model_dump_json(), config.training.dtype
    entry = job.get("entries", {}).get(section)
    key = entry or section, dtype
    if key not in _DATASETS:
        found = map_dataset(Path(entry), dtype) if entry else load_dataset(config.data, dtype, Path(job["cache"]))
        _DATASETS[key] = found
    return _DATASETS[key]


def _directory(
    job: Job,
    trial: TrialJob,
    config: Config,
    dataset: Dataset,
    parent: RunDir | None,
    further: Mapping[str, bytes] | None = None,
) -> RunDir:
    """A fresh run directory in the place of an earlier attempt's, with the epochs of the trial it continues."""
    path = Path(job["folder"]) / trial_name(trial["number"])
    if path.exists():
        shutil.rmtree(path)
    origin: Parent | None = None if parent is None else {"id": parent.id, "epoch": parent.read_record()["epochs"] or 0}
    files = first_files(path.name, config, None, dataset, argv=(), parent=origin, here=job["here"])
    files |= {"values.json": sealed_document(trial["values"]).encode()}  # the ledger can be rebuilt from here
    files |= {EPOCHS: b"" if parent is None else parent.read(EPOCHS), **(further or {})}
    return RunDir.create_at(path, files)
