"""The verbs of a run of K folds: plain runs in directories of their own, and the run that they make together.

A fold is the configuration with `data.fold: k`, trained as any run is, so each can be had alone to the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nnrun.config.changes import CHANGES, EARLY_STOPPING, TOTAL, without
from nnrun.config.config import Config
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.files.chunks import Heard
from nnrun.data.split import STORED
from nnrun.files import json_lines
from nnrun.locks import drop_abandoned
from nnrun.runs.conclusion import (
    conclude,
    in_fold,
    in_folds,
    mean_epoch,
    members_file,
    number_of,
    of_folds,
    status_of,
    tested,
)
from nnrun.runs.full_disk import training
from nnrun.runs.listener import Listener, Outcome, Relay, ToldToStop
from nnrun.runs.members import ALL, FOLDER, fold_line, member
from nnrun.runs.moving import trained_on_other_data
from nnrun.runs.preparing import (
    CACHE,
    begun,
    changed_since,
    create,
    first_files,
    located,
    prepared,
    require_own,
    until_told,
    would_diverge_again,
)
from nnrun.runs.records import ENDED, Final, Given, Row, RunRecord
from nnrun.runs.rundir import EPOCHS, MEMBERS, UNFINISHED, RunDir, now
from nnrun.runs.session import Session
from nnrun.runs.steering import Steering, mend
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import summary
from nnrun.runs.together import mean_rows, told_of


def train(
    loaded: Loaded,
    root: Path,
    listener: Listener,
    told_to_stop: ToldToStop,
    argv: Sequence[str],
    given: Given | None,
    refit: bool,
    before: StoredRun | None = None,
) -> Outcome:
    """Train each fold in a new run directory; `refit` trains one network more, on the rows of all of them.

    Raises ConfigError or DataError before the directory is made, whichever fold is unfit.
    """
    heard = until_told(listener.preparing, told_to_stop)
    loaded, whole = begun(loaded, root, heard, trainings=loaded.config.data.folds or 1)
    refuse_unfit(loaded, root, heard)
    loaded.notices.extend([*whole.notices, *changed_since(before, whole)])  # some are of no single fold
    files = {MEMBERS: members_file(loaded.config)}
    more: RunRecord = {"refit": {"epochs": None}} if refit else {}
    run = create(root, loaded, whole, argv, given=given, files=files, more=more)
    with training(run):
        return _go_on(run, loaded, listener, told_to_stop)


def refuse_unfit(loaded: Loaded, root: Path, heard: Heard) -> None:
    """ConfigError or DataError where a fold cannot be trained; the data of each is prepared then."""
    with located(loaded):
        for config in in_folds(loaded.config):
            Session([config], load_dataset(config.data, config.training.dtype, root / CACHE, heard))


def resume(run: RunDir, listener: Listener, told_to_stop: ToldToStop) -> Outcome:
    """Train the folds that are not finished; UsageError where one has diverged, DataError where the data changed."""
    with training(run):
        before = StoredRun(run)
        loaded = before.loaded()
        if before.written["status"] == "diverged":
            raise would_diverge_again(run, loaded.config)
        mend(run, loaded.config)
        whole = prepared(loaded, run.path.parent, until_told(listener.preparing, told_to_stop))
        require_own(before, whole)
        return _go_on(run, loaded, listener, told_to_stop)


class Between(Relay):
    """Hands on what it hears of the folds, and between two epochs looks for what is asked of the whole."""

    def __init__(self, listener: Listener, steering: Steering, config: Config) -> None:
        super().__init__(listener)
        self.steering = steering
        steering.fold = number_of(config)

    def epoch(self, row: Row) -> None:
        """A pause is a wait in here."""
        self.listener.epoch(row)
        self.steering.between(row["epoch"])


def _go_on(run: RunDir, loaded: Loaded, listener: Listener, told_to_stop: ToldToStop) -> Outcome:
    """Train what is left, fold by fold; the run is locked."""
    steering = Steering(run, listener.told, told_to_stop, loaded.config.tracking)
    outcomes: list[Outcome] = []
    _begin(run)

    def of_fold(config: Config) -> Dataset:
        return load_dataset(config.data, config.training.dtype, run.path.parent / CACHE)

    try:
        for config in _planned(run, loaded.config, outcomes):
            if steering.stopped or told_to_stop():
                break
            heard = Between(listener, steering, config)
            outcomes.append(_of_member(run, config, heard, lambda: steering.stopped or told_to_stop(), loaded.notices))
            _note(run, outcomes, listener)
            if outcomes[-1].status != "done":
                break
        if not (steering.stopped or told_to_stop()):
            steering.close(None)
        outcome = conclude(run, loaded.config, outcomes, _test(run, loaded.config, outcomes), of_fold)
    except KeyboardInterrupt:
        run.update_record(status="interrupted", ended=now())
        raise
    except Exception as error:
        with suppress(OSError):  # the disk may be full
            run.update_record(status="failed", error=str(error), ended=now())
        raise
    run.log(summary(outcome.record, loaded.config, outcome.status))
    return outcome


def _begin(run: RunDir) -> None:
    (run.path / FOLDER).mkdir(exist_ok=True)
    run.update_record(status="running", started=now(), process=os.getpid(), error=None, written=None, symptoms=[])
    begun = StoredRun(run).begun[-1:]
    where: dict[str, Any] = {"epoch": begun[0].epoch, "fold": int(begun[0].id)} if begun else {"epoch": 0}
    run.event("resumed" if begun else "started", **where)


def _planned(run: RunDir, config: Config, outcomes: Sequence[Outcome]) -> Iterator[Config]:
    """One fold after the other, and then, where that was asked for, all their rows for as many epochs as were best."""
    yield from in_folds(config)
    if run.read_record().get("refit"):
        epochs = mean_epoch(outcomes)
        run.update_record(refit={"epochs": epochs})
        left = without(config.training.changes, [TOTAL, EARLY_STOPPING])
        settings = {TOTAL: epochs, EARLY_STOPPING: None, ".".join(CHANGES): left}
        yield in_fold(configured(config, settings), ALL)


def _of_member(
    whole: RunDir, config: Config, listener: Listener, told_to_stop: ToldToStop, notices: Sequence[str]
) -> Outcome:
    """A fold that is over as it is, else trained from where it stands."""
    assert config.data.fold is not None
    run = member(whole, config.data.fold)
    if run.exists and run.status in ENDED:
        return Outcome(run, run.status, run.read_record(), run.metrics(), config)
    heard = until_told(listener.preparing, told_to_stop)
    dataset = load_dataset(config.data, config.training.dtype, whole.path.parent / CACHE, heard)
    if not StoredRun(whole).data.same_files(dataset.fitted):
        raise trained_on_other_data(StoredRun(whole))
    if not run.exists:
        drop_abandoned(run.path.parent, UNFINISHED)
        RunDir.create_at(run.path, {**first_files(run.id, config, None, dataset, (), None), EPOCHS: b""})
    session = Session([config], dataset)
    parts = STORED if config.data.without_dev else ("train", "dev")  # test is read for the whole
    with run.locked():
        session.load(run)
        (outcome,) = session.train([run], listener, told_to_stop, notices, parts=parts)
    return outcome


def _note(run: RunDir, outcomes: Sequence[Outcome], listener: Listener) -> None:
    """A fold has ended, or was told to stop."""
    if outcomes[-1].status == "done":
        line = fold_line(outcomes[-1].config, outcomes[-1].record)
        run.log([line])
        listener.told(line)
    run.write(EPOCHS, json_lines(mean_rows([outcome.rows for outcome in told_of(of_folds(outcomes))])))


def _test(run: RunDir, config: Config, outcomes: Sequence[Outcome]) -> Final:
    """What the last network says of it where there is one, else all folds together; nothing unless all are over."""
    if status_of(config, run.read_record().get("refit") is not None, outcomes) != "done":
        return {}
    last = outcomes[-1]
    if last.config.data.without_dev:
        return {name: value for name, value in (last.record["final"] or {}).items() if name.startswith("test_")}
    return tested(run, config, run.path.parent / CACHE)
