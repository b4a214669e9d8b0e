"""The verbs of a search: begin one, resume one."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from numpy.random import SeedSequence

from nnrun.assembly import memory_available
from nnrun.checkpoints import load_best, prune
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import Loaded, load_config
from nnrun.data.dataset import Dataset
from nnrun.engine.randomness import PURPOSES
from nnrun.errors import ConfigError, DataError, NnrunError, UsageError
from nnrun.experiment import CACHE, first_files, prepare, same_data
from nnrun.measures import finals
from nnrun.rundir import UNFINISHED, RunDir, now
from nnrun.search.cohorts import LARGEST, signature, stacked
from nnrun.search.executors import Executor, Inline, Pool
from nnrun.search.ledger import Ledger, Record
from nnrun.search.parsing import load_space
from nnrun.search.space import Space, difference
from nnrun.search.strategies import Plan, Point, Strategy
from nnrun.search.study import Budget, Metric, Study, Trial, Watcher, entry, failed
from nnrun.search.table import STRATEGIES
from nnrun.search.worker import record_of, train_trials
from nnrun.session import Outcome, Session

TRIAL_SEEDS = max(PURPOSES.values()) + 1
MEMORY_SHARE = 0.8
METRICS = [*(f"{part}_{what}" for part in ("dev", "train") for what in ("error", "loss", "rmse")), "cost"]


@dataclass(frozen=True)
class Options:
    """What a call of the command decides, and what no result depends on."""

    workers: int = 1
    seconds: float = math.inf
    target: float = -math.inf
    trial_timeout: float | None = None
    trial_memory: int | None = None
    most_stacked: int = LARGEST
    in_process: bool = True  # one worker without limits may be this process, which then cannot stop in mid-trial

    def executor(self) -> Executor:
        """Workers that can be killed, or this process."""
        if self.in_process and self.workers == 1 and self.trial_timeout is None and self.trial_memory is None:
            return Inline()
        memory = self.trial_memory or int(MEMORY_SHARE * memory_available() / self.workers)
        return Pool(self.workers, self.trial_timeout, memory)


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended, its records by number, and run.json as it stands now."""

    run: RunDir
    status: str
    records: list[Record]
    record: dict[str, Any]


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
    _strategy(config, space, [config.search.trials])  # an optional library may be missing
    with closing(options.executor()) as executor:  # workers start while the data is read
        dataset, _ = prepare(loaded, root)
        run = _create(loaded, root, space, dataset, argv)
        with run.locked():
            started(run, space, config.search.trials)
            return _go_on(run, config, dataset, options, executor, watcher, told_to_stop)


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
            run.write("search.yaml", dump_yaml(plan | {"totals": [*plan["totals"], total]}))
        started(run, space, total)
        return _go_on(run, loaded.config, dataset, options, executor, watcher, told_to_stop)


def _go_on(
    run: RunDir,
    config: Config,
    dataset: Dataset,
    options: Options,
    executor: Executor,
    watcher: Watcher,
    told_to_stop: Callable[[], bool],
) -> SearchOutcome:
    plan = yaml.safe_load(run.read("search.yaml"))
    space, folder = Space.of(plan["space"]), run.path / "trials"
    folder.mkdir(exist_ok=True)
    ledger = Ledger(run.path / "trials.jsonl")
    _recover(ledger, folder, Metric(plan["metric"]))
    run.update_record(status="running", started=now(), process=os.getpid())
    strategy = _strategy(config, space, plan["totals"])
    study = Study(
        strategy=strategy,
        make=lambda point: _trial(config, space, folder, dataset, options.most_stacked, point),
        given=[Point(0, space.read(config))],
        metric=Metric(plan["metric"]),
        ledger=ledger,
        executor=executor,
        work=train_trials,
        job={"folder": str(folder), "cache": str(run.path.parent / CACHE), "continued": strategy.continues_trials},
        watcher=watcher,
        retire=lambda number: prune(RunDir(folder / f"{number:04d}")),
    )
    study.run(Budget(plan["totals"][-1], options.seconds, options.target), told_to_stop)
    stopped = told_to_stop() and study.finished < plan["totals"][-1]
    return _close(run, config, dataset, study, strategy, stopped)


