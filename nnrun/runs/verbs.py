"""The verbs of one run: train a configuration, resume what was begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnrun.config.changes import CHANGES, TOTAL, at, changed, without
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml, one_line
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.files.chunks import Heard, nobody
from nnrun.errors import ConfigError, DataError, MisfitError, StoppedError, UsageError
from nnrun.files import sealed, sealed_text, to_json
from nnrun.installation import as_options, command, elsewhere
from nnrun.runs.engines import decided
from nnrun.runs.environment import describe
from nnrun.runs.finding import search_of
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.records import DataRecord, Environment, Given, Parent, RunRecord
from nnrun.runs.rundir import CONFIG, DATA, EPOCHS, RECORD, RESOLVED, SCHEMA_VERSION, RunDir, now
from nnrun.runs.session import Session
from nnrun.runs.steering import mend
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.symptoms import finite

CACHE = ".cache"  # beside the runs


def train(
    loaded: Loaded,
    root: Path,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
    given: Given | None = None,
) -> Outcome:
    """Train a configuration in a new run directory under `root`, which remembers the command line and what it gave.

    Raises ConfigError or DataError before the directory is made.
    """
    listener = listener or Listener()
    loaded, dataset = begun(loaded, root, until_told(listener.preparing, told_to_stop))
    session = session_of(loaded, dataset)
    run = create(root, loaded, dataset, argv, given=given)
    with run.locked():
        (outcome,) = session.train([run], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def resume(
    run: RunDir,
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> Outcome:
    """Continue a run in place, to `epochs` in total if given; with overrides, as a child run beside it.

    Raises UsageError where that makes no sense: a schedule shaped by the planned total with another total, fewer
    epochs than are trained, a diverged run without a change, overrides that change the network's shape, its features,
    classes or target; DataError where the data changed.
    """
    if search := search_of(run):
        raise UsageError(
            f"{run.id} belongs to the search {search.id}, which would no longer know it; resume the search, or train "
            f"{run.resolved}"
        )
    listener = listener or Listener()
    if overrides:
        settings = [*overrides, *([] if epochs is None else [f"{TOTAL}={epochs}"])]
        return _begin_child(run, settings, listener, told_to_stop, argv)
    with run.locked():
        return _go_on(run, epochs, listener, told_to_stop)


def _go_on(run: RunDir, epochs: int | None, listener: Listener, told_to_stop: ToldToStop) -> Outcome:
    """Continue in place; the run is locked, so nobody is moving it meanwhile."""
    before = StoredRun(run)
    loaded = before.loaded()
    planned = mend(run, loaded.config)
    wanted = planned if epochs is None else _with_total(before, planned, epochs)
    _refuse_senseless(before, planned, wanted)
    loaded = replace(loaded, text=run.read(CONFIG), config=wanted)
    dataset, session = prepare(loaded, run.path.parent, until_told(listener.preparing, told_to_stop))
    if not same_data(before, dataset):
        raise DataError(f"{run.id}: the data is no longer what this run began with; train anew")
    try:
        session.load(run)
    except UsageError as error:  # nobody has asked for another network, so the file is not this run's
        raise DataError(str(error)) from None
    if session.trainer.epoch > session.planned:
        raise _too_few(run, session.trainer.epoch, session.planned)
    run.write(RESOLVED, sealed_text(dump_yaml(wanted.resolved())))
    (outcome,) = session.train([run], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def _with_total(run: StoredRun, config: Config, epochs: int) -> Config:
    """With another total; of a run that changes on its way from where it stands, as the total may have shaped rates."""
    if not config.training.changes:
        return configured(config, {TOTAL: epochs})
    if epochs <= (trained := len(run.rows)):
        raise _too_few(run.directory, trained, epochs)
    return changed(config, trained + 1, {TOTAL: epochs})


def _too_few(run: RunDir, trained: int, total: int) -> UsageError:
    return UsageError(f"{run.id} has trained {trained} epochs already; the new total must be larger, got {total}")


def _begin_child(
    parent: RunDir, settings: Sequence[str], listener: Listener, told_to_stop: ToldToStop, argv: Sequence[str]
) -> Outcome:
    """A run of its own that goes on from the parent's last state by other settings."""
    before, root = StoredRun(parent), parent.path.parent
    loaded = _with_settings(before, settings, parent.read(CONFIG))
    dataset, session = prepare(loaded, root, until_told(listener.preparing, told_to_stop))
    _refuse_other_meaning(before, dataset)
    session.load(parent, with_scores=_judged_alike(before, loaded.config, dataset))
    if not same_data(before, dataset):
        loaded.notices.append(f"{parent.id} may have been trained on rows that are dev or test here")
    child = create(root, loaded, dataset, argv, parent={"id": parent.id, "epoch": session.trainer.epoch})
    with child.locked():
        (outcome,) = session.train([child], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def _with_settings(before: StoredRun, settings: Sequence[str], text: bytes) -> Loaded:
    """The parent's configuration with other values, which no change on the parent's way takes back."""
    left = without(before.config.training.changes, [setting.partition("=")[0].strip() for setting in settings])
    dropped = [] if left == before.config.training.changes else [f"{'.'.join(CHANGES)}={one_line(left)}"]
    return replace(before.loaded([*dropped, *settings]), text=text)


def prepare(loaded: Loaded, root: Path, heard: Heard = nobody) -> tuple[Dataset, Session]:
    """Data and trainer; errors about a value of the configuration say where it stands."""
    with _located(loaded):
        dataset = _dataset(loaded.config, root, heard)
        return dataset, session_of(loaded, dataset)


def begun(loaded: Loaded, root: Path, heard: Heard = nobody, trainings: int = 1) -> tuple[Loaded, Dataset]:
    """The data of a run that begins, or a search of so many; the configuration now says which engine trains."""
    with _located(loaded):
        dataset = _dataset(loaded.config, root, heard)
        config, told = decided(loaded.config, dataset, trainings, heard)
        loaded.notices.extend(told)
        return replace(loaded, config=config), dataset


def session_of(loaded: Loaded, dataset: Dataset) -> Session:
    """A trainer for a configuration and its data."""
    with _located(loaded):
        return Session([loaded.config], dataset)


def _dataset(config: Config, root: Path, heard: Heard) -> Dataset:
    return load_dataset(config.data, config.training.dtype, root / CACHE, heard)


@contextmanager
def _located(loaded: Loaded) -> Iterator[None]:
    """Errors about a value of the configuration say where it stands."""
    try:
        yield
    except MisfitError as error:
        raise ConfigError([loaded.locate(error.path, error.message)]) from None
    except DataError as error:
        raise DataError(loaded.locate(error.key, str(error))) if error.key else error from None


def until_told(heard: Heard, told_to_stop: ToldToStop) -> Heard:
    """The same, but StoppedError as soon as it is told to stop."""

    def hear(step: str, done: int, rows: int | None) -> None:
        if told_to_stop():
            raise StoppedError("stopped while the data was being prepared; nothing of it was kept")
        heard(step, done, rows)

    return hear


def create(
    root: Path,
    loaded: Loaded,
    dataset: Dataset,
    argv: Sequence[str],
    given: Given | None = None,
    parent: Parent | None = None,
    files: Mapping[str, bytes] | None = None,
) -> RunDir:
    """A run directory before training, with further files where it has a past."""
    config = loaded.config

    def all_files(run_id: str) -> dict[str, bytes]:
        first = first_files(run_id, config, loaded.text, dataset, argv, parent, given)
        return {**first, EPOCHS: b"", **(files or {})}

    return RunDir.create(root, config.name, all_files)


def first_files(
    run_id: str,
    config: Config,
    text: bytes | None,
    dataset: Dataset,
    argv: Sequence[str],
    parent: Parent | None,
    given: Given | None = None,
    here: Environment | None = None,
) -> dict[str, bytes]:
    """What a run directory holds before training; `text` is the user's file, None where there is none.

    `here` is what is known of machine and software, where somebody has found it out already.
    """
    resolved, here = dump_yaml(config.resolved()), here or describe()
    record: RunRecord = {
        "schema_version": SCHEMA_VERSION,
        "id": run_id,
        "status": "created",
        "argv": [_text(argument) for argument in argv],
        "given": _text_of(given) if given else None,
        "created": now(),
        "seed": config.seed,
        "parent": parent,
        "host": here["host"],
        "versions": here["versions"],
        "blas": here["blas"],
        "git": here["git"],
        "data": _data_record(dataset),
    }
    return {
        CONFIG: resolved.encode() if text is None else text,
        RESOLVED: sealed_text(resolved).encode(),
        RECORD: to_json(sealed(record), indent=2).encode() + b"\n",
        DATA: dataset.fitted.written,
    }


def _text(argument: str) -> str:
    """File names may be any bytes."""
    return argument.encode(errors="replace").decode()


def _text_of(given: Given) -> Given:
    config = None if given["config"] is None else _text(given["config"])
    return {"config": config, "settings": [_text(setting) for setting in given["settings"]]}


def _data_record(dataset: Dataset) -> DataRecord:
    record: DataRecord = {"files": dataset.fitted.files, "rows": dataset.sizes["rows"]}
    if "effective_rows" in dataset.sizes:
        record["effective_rows"] = dataset.sizes["effective_rows"]
    if kind := dataset.error_kind:
        record["error_kind"] = kind
    return record


def _refuse_senseless(run: StoredRun, before: Config, wanted: Config) -> None:
    """Where going on would not be what was begun: the configuration as it stands, and with the new total."""
    before, config = at(before, len(run.rows) + 1), at(wanted, len(run.rows) + 1)
    planned, epochs, schedule = before.training.epochs, config.training.epochs, config.optimizer.schedule
    child = command("resume", str(run.path), "--epochs", str(epochs), "--set", "optimizer.schedule=constant")
    if epochs != planned and schedule.build().needs_total:
        raise UsageError(
            f"{run.id}: the schedule {schedule.name} is shaped by the planned {planned} epochs, and a run of {epochs} "
            f"would have had other learning rates from its first step; train anew, or `{child}` goes on as a child run"
        )
    if run.status == "diverged":
        options = [*as_options(finite(config)), *elsewhere(run.path.parent)]
        shorter = command("train", str(run.directory.resolved), *options)
        raise UsageError(f"{run.id} diverged and would do so again; `{shorter}` begins anew with shorter steps")


def _refuse_other_meaning(run: StoredRun, dataset: Dataset) -> None:
    """The parent's weights stand for its features and classes, whatever others have their number."""
    if found := list(run.data.differences(dataset.fitted)):
        raise UsageError(f"{run.id} did not learn this, so a child cannot go on from it: {'; '.join(found)}")


def same_data(run: StoredRun, dataset: Dataset) -> bool:
    """Whether the rows and their parts are those the run began with, wherever the file lies now."""
    return run.data.same_rows(dataset.fitted)


def _judged_alike(parent: StoredRun, config: Config, dataset: Dataset) -> bool:
    """Whether the parent's dev scores mean the same in a child: the same rows, by the same yardstick."""
    return _yardstick(parent.config) == _yardstick(config) and same_data(parent, dataset)


def _yardstick(config: Config) -> tuple[Any, ...]:
    data = config.data
    return config.metrics.primary, config.training.loss, data.target, data.task, data.weight, data.class_weight
