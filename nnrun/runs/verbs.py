"""The verbs of one run: train a configuration, resume what was begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnrun.config.changes import CHANGES, TOTAL, at, begun_before, changed, making_way, open_ended
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml, one_line
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured, parse_settings
from nnrun.config.values import Settings
from nnrun.data.dataset import Dataset
from nnrun.data.files.chunks import Heard
from nnrun.errors import DataError, UsageError
from nnrun.files import json_lines, sealed_text
from nnrun.installation import called, command, key_of
from nnrun.runs import folds
from nnrun.runs.engines import by_numpy
from nnrun.runs.finding import best_in, is_search, search_of
from nnrun.runs.full_disk import training
from nnrun.runs.lineage import Repeated, repeated
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.members import has_members, refuse_gathered, whole_of
from nnrun.runs.moving import ANOTHER, move_source, only_source, other_data
from nnrun.runs.preparing import (
    begun,
    changed_since,
    create,
    prepare,
    prepared,
    require_beginning,
    require_own,
    same_data,
    session_of,
    until_told,
    would_diverge_again,
)
from nnrun.runs.records import ENDED, Given, Parent
from nnrun.runs.rewinding import comparing
from nnrun.runs.rundir import CONFIG, EVENTS, RESOLVED, RunDir
from nnrun.runs.session import Session
from nnrun.runs.steering import mend
from nnrun.runs.stored import StoredRun, ended_with_rung


def train(
    loaded: Loaded,
    root: Path,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
    given: Given | None = None,
    refit: bool = False,
    before: StoredRun | None = None,
) -> Outcome:
    """Train a configuration in a new run directory under `root`, which remembers the command line and what it gave.

    Where it has folds, each of them; `refit` trains one network more then, on the rows of all. Where it repeats a run,
    `before`, a note says if the data changed. Raises ConfigError or DataError before the directory is made.
    """
    listener = listener or Listener()
    if loaded.config.data.in_folds:
        return folds.train(loaded, root, listener, told_to_stop, argv, given, refit, before)
    if refit:
        raise UsageError("--refit trains on the rows of all folds in the end; --set data.folds=5 makes five")
    loaded, dataset = begun(loaded, root, until_told(listener.preparing, told_to_stop))
    loaded.notices.extend(changed_since(before, dataset))
    session = session_of(loaded, dataset)
    run = create(root, loaded, dataset, argv, given=given)
    with training(run):
        (outcome,) = session.train([run], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def rerun(
    run: RunDir,
    root: Path,
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> tuple[Outcome, Repeated]:
    """Train what a run's resolved.yaml says once more, in a new run under `root`; and whether it came out the same.

    Raises UsageError for a search, and for an ensemble of runs that had ended before.
    """
    if is_search(run):
        best = best_in(run)
        instead = f"; `{command('rerun', called(best.path))}` trains its best trial again" if best else ""
        raise UsageError(f"{run.id} is a search, and rerun trains one run{instead}")
    refuse_gathered(run)
    before = StoredRun(run)
    loaded, parent = before.loaded(), before.written.get("parent")
    if parent and "state" not in parent:
        loaded.notices.append(
            f"{run.id} went on from epoch {parent['epoch']} of {parent['id']}; here its settings hold from epoch 1 on"
        )
    if before.written.get("pruned"):
        ended = "ended with its rung" if ended_with_rung(before.written, loaded.config) else "was pruned"
        loaded.notices.append(f"{run.id} {ended} at epoch {before.written['epochs']}; here it trains to its end")
    given: Given = {"config": str(run.resolved), "settings": []}
    refit = "refit" in before.written
    outcome = train(loaded, root, listener, told_to_stop, argv, given, refit, before)
    return outcome, repeated(before, StoredRun(outcome.run))


def resume(
    run: RunDir,
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    listener: Listener | None = None,
    told_to_stop: ToldToStop = lambda: False,
    argv: Sequence[str] = (),
) -> Outcome:
    """Continue a run in place, to `epochs` in total if given; with overrides, as a child run beside it.

    Overrides that only say where its own rows lie now make no child: that is written into it, be there something left
    to train or not, so that it can be evaluated.

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
    if whole := whole_of(run):
        refuse_gathered(run)
        raise UsageError(
            f"{run.id} belongs to the run {whole.id}; `{command('resume', called(whole.path))}` goes on with that, and "
            f"`{command('train', str(run.resolved))}` makes it a run of its own"
        )
    if epochs is None and _is_moved(run, overrides, until_told(listener.preparing, told_to_stop)):
        with run.locked():
            move_source(run, overrides)
        if run.status in ENDED:  # nothing goes on with it, so nothing is measured again
            return _as_it_is(run)
        overrides = ()
    refuse_gathered(run)
    if has_members(run):
        if overrides or epochs is not None:
            raise UsageError(_as_begun(run))
        return folds.resume(run, listener, told_to_stop)
    if overrides:
        return _begin_child(run, _with_epochs(overrides, epochs), listener, told_to_stop, argv)
    with training(run):
        return _go_on(run, epochs, listener, told_to_stop)


