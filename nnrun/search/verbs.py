"""The verbs of a search: begin one, resume one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import Loaded, load_config
from nnrun.data.dataset import Dataset
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.experiment import first_files, prepare, same_data
from nnrun.rundir import RunDir
from nnrun.search.known import load_known
from nnrun.search.options import Options
from nnrun.search.running import Search, SearchOutcome, go_on, strategy_of
from nnrun.search.space import Space, difference, one_line
from nnrun.search.study import Watcher
from nnrun.search.table import STRATEGIES

__all__ = ["Options", "SearchOutcome", "begin", "resume"]

METRICS = [*(f"{part}_{what}" for part in ("dev", "train") for what in ("error", "loss", "rmse")), "cost"]


def begin(
    loaded: Loaded,
    root: Path,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    argv: Sequence[str] = (),
    started: Callable[[RunDir, Space, int], None] = lambda run, space, trials: None,
) -> SearchOutcome:
    """Search around a configuration in a new directory under `root`.

    Raises ConfigError or DataError before the directory is made.
    """
    config, (space, known) = loaded.config, _checked(loaded)
    strategy_of(known, space, [config.search.trials])  # an optional library may be missing
    with closing(options.executor()) as executor:  # workers start while the data is read
        dataset, _ = prepare(loaded, root)
        run = _create(loaded, root, space, dataset, argv)
        with run.locked():
            started(run, space, config.search.trials)
            plan = yaml.safe_load(run.read("search.yaml"))
            return go_on(Search(run, config, dataset, plan, options, executor, known), watcher, told_to_stop)


def _checked(loaded: Loaded) -> tuple[Space, list[Config]]:
    """The space and the given trials; a ConfigError lists all that is wrong with the section `search`."""
    search = loaded.config.search
    problems = [
        loaded.locate(("search", key), unknown_word(f"no {key}", word, names))
        for key, word, names in (
            ("strategy", search.strategy, list(STRATEGIES)),
            ("metric", search.metric.removeprefix("-"), METRICS),
        )
        if word not in names
    ]
    try:
        found = load_known(loaded)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return found


def unknown_word(what: str, word: str, names: Sequence[str]) -> str:
    """`no strategy 'rundom'; did you mean random? allowed: …`."""
    close = get_close_matches(word.lower(), names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{what} {word!r}; {hint}allowed: {', '.join(names)}"


def _create(loaded: Loaded, root: Path, space: Space, dataset: Dataset, argv: Sequence[str]) -> RunDir:
    config = loaded.config
    plan = {"schema_version": 1, "totals": [config.search.trials], **_fixed(config, space)}

    def files(run_id: str) -> dict[str, bytes]:
        made = first_files(run_id, config, loaded.text, dataset, argv, parent=None)
        return made | {"search.yaml": dump_yaml(plan).encode()}

    return RunDir.create(root, f"{config.name}-search", files)


def _fixed(config: Config, space: Space) -> dict[str, Any]:
    """What the trials follow from, and what may not change from the first to the last of them."""
    return {
        "strategy": config.search.strategy,
        "metric": config.search.metric,
        "seed": config.seed,
        "epochs": config.training.epochs,
        "space": space.written(),
        "enqueue": config.search.enqueue,
    }


def resume(
    run: RunDir,
    trials: int | None,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    started: Callable[[RunDir, Space, int], None] = lambda run, space, trials: None,
) -> SearchOutcome:
    """Continue a search, up to `trials` in total if given.

    Raises UsageError where fewer are asked for than were, or where what the trials follow from has changed.
    """
    loaded = load_config(run.path / "resolved.yaml")
    with closing(options.executor()) as executor, run.locked():
        dataset, _ = prepare(loaded, run.path.parent)
        if not same_data(run, dataset):
            raise DataError(f"{run.id}: the data is no longer what this search began with; begin a new one")
        (space, known), plan = load_known(loaded), yaml.safe_load(run.read("search.yaml"))
        _refuse_changes(run, plan, _fixed(loaded.config, space))
        plan = _extended(run, plan, trials)
        started(run, space, plan["totals"][-1])
        search = Search(run, loaded.config, dataset, plan, options, executor, known)
        return go_on(search, watcher, told_to_stop)


def _refuse_changes(run: RunDir, plan: dict[str, Any], fixed: dict[str, Any]) -> None:
    changed = [name for name, value in fixed.items() if plan[name] != value]
    if changed:
        lines = difference(plan["space"], fixed["space"])
        lines += [f"{name}: {one_line(plan[name])} → {one_line(fixed[name])}" for name in changed if name != "space"]
        what = f"{', '.join(changed)} changed since the search began; begin a new one"
        raise UsageError("\n".join([f"{run.id}: {what}", *lines]))


def _extended(run: RunDir, plan: dict[str, Any], trials: int | None) -> dict[str, Any]:
    """search.yaml with another total, if one is asked for."""
    *_, total = plan["totals"]
    if trials is None or trials == total:
        return plan
    if trials < total:
        raise UsageError(f"{run.id} was asked for {total} trials already; --trials must not be fewer")
    longer = plan | {"totals": [*plan["totals"], trials]}
    run.write("search.yaml", dump_yaml(longer))
    return longer