def _strategy(config: Config, space: Space, totals: Sequence[int]) -> Strategy:
    """The config as written is trial 0; the strategy is told of it if it lies in the space."""
    inside = space.contains(space.read(config))
    plan = Plan(space, config.seed, totals, config.training.epochs, 1, frozenset([0] if inside else []))
    return STRATEGIES[config.search.strategy](plan)


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's run, by the search's seed and the trial's number alone; trial 0 keeps the config's."""
    return seed if number == 0 else int(SeedSequence([seed, TRIAL_SEEDS, number]).generate_state(1)[0])


def _trial(
    config: Config, space: Space, folder: Path, dataset: Dataset, most_stacked: int, point: Point
) -> Trial | Record:
    """What a worker is given, or the record of a failure where the settings contradict each other."""
    try:
        made = space.configure(config, point.values) if point.number else config
    except ConfigError as error:
        return failed(point.number, point.values, "; ".join(error.problems))
    seed = trial_seed(config.seed, point.number)
    if point.resume is not None:  # the same run, for longer
        seed = RunDir(folder / f"{point.resume:04d}").read_json("run.json")["seed"]
    values = made.resolved() | {"seed": seed}
    if point.epochs is not None:
        values["training"]["epochs"] = point.epochs
    return Trial(
        point.number,
        point.values,
        values,
        resume=point.resume,
        alone=point.resume is not None,
        shape=signature(values),
        most=min(most_stacked, stacked(made, dataset)),
    )


def _recover(ledger: Ledger, folder: Path, metric: Metric) -> None:
    """Bring the ledger up to what the trial directories hold: a kill may fall between the two."""
    ledger.repair()
    records, _ = ledger.read()
    known = {record["number"] for record in records}
    for path in sorted(folder.glob("[0-9]*/run.json")):
        run = RunDir(path.parent)
        if not run.id.isdigit() or int(run.id) in known:
            continue
        record = run.read_json("run.json")
        if record["status"] in ("done", "diverged"):
            outcome = Outcome(run, record["status"], record)
            found = record_of(int(run.id), run.read_json("values.json"), outcome)
            ledger.append(entry(found | {"attempt": None}, metric))


def _close(
    run: RunDir, config: Config, dataset: Dataset, study: Study, strategy: Strategy, stopped: bool
) -> SearchOutcome:
    """Put the best trial into best/, read the test part for it alone, and complete run.json."""
    for abandoned in (run.path / "trials").glob(f"{UNFINISHED}*"):  # by workers that were killed
        shutil.rmtree(abandoned, ignore_errors=True)
    records = study.records
    counts = {status: sum(r["status"] == status for r in records) for status in ("done", "diverged", "failed")}
    status = "interrupted" if stopped else next((s for s in ("done", "diverged", "failed") if counts[s]), "interrupted")
    best, before = study.best(), run.read_json("run.json")
    final, reads = before.get("final") or {}, before.get("test_reads", 0)
    chosen = before.get("best_trial")
    if best is not None and not stopped and chosen != best["number"]:
        chosen = best["number"]
        final = _swap_in(run, best["number"], dataset)
        reads += "test_error" in final
    run.update_record(
        status=status,
        ended=now(),
        seconds=sum(record.get("seconds") or 0 for record in records),
        trials=len(records),
        counts=counts,
        best_trial=chosen,
        best_epoch=None if best is None else best["best_epoch"],
        epochs=None if best is None else best["epochs"],
        final=final,
        test_reads=reads,
        notes=[*getattr(strategy, "warnings", lambda: [])()],
        stages=[stage.as_dict() for stage in getattr(strategy, "stages", lambda: [])()],
    )
    return SearchOutcome(run, status, records, run.read_json("run.json"))


def _swap_in(run: RunDir, number: int, dataset: Dataset) -> dict[str, Any]:
    """Copy the trial to best/ as a whole, with its test error, which is read here and nowhere else."""
    fresh, best = run.path / "best.new", run.path / "best"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(run.path / "trials" / f"{number:04d}", fresh)
    except shutil.Error as error:  # it lists every file
        raise NnrunError(f"the best trial cannot be copied; {error.args[0][0][2]}") from None
    copy = RunDir(fresh)
    session = Session([load_config(fresh / "resolved.yaml").config], dataset)
    session.trainer.epoch = copy.read_json("run.json")["epochs"]
    load_best(copy, session.trainer, session.best)
    final = finals(session.trainer, session.best, dataset, list(dataset.parts))[0]
    copy.update_record(final=final)
    shutil.rmtree(best, ignore_errors=True)
    fresh.rename(best)
    return final