def _with_epochs(overrides: Sequence[str], epochs: int | None) -> list[str]:
    """The overrides, and with them the total that an option gives; UsageError where one of them gives another."""
    if epochs is None:
        return [*overrides]
    if other := next((one for one in overrides if _total_in(parse_settings([one]), epochs) != epochs), None):
        raise UsageError(f"--epochs {epochs} and --set {other} are two totals; give one of them")
    return [*overrides, f"{TOTAL}={epochs}"]


def _total_in(settings: Settings, otherwise: int) -> Any:
    """The epochs that settings give, by the dotted key or in their whole section."""
    section, _, key = TOTAL.partition(".")
    whole = settings.get(section)
    return settings.get(TOTAL, whole.get(key, otherwise) if isinstance(whole, dict) else otherwise)


def _is_moved(run: RunDir, settings: Sequence[str], heard: Heard) -> bool:
    """Whether these only say where the run's own rows lie now; DataError for other rows where they make no child."""
    if not only_source(settings):
        return False
    before = StoredRun(run)
    own = same_data(before, prepared(before.loaded(settings), run.path.parent, heard))
    if not own and has_members(run):
        raise other_data(run)
    return own


def _as_it_is(run: RunDir) -> Outcome:
    stored = StoredRun(run)
    return Outcome(run, stored.status, stored.record, stored.rows, stored.latest)


def _as_begun(run: RunDir) -> str:
    anew = command("train", str(run.resolved), "--set", "KEY=VALUE")
    return f"{run.id} is made of several networks, which are trained as they began; `{anew}` trains anew with others"


def _go_on(run: RunDir, epochs: int | None, listener: Listener, told_to_stop: ToldToStop) -> Outcome:
    """Continue in place; the run is locked, so nobody is moving it meanwhile."""
    before = StoredRun(run)
    loaded = before.loaded()
    planned = mend(run, loaded.config)
    wanted = planned if epochs is None else _with_total(before, planned, epochs)
    _refuse_senseless(before, planned, wanted)
    loaded = replace(loaded, text=run.read(CONFIG), config=wanted)
    dataset, session = prepare(loaded, run.path.parent, until_told(listener.preparing, told_to_stop))
    require_own(before, dataset)
    try:
        session.load(run)
    except UsageError as error:  # nobody has asked for another network, so the file is not this run's
        raise DataError(str(error)) from None
    require_beginning(before, session.trainer.epoch)
    if session.trainer.epoch > session.planned:
        raise _too_few(run, session.trainer.epoch, session.planned)
    run.write(RESOLVED, sealed_text(dump_yaml(wanted.resolved())))
    (outcome,) = session.train([run], comparing(run, listener), told_to_stop, loaded.notices, steered=True)
    return outcome


def _with_total(run: StoredRun, config: Config, epochs: int) -> Config:
    """With another total; of a run that changes on its way from where it stands, as the total may have shaped rates."""
    if not config.training.changes:
        return configured(config, {TOTAL: epochs})
    if epochs <= (trained := run.epoch):
        raise _too_few(run.directory, trained, epochs)
    total = {TOTAL: epochs}
    return changed(open_ended(config, trained + 1, total), trained + 1, total)


def _too_few(run: RunDir, trained: int, total: int) -> UsageError:
    return UsageError(f"{run.id} has trained {trained} epochs already; the new total must be larger, got {total}")


