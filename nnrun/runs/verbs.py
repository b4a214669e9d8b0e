"""The verbs of one run: train a configuration, resume what was begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnrun.config.changes import TOTAL, at, changed, open_ended
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured
from nnrun.data.files.chunks import Heard
from nnrun.errors import DataError, UsageError
from nnrun.files import sealed_text
from nnrun.installation import called, command
from nnrun.runs import folds
from nnrun.runs.child import begin_child, with_epochs
from nnrun.runs.finding import best_in, is_search, search_of
from nnrun.runs.full_disk import training
from nnrun.runs.kinds import kind_of, with_article
from nnrun.runs.lineage import Repeated, repeated
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.members import has_members, refuse_gathered, whole_of
from nnrun.runs.moving import move_source, only_source, other_data
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
    too_few,
    until_told,
    would_diverge_again,
)
from nnrun.runs.records import ENDED, Given
from nnrun.runs.rewinding import comparing
from nnrun.runs.rundir import CONFIG, RESOLVED, RunDir
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
        raise UsageError(f"{run.id} is {with_article(kind_of(run))}, and rerun trains one run{instead}")
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
            f"{run.id} belongs to the {kind_of(search)} {search.id}, which would no longer know it; resume that, or "
            f"train {run.resolved}"
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
        return begin_child(run, with_epochs(overrides, epochs), listener, told_to_stop, argv)
    with training(run):
        return _go_on(run, epochs, listener, told_to_stop)


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
        raise too_few(run, session.trainer.epoch, session.planned)
    run.write(RESOLVED, sealed_text(dump_yaml(wanted.resolved())))
    (outcome,) = session.train([run], comparing(run, listener), told_to_stop, loaded.notices, steered=True)
    return outcome


def _with_total(run: StoredRun, config: Config, epochs: int) -> Config:
    """With another total; of a run that changes on its way from where it stands, as the total may have shaped rates."""
    if not config.training.changes:
        return configured(config, {TOTAL: epochs})
    if epochs <= (trained := run.epoch):
        raise too_few(run.directory, trained, epochs)
    total = {TOTAL: epochs}
    return changed(open_ended(config, trained + 1, total), trained + 1, total)


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
