"""The verbs of a search: begin one, resume one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import yaml

from nnrun.config.dump import dump_yaml
from nnrun.config.load import Loaded, load_config
from nnrun.data.dataset import Dataset
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.experiment import first_files, prepare, same_data
from nnrun.rundir import RunDir
from nnrun.search.options import Options
from nnrun.search.parsing import load_space
from nnrun.search.running import Search, SearchOutcome, go_on, strategy_of
from nnrun.search.space import Space, difference
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
    config, space = loaded.config, load_space(loaded)
    if config.search.strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigError([loaded.locate(("search", "strategy"), f"no strategy {config.search.strategy!r}; {known}")])
    if config.search.metric.removeprefix("-") not in METRICS:
        known = ", ".join(METRICS)
        wrong = f"no metric {config.search.metric!r}; with or without a leading -: {known}"
        raise ConfigError([loaded.locate(("search", "metric"), wrong)])
    strategy_of(config, space, [config.search.trials])  # an optional library may be missing
    with closing(options.executor()) as executor:  # workers start while the data is read
        dataset, _ = prepare(loaded, root)
        run = _create(loaded, root, space, dataset, argv)
        with run.locked():
            started(run, space, config.search.trials)
            plan = yaml.safe_load(run.read("search.yaml"))
            return go_on(Search(run, config, dataset, plan, options, executor), watcher, told_to_stop)


def _create(loaded: Loaded, root: Path, space: Space, dataset: Dataset, argv: Sequence[str]) -> RunDir:
    config = loaded.config
    plan = {
        "schema_version": 1,
        "strategy": config.search.strategy,
        "metric": config.search.metric,
        "seed": config.seed,
        "totals": [config.search.trials],
        "space": space.written(),
    }

    def files(run_id: str) -> dict[str, bytes]:
        made = first_files(run_id, config, loaded.text, dataset, argv, parent=None)
        return made | {"search.yaml": dump_yaml(plan).encode()}

    return RunDir.create(root, f"{config.name}-search", files)


def resume(
    run: RunDir,
    trials: int | None,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    started: Callable[[RunDir, Space, int], None] = lambda run, space, trials: None,
) -> SearchOutcome:
    """Continue a search, up to `trials` in total if given; UsageError where fewer are asked for than were."""
    loaded = load_config(run.path / "resolved.yaml")
    with closing(options.executor()) as executor, run.locked():
        dataset, _ = prepare(loaded, run.path.parent)
        if not same_data(run, dataset):
            raise DataError(f"{run.id}: the data is no longer what this search began with; begin a new one")
        plan = yaml.safe_load(run.read("search.yaml"))
        space, total = Space.of(plan["space"]), trials or plan["totals"][-1]
        if changes := difference(plan["space"], load_space(loaded).written()):
            raise UsageError("\n".join([f"{run.id}: the space has changed; begin a new search", *changes]))
        if total < plan["totals"][-1]:
            raise UsageError(f"{run.id} was asked for {plan['totals'][-1]} trials already; --trials must not be fewer")
        if total > plan["totals"][-1]:
            plan = plan | {"totals": [*plan["totals"], total]}
            run.write("search.yaml", dump_yaml(plan))
        started(run, space, total)
        return go_on(Search(run, loaded.config, dataset, plan, options, executor), watcher, told_to_stop)
