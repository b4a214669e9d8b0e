"""What a worker does: train the trials of a job together, each into a run directory of its own."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.files import sealed, to_json
from nnrun.runs.records import Parent
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.runs.session import Listener, Session
from nnrun.runs.verbs import first_files
from nnrun.search.trials import Answer, Job, TrialJob, trial_result


def train_trials(job: Job) -> Answer:
    """Train the trials of a job, each into `job["folder"]/NNNN`."""
    folder = Path(job["folder"])
    configs = [Config.from_values(trial["config"]) for trial in job["trials"]]
    dataset = _dataset(configs[0], Path(job["cache"]))
    session = Session(configs, dataset, job["continued"])
    resumed = job["trials"][0]["resume"]
    parent = None if resumed is None else RunDir(folder / f"{resumed:04d}")
    if parent is not None:  # such a trial comes alone
        session.load(parent)
    runs = [
        _directory(folder, trial, config, dataset, parent) for trial, config in zip(job["trials"], configs, strict=True)
    ]
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked())
        outcomes = session.train(runs, Listener(), lambda: False, parts=("train", "dev"))
    pairs = zip(job["trials"], outcomes, strict=True)
    return {"results": [trial_result(trial["number"], trial["values"], outcome) for trial, outcome in pairs]}


_DATASETS: dict[tuple[str, str], Dataset] = {}  # mapped once a worker, not once a trial


def _dataset(config: Config, cache: Path) -> Dataset:
    key = dump_yaml(config.resolved()["data"]), config.training.dtype
    if key not in _DATASETS:
        _DATASETS[key] = load_dataset(config.data, config.training.dtype, cache)
    return _DATASETS[key]


def _directory(folder: Path, trial: TrialJob, config: Config, dataset: Dataset, parent: RunDir | None) -> RunDir:
    """A fresh run directory in the place of an earlier attempt's, with the epochs of the trial it continues."""
    path = folder / f"{trial['number']:04d}"
    if path.exists():
        shutil.rmtree(path)
    origin: Parent | None = None if parent is None else {"id": parent.id, "epoch": parent.read_record()["epochs"] or 0}
    files = first_files(path.name, config, None, dataset, argv=(), parent=origin)
    values = to_json(sealed(trial["values"]), indent=2)  # the ledger can be rebuilt from here
    files |= {"values.json": values.encode() + b"\n"}
    files |= {EPOCHS: b"" if parent is None else parent.read(EPOCHS)}
    return RunDir.create_at(path, files)