def _begin_child(
    parent: RunDir, settings: Sequence[str], listener: Listener, told_to_stop: ToldToStop, argv: Sequence[str]
) -> Outcome:
    """A run of its own that goes on from the parent's last state by other settings."""
    before, root = StoredRun(parent), parent.path.parent
    loaded = with_settings(before, settings, parent.read(CONFIG), before.epoch + 1)
    dataset, session = prepare(loaded, root, until_told(listener.preparing, told_to_stop))
    _refuse_other_meaning(before, dataset)
    session.load(parent, with_scores=_judged_alike(before, loaded.config, dataset))
    _keep_averages(session, before, dataset)
    now = session.trainer.epoch + 1
    if session.planned < session.trainer.epoch:
        raise _too_few(parent, session.trainer.epoch, session.planned)
    if why := begun_before(at(before.config, now), at(loaded.config, now), now):
        raise UsageError(f"{parent.id} goes on in epoch {now}: {why}")
    if not same_data(before, dataset):
        other = f"the data there is not what it began with ({ANOTHER}), so this is a child run; "
        why = other if only_source(settings) else ""
        loaded.notices.append(f"{why}{parent.id} may have been trained on rows that are dev or test here")
    origin: Parent = {"id": parent.id, "epoch": session.trainer.epoch}
    files = {EVENTS: json_lines(before.changes_left(origin["epoch"], [*map(key_of, settings)])).encode()}
    child = create(root, loaded, dataset, argv, parent=origin, files=files | session.checkpoints())
    with training(child):
        (outcome,) = session.train([child], listener, told_to_stop, loaded.notices, steered=True)
    return outcome


def _keep_averages(session: Session, before: StoredRun, dataset: Dataset) -> None:
    """What the optimizer keeps are sums, which other β weigh otherwise: the averages that they stand for go on."""
    if session.config.optimizer.name == before.config.optimizer.name:
        as_it_was = Session([by_numpy(before.config)], dataset)  # which is read, whatever has trained
        as_it_was.load(before.directory, with_scores=False)
        session.trainer.continue_from(as_it_was.trainer)


def with_settings(before: StoredRun, settings: Sequence[str], text: bytes, epoch: int = 1) -> Loaded:
    """A run's configuration, with this text, and other values from an epoch on, which no change before takes back."""
    left, whole = making_way(before.config, epoch, [*map(key_of, settings)])
    dropped = {} if left == before.config.training.changes else {".".join(CHANGES): left}
    first = [f"{key}={one_line(value)}" for key, value in {**dropped, **whole}.items()]
    return replace(before.loaded([*first, *settings]), text=text)


def _refuse_senseless(run: StoredRun, before: Config, wanted: Config) -> None:
    """Where going on would not be what was begun: the configuration as it stands, and with the new total."""
    before, config = at(before, run.epoch + 1), at(wanted, run.epoch + 1)
    planned, epochs, schedule = before.training.epochs, config.training.epochs, config.optimizer.schedule
    child = command("resume", str(run.path), "--epochs", str(epochs), "--set", "optimizer.schedule=constant")
    if epochs != planned and schedule.build().needs_total:
        raise UsageError(
            f"{run.id}: the schedule {schedule.name} is shaped by the planned {planned} epochs, and a run of {epochs} "
            f"would have had other learning rates from its first step; train anew, or `{child}` goes on as a child run"
        )
    if run.status == "diverged":
        raise would_diverge_again(run.directory, config)


def _refuse_other_meaning(run: StoredRun, dataset: Dataset) -> None:
    """The parent's weights stand for its features and classes, whatever others have their number."""
    if found := list(run.data.differences(dataset.fitted)):
        raise UsageError(f"{run.id} did not learn this, so a child cannot go on from it: {'; '.join(found)}")


def _judged_alike(parent: StoredRun, config: Config, dataset: Dataset) -> bool:
    """Whether the parent's dev scores mean the same in a child: the same rows, by the same yardstick."""
    return _yardstick(parent.config) == _yardstick(config) and same_data(parent, dataset)


def _yardstick(config: Config) -> tuple[Any, ...]:
    data = config.data
    return config.metrics.primary, config.training.loss, data.target, data.task, data.weight, data.class_weight
