"""The verbs of a search: begin one, resume one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nnrun.compiled.folder import COMPILED
from nnrun.config.changes import CHANGES, TOTAL
from nnrun.config.config import Config
from nnrun.config.load import Loaded
from nnrun.config.space.known import load_known
from nnrun.config.space.space import Space
from nnrun.data.dataset import Dataset
from nnrun.engine.metrics import METRICS, beyond, misfit
from nnrun.engine.scores import HIGHER_IS_BETTER, Objective
from nnrun.errors import ConfigError, UsageError
from nnrun.runs.assembly import batch_size
from nnrun.runs.judge import DEFINED, metric_notices, undefined
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.opening import NO_DEV, create, extended, opened, reopened
from nnrun.search.plan import Plan
from nnrun.search.record import LOSS
from nnrun.search.running import SearchOutcome, go_on, ran_before, strategy_of
from nnrun.search.seeds import SEED
from nnrun.search.state import Options, Search
from nnrun.search.strategies import STRATEGIES
from nnrun.search.study import Watcher
from nnrun.text import closest, duration, in_percent, one_of

__all__ = ["Options", "SearchOutcome", "begin", "begin_seeds", "resume"]

METRICS_OF_TRIALS = [*(f"{part}_{name}" for part in ("dev", "train") for name in METRICS), "cost"]  # that trials have


def begin(
    loaded: Loaded,
    root: Path,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    argv: Sequence[str] = (),
    space: Space | None = None,
) -> SearchOutcome:
    """Search around a configuration in a new directory under `root`; in that space, if the config has none.

    Raises ConfigError or DataError before the directory is made.
    """
    config, usual, metric = loaded.config, space, Objective(loaded.config.search.metric)
    space, known = _checked(loaded, usual)  # before the data are read, as that may take a while
    refuse_flat(options, config.search.strategy, metric)
    refuse_target(options, metric)
    refuse_below(options, metric)
    strategy_of(known, space, [config.search.trials])  # an optional library may be missing
    trainings = config.search.trials * (config.data.folds or 1)
    with opened(loaded, root, options, watcher, told_to_stop, trainings) as (executor, loaded, dataset):
        config = loaded.config
        for line in loaded.notices:
            if COMPILED in line:
                watcher.say(line)
        space, known = _on_data(loaded, dataset, usual)
        plan = Plan.of(config, space, [config.search.trials], options.kept(), options.repeat)
        run = create(root, loaded, dataset, plan, argv, "search")
        with run.locked():
            return go_on(Search(run, config, dataset, plan, options, executor, known), watcher, told_to_stop)


def examined(loaded: Loaded, dataset: Dataset) -> Space:
    """The space of a search, with its notices, after all that is looked at before the first trial.

    Raises ConfigError for what is wrong with the section `search`, or where all rows train; UsageError where its
    strategy lacks a library.
    """
    if loaded.config.data.without_dev:
        raise ConfigError([loaded.locate(("data", "fold"), NO_DEV)])
    space, known = _checked(loaded, None)
    strategy_of(known, space, [loaded.config.search.trials])
    return _on_data(loaded, dataset, None)[0]


def begin_seeds(
    run: StoredRun,
    n: int,
    root: Path,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    argv: Sequence[str] = (),
) -> SearchOutcome:
    """Train the configuration of a run with its seed and the n − 1 that follow, each as a trial of a search of seeds.

    Raises UsageError for a cross-validation, whose trials cannot be members of an ensemble.
    """
    if run.config.data.folds:
        raise UsageError(
            f"--seeds {n}: {run.name} is a cross-validation; without --cluster each of its folds trains {n} networks"
        )
    settings = {"name": f"{run.config.name}-seeds", "network.ensemble": 1, "search.trials": n}
    settings |= {"search.strategy": "grid", "search.space": "{}", "search.enqueue": "[]"}
    seeds = [run.config.seed + k for k in range(1, n)]
    loaded = run.loaded([f"{key}={value}" for key, value in settings.items()])
    return begin(loaded, root, options, watcher, told_to_stop, argv, Space.of({SEED: {"choice": seeds}}))


def _checked(loaded: Loaded, usual: Space | None) -> tuple[Space, list[Config]]:
    """The space and the given trials; a ConfigError lists all that is wrong with the section `search`."""
    search, metric = loaded.config.search, Objective(loaded.config.search.metric)
    problems = [
        loaded.locate(("search", key), _unknown_word(f"no {key}", word, names))
        for key, word, names in (
            ("strategy", search.strategy, list(STRATEGIES)),
            ("metric", metric.key, METRICS_OF_TRIALS),
        )
        if word not in names
    ]
    if search.strategy in STRATEGIES and STRATEGIES[search.strategy].continues_trials:
        why = f"{search.strategy} decides how many epochs each trial has; leave training.epochs out of the"
        changes = loaded.config.training.changes
        problems += [loaded.locate((*CHANGES, start), f"{why} changes") for start in changes if TOTAL in changes[start]]
        if TOTAL in search.space:
            problems.append(loaded.locate(("search", "space", TOTAL), f"{why} space"))
        if loaded.config.data.in_folds:
            why = f"{search.strategy} goes on with some of its trials, which folds cannot; use another strategy"
            problems.append(loaded.locate(("data", "folds"), why))
    problems += [*_unprunable(loaded), *_of_several_losses(loaded)]
    if wrong_way := _wrong_way(metric):
        problems.append(loaded.locate(("search", "metric"), wrong_way))
    try:
        found = load_known(loaded, begun=usual)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return found


def _on_data(loaded: Loaded, dataset: Dataset, usual: Space | None) -> tuple[Space, list[Config]]:
    """The space around the config as it is on these data, and the given trials."""
    refuse_misfit(loaded, dataset)
    space, known = load_known(loaded, _batch(loaded, dataset), usual)
    return replace(space, notices=(*space.notices, *metric_notices(loaded.config, dataset))), known


def _unprunable(loaded: Loaded) -> Iterator[str]:
    """Why trials cannot be compared epoch by epoch, where they are to be."""
    config, search = loaded.config, loaded.config.search
    if search.prune is None:
        return
    place = "search", "prune"
    if search.strategy in STRATEGIES and STRATEGIES[search.strategy].learns:
        fitting = one_of(name for name, kind in STRATEGIES.items() if not kind.learns)
        yield loaded.locate(place, f"{search.strategy} learns from results of whole trials; use {fitting}")
    if config.data.in_folds:
        yield loaded.locate(place, "trials in folds train fold after fold, so they have no epochs to compare")
    if search.metric != (compared := Objective.of(config.metrics.primary).written):
        why = f"epochs are compared by {compared}, trials by {search.metric}; set metrics.primary, or leave it out"
        yield loaded.locate(place, why)


def _of_several_losses(loaded: Loaded) -> Iterator[str]:
    """Why trials cannot be compared, where the losses are of several kinds by which they are to be."""
    search = loaded.config.search
    metric = Objective(search.metric)
    if LOSS in search.space and (metric.name == "loss" or metric.key == "cost"):
        why = f"cannot be searched by {search.metric}; losses of different kinds have no common scale"
        use = f"use search.metric: {'dev' if metric.key == 'cost' else metric.part}_error"
        yield loaded.locate(("search", "space", LOSS), f"{why}; {use}")


def refuse_unknown(strategy: str | None) -> None:
    """UsageError for the name of no strategy; None stands for that of the config."""
    if strategy is not None and strategy not in STRATEGIES:
        raise UsageError(f"--strategy: {_unknown_word('no strategy', strategy, list(STRATEGIES))}")


def refuse_flat(options: Options, strategy: str, metric: Objective) -> None:
    """UsageError where a search cannot end when it is flat, or by a size that no error has."""
    size = options.limits.get("stop_when_flat")
    if not size or math.isinf(size):
        return
    if STRATEGIES[strategy].continues_trials:
        why = f"{strategy} goes on with the best of its trials at its end, so what it gains is not told by those before"
        raise UsageError(f"--stop-when-flat: {why}; use another strategy, or --target")
    if in_percent(metric.key) and size >= 1:
        raise UsageError(f"--stop-when-flat {size:g}: {metric.written} is a share; write {size:g}% or a number below 1")


def refuse_target(options: Options, metric: Objective) -> None:
    """UsageError for a target above what a share comes to, or with the sign of a metric that is turned round.

    The first trial would reach it whatever it comes to.
    """
    target = options.limits.get("target")
    if target is None:
        return
    why = beyond(metric.name, target)
    if metric.maximised and target < 0:
        why = f"the target of {metric.written} is a value of {metric.key}, without the sign; {_meant(metric, -target)}"
    if why:
        raise UsageError(f"--target {target:g}: {why}")


def refuse_below(options: Options, metric: Objective) -> None:
    """UsageError for a target that no trial could reach, by which a search that goes on is rid of one."""
    target = options.limits.get("target")
    if target is not None and target < 0 and not metric.maximised:
        raise UsageError(f"--target {target:g}: {metric.key} is never below 0; {_meant(metric, -target)}")


def _meant(metric: Objective, target: float) -> str:
    told = f"{target:g}%" if beyond(metric.name, target) else f"{target:g}"
    return f"did you mean {told}?"


def _unknown_word(what: str, word: str, names: Sequence[str]) -> str:
    """`no strategy 'rundom'; did you mean random? allowed: …`."""
    close = closest(word.lower(), names)
    hint = f"did you mean {close}? " if close else ""
    return f"{what} {word!r}; {hint}allowed: {', '.join(names)}"


def _wrong_way(metric: Objective) -> str | None:
    """Why a metric of which more is better is not minimised."""
    if metric.name in HIGHER_IS_BETTER and not metric.maximised:
        return f"a search minimises its metric, and a higher {metric.name} is better; write -{metric.key}"
    return None


def refuse_misfit(loaded: Loaded, dataset: Dataset) -> None:
    """ConfigError where the metric of the search says nothing of these data."""
    metric = Objective(loaded.config.search.metric)
    if metric.name not in METRICS:
        return
    if problem := misfit(metric.name, dataset.task):
        aim = metric.key if metric.name in HIGHER_IS_BETTER else metric.written
        problem += f"; use {aim.removesuffix(metric.name)}error"
    elif problem := undefined(metric.name, dataset, metric.part):
        problem += f"; use {metric.part}_{DEFINED[dataset.task]}"
    if problem:
        raise ConfigError([loaded.locate(("search", "metric"), f"{metric.written} {problem}")])


def _batch(loaded: Loaded, dataset: Dataset) -> int:
    """The batch size that the config means on these data."""
    return batch_size(loaded.config, len(dataset.parts["train"].x))


def resume(
    run: RunDir,
    trials: int | None,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> SearchOutcome:
    """Continue a search, up to `trials` in total if given.

    Raises UsageError where fewer are asked for than were, or where what the trials follow from has changed.
    """
    loaded = StoredRun(run).loaded(options.moved)
    with reopened(run, loaded, "search", options, watcher, told_to_stop) as search:
        space, known = load_known(loaded, begun=search.plan.space)
        _refuse_changes(search, space)
        refuse_flat(search.options, search.plan.strategy, search.plan.objective)
        refuse_target(options, search.plan.objective)  # one below 0 takes the target away again
        _refuse_spent(search, options, trials)
        return go_on(extended(replace(search, known=known), trials), watcher, told_to_stop)


def _refuse_spent(search: Search, options: Options, trials: int | None) -> None:
    """UsageError where this call gives a running time that was over before it, so that no trial would begin."""
    limit, ran = options.limits.get("timeout"), ran_before(search)
    if limit is not None and limit <= ran and (trials or search.total) > len(search.ledger.read()[0]):
        enough = f"--timeout {int(ran) + math.ceil(limit)}"
        raise UsageError(
            f"--timeout {limit:g}: the time of all calls counts, and {search.run.id} has run {duration(ran)}; "
            f"{enough} gives it {duration(limit)} more"
        )


def _refuse_changes(search: Search, space: Space) -> None:
    plan = search.plan
    changed, lines = plan.changes(Plan.of(search.config, space, plan.totals, plan.limits, plan.repeat))
    if changed:
        what = f"{', '.join(changed)} changed since the search began; begin a new one"
        raise UsageError("\n".join([f"{search.run.id}: {what}", *lines]))
