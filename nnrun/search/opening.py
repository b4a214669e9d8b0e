"""How a search is opened, or what is one by other means: begun from a configuration, or as it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from nnrun.config.config import Config
from nnrun.config.load import Loaded
from nnrun.data.dataset import Dataset
from nnrun.errors import UsageError
from nnrun.runs.assembly import check_memory
from nnrun.runs.engines import by_numpy
from nnrun.runs.finding import PLAN
from nnrun.runs.folds import refuse_unfit
from nnrun.runs.moving import move_source, other_data
from nnrun.runs.preparing import begun, first_files, located, prepared, require_own, same_data, session_of, until_told
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.executors import Executor
from nnrun.search.plan import Plan
from nnrun.search.state import Options, Search
from nnrun.search.study import Watcher

NO_DEV = "data.fold: all trains on all rows, which leaves no dev rows to choose by; search without it"


@contextmanager
def opened(
    loaded: Loaded,
    root: Path,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool],
    trainings: int,
) -> Iterator[tuple[Executor, Loaded, Dataset]]:
    """Workers that wait, the configuration with the engine for so many trainings, and its data.

    Raises ConfigError or DataError where it cannot be trained, in any of its folds, UsageError where all rows train.
    """
    _require_dev(loaded.config)
    with closing(options.executor(told_to_stop)) as executor:  # workers start while the data is read
        heard = until_told(watcher.preparing, told_to_stop)
        loaded, dataset = begun(loaded, root, heard, trainings)
        measuring = replace(loaded, config=by_numpy(loaded.config))
        session_of(measuring, dataset)
        if loaded.config.data.in_folds:
            refuse_unfit(measuring, root, heard)
        yield executor, loaded, dataset


def create(
    root: Path,
    loaded: Loaded,
    dataset: Dataset,
    plan: Plan,
    argv: Sequence[str],
    what: str,
    further: Mapping[str, bytes] | None = None,
) -> RunDir:
    """The directory under `root`, named by `what` it is, with its plan and further files."""

    def files(run_id: str) -> dict[str, bytes]:
        made = first_files(run_id, loaded.config, loaded.text, dataset, argv, parent=None)
        return {**made, PLAN: plan.text().encode(), **(further or {})}

    return RunDir.create(root, f"{loaded.config.name}-{what}", files)


@contextmanager
def reopened(
    run: RunDir, loaded: Loaded, what: str, options: Options, watcher: Watcher, told_to_stop: Callable[[], bool]
) -> Iterator[Search]:
    """A search, or what is one by other means, as it was left: locked, with its data, and workers that wait.

    Raises DataError where the data is no longer what it began with, UsageError where all rows train.
    """
    _require_dev(loaded.config)
    plan = Plan.read(run)
    options = options.after(plan.limits)
    with closing(options.executor(told_to_stop)) as executor, run.locked():
        dataset = prepared(loaded, run.path.parent, until_told(watcher.preparing, told_to_stop))
        if options.moved and not same_data(StoredRun(run), dataset):
            raise other_data(run)
        require_own(StoredRun(run), dataset, f"begin a new {what}")
        with located(loaded):
            check_memory(loaded.config, dataset)
        yield Search(run, loaded.config, dataset, plan, options, executor, [loaded.config])


def _require_dev(config: Config) -> None:
    """UsageError where all rows train: the best by them is what has learned them by heart."""
    if config.data.without_dev:
        raise UsageError(NO_DEV)


def extended(search: Search, trials: int | None = None) -> Search:
    """With what this call changes, on the disk too: the plan, and where the data lies; so what refuses comes before.

    UsageError where less is asked for than was.
    """
    run, plan, options = search.run, search.plan, search.options
    if trials is not None and trials < plan.total:
        raise UsageError(f"{run.id} was asked for {plan.total} trials already; --trials must not be fewer")
    if options.repeat is not None and options.repeat < (plan.repeat or 0):
        raise UsageError(f"{run.id} was asked for {plan.repeat} repeats already; --repeat must not be fewer")
    changed = plan.extended(trials, options.kept(), options.repeat)
    if changed != plan:
        run.write(PLAN, changed.text())
    if search.options.moved:
        move_source(run, search.options.moved)
    return replace(search, plan=changed)
