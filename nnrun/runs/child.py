"""A child of `resume --set`: a run of its own that goes on from where its parent stands, by other settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nnrun.config.changes import CHANGES, TOTAL, at, begun_before, making_way
from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.load import Loaded
from nnrun.config.overrides import parse_settings
from nnrun.config.values import Settings
from nnrun.data.dataset import Dataset
from nnrun.errors import UsageError
from nnrun.files import json_lines
from nnrun.installation import as_options, command, elsewhere, key_of
from nnrun.runs.engines import by_numpy
from nnrun.runs.full_disk import training
from nnrun.runs.known_rows import may_know
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.moving import ANOTHER, only_source
from nnrun.runs.preparing import create, parent_record, prepare, same_data, too_few, until_told
from nnrun.runs.records import Parent
from nnrun.runs.rundir import CONFIG, EVENTS, RunDir
from nnrun.runs.session import Session
from nnrun.runs.stored import StoredRun

OTHER_DATA = f"the data there is not what it began with ({ANOTHER}), so this is a child run"


def with_epochs(overrides: Sequence[str], epochs: int | None) -> list[str]:
    """The overrides, and with them the total that an option gives; UsageError where one of them gives another."""
    if epochs is None:
        return [*overrides]
    if other := next((one for one in overrides if _total_in(parse_settings([one]), epochs) != epochs), None):
        raise UsageError(f"--epochs {epochs} and --set {other} are two totals; give one of them")
    return [*overrides, f"{TOTAL}={epochs}"]


def _total_in(settings: Settings, otherwise: int | None) -> Any:
    """The epochs that settings give, by the dotted key or in their whole section."""
    section, _, key = TOTAL.partition(".")
    whole = settings.get(section)
    return settings.get(TOTAL, whole.get(key, otherwise) if isinstance(whole, dict) else otherwise)


def begin_child(
    parent: RunDir, settings: Sequence[str], listener: Listener, told_to_stop: ToldToStop, argv: Sequence[str]
) -> Outcome:
    """A run of its own that goes on from the parent's last state by other settings."""
    before, root = StoredRun(parent), parent.path.parent
    loaded = with_settings(before, settings, parent.read(CONFIG), before.epoch + 1)
    _refuse_fold(before, loaded.config, settings)
    dataset, session = prepare(loaded, root, until_told(listener.preparing, told_to_stop))
    _refuse_other_meaning(before, dataset)
    alike = _judged_alike(before, loaded.config, dataset)
    session.load(parent, with_scores=alike)
    _keep_averages(session, before, dataset)
    now = session.trainer.epoch + 1
    left = session.planned - session.trainer.epoch
    if left < 0 or (left == 0 and not alike):  # the parent's best epoch is none of the child's
        raise _nothing_to_train(parent, settings, session)
    if why := begun_before(at(before.config, now), at(loaded.config, now), now):
        raise UsageError(f"{parent.id} goes on in epoch {now}: {why}")
    origin = parent_record(before, dataset, session.trainer.epoch)
    loaded.notices.extend(_on_rows(before, dataset, settings, origin))
    files = {EVENTS: json_lines(before.changes_left(origin["epoch"], [*map(key_of, settings)])).encode()}
    child = create(root, loaded, dataset, argv, parent=origin, files=files | session.checkpoints())
    with training(child):
        (outcome,) = session.train([child], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def _nothing_to_train(parent: RunDir, settings: Sequence[str], session: Session) -> UsageError:
    """Why there is no child without an epoch of its own: it would have no best one."""
    trained, total = session.trainer.epoch, session.planned
    if trained != total or _total_in(parse_settings(settings), None) is not None:
        return too_few(parent, trained, total)
    further = as_options([*settings, f"{TOTAL}={2 * total}"])
    again = command("resume", parent.id, *further, *elsewhere(parent.path.parent))
    why = f"{OTHER_DATA}; " if only_source(settings) else ""
    return UsageError(f"{why}{parent.id} has trained all {total} epochs that are planned; `{again}` trains on")


def _on_rows(before: StoredRun, dataset: Dataset, settings: Sequence[str], origin: Parent) -> list[str]:
    """What is said where the rows are others, or where the parent may know those that are held out."""
    told = []
    if only_source(settings) and not same_data(before, dataset):
        told.append(OTHER_DATA)
    if "knows_rows" in origin:
        told.append(f"{may_know(before.id)}; `{_anew(before, settings)}` trains anew, and can be measured")
    return ["; ".join(told)] if told else []


def _anew(run: StoredRun, settings: Sequence[str]) -> str:
    """The command that trains by these settings from the first epoch on."""
    return command("train", str(run.directory.resolved), *as_options(settings))


def with_settings(before: StoredRun, settings: Sequence[str], text: bytes, epoch: int = 1) -> Loaded:
    """A run's configuration, with this text, and other values from an epoch on, which no change before takes back."""
    left, whole = making_way(before.config, epoch, [*map(key_of, settings)])
    dropped = {} if left == before.config.training.changes else {".".join(CHANGES): left}
    first = [f"{key}={one_line(value)}" for key, value in {**dropped, **whole}.items()]
    return replace(before.loaded([*first, *settings]), text=text)


def _refuse_fold(run: StoredRun, config: Config, settings: Sequence[str]) -> None:
    """What one fold holds out the others train on, so that no network becomes one of another fold, or of all of them.

    `data.fold: all` holds nothing out.
    """
    before, data = run.config.data, config.data
    if data.folds and not data.without_dev and (data.folds, data.fold) != (before.folds, before.fold):
        raise UsageError(
            f"{run.id} may have learned from rows that would be the dev part of a fold, and each fold is trained "
            f"without them from its first epoch on; `{_anew(run, settings)}` trains anew"
        )


def _refuse_other_meaning(run: StoredRun, dataset: Dataset) -> None:
    """The parent's weights stand for its features and classes, whatever others have their number."""
    if found := list(run.data.differences(dataset.fitted)):
        raise UsageError(f"{run.id} did not learn this, so a child cannot go on from it: {'; '.join(found)}")


def _keep_averages(session: Session, before: StoredRun, dataset: Dataset) -> None:
    """What the optimizer keeps are sums, which other β weigh otherwise: the averages that they stand for go on."""
    if session.config.optimizer.name == before.config.optimizer.name:
        as_it_was = Session([by_numpy(before.config)], dataset)  # which is read, whatever has trained
        as_it_was.load(before.directory, with_scores=False)
        session.trainer.continue_from(as_it_was.trainer)


def _judged_alike(parent: StoredRun, config: Config, dataset: Dataset) -> bool:
    """Whether the parent's dev scores mean the same in a child: the same rows, by the same yardstick."""
    return _yardstick(parent.config) == _yardstick(config) and same_data(parent, dataset)


def _yardstick(config: Config) -> tuple[Any, ...]:
    data = config.data
    return config.metrics.primary, config.training.loss, data.target, data.task, data.weight, data.class_weight
