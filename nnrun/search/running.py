"""A search at work: from where it stands to its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.random import SeedSequence

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.randomness import PURPOSES
from nnrun.errors import ConfigError
from nnrun.experiment import CACHE
from nnrun.rundir import RunDir, now
from nnrun.search.closing import close
from nnrun.search.cohorts import signature, stacked
from nnrun.search.executors import Executor
from nnrun.search.ledger import Ledger, Record
from nnrun.search.options import Options
from nnrun.search.space import Space
from nnrun.search.spreadsheet import spreadsheet
from nnrun.search.strategies import Plan, Point, Strategy
from nnrun.search.study import Budget, Metric, Study, Trial, Watcher, entry, failed
from nnrun.search.table import STRATEGIES
from nnrun.search.worker import record_of, train_trials
from nnrun.session import Outcome

TRIAL_SEEDS = max(PURPOSES.values()) + 1


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended, its records by number, and run.json as it stands now."""

    run: RunDir
    status: str
    records: list[Record]
    record: dict[str, Any]


@dataclass(frozen=True)
class Search:
    """A search that this process holds."""

    run: RunDir
    config: Config
    dataset: Dataset
    plan: dict[str, Any]  # search.yaml
    options: Options
    executor: Executor
    known: list[Config]  # of the first trials, which no strategy chooses: the config as written, search.enqueue

    @cached_property
    def space(self) -> Space:
        """What is searched."""
        return Space.of(self.plan["space"])

    @property
    def metric(self) -> Metric:
        """What is minimised."""
        return Metric(self.plan["metric"])

    @property
    def total(self) -> int:
        """The number of trials asked for."""
        return int(self.plan["totals"][-1])

    @property
    def ledger(self) -> Ledger:
        """trials.jsonl."""
        return Ledger(self.run.path / "trials.jsonl")

    @property
    def folder(self) -> Path:
        """Where the trials' directories lie."""
        return self.run.path / "trials"


def go_on(search: Search, watcher: Watcher, told_to_stop: Callable[[], bool]) -> SearchOutcome:
    """Run the trials that are not finished, and close the search."""
    search.folder.mkdir(exist_ok=True)
    _recover(search)
    search.run.update_record(status="running", started=now(), process=os.getpid())
    strategy = strategy_of(search.known, search.space, search.plan["totals"])
    study = _study(search, strategy, watcher)
    study.run(Budget(search.total, search.options.seconds, search.options.target), told_to_stop)
    stopped = told_to_stop() and len(study.records) < search.total
    records = sorted(study.records, key=lambda record: int(record["number"]))
    status = close(search.run, search.dataset, records, study.best(), strategy, stopped)
    search.run.write("trials.csv", spreadsheet(records, search.space.keys))
    return SearchOutcome(search.run, status, records, search.run.read_json("run.json"))


def _study(search: Search, strategy: Strategy, watcher: Watcher) -> Study:
    return Study(
        strategy=strategy,
        make=lambda point: _trial(search, point),
        given=[Point(number, search.space.read(config)) for number, config in enumerate(search.known)],
        metric=search.metric,
        ledger=search.ledger,
        executor=search.executor,
        work=train_trials,
        job={"folder": str(search.folder), "cache": str(search.run.path.parent / CACHE)},
        watcher=watcher,
    )


def strategy_of(known: Sequence[Config], space: Space, totals: Sequence[int]) -> Strategy:
    """The strategy of the first of these configs; it is told of those trials of theirs that lie in the space."""
    config = known[0]
    inside = frozenset(number for number, given in enumerate(known) if space.contains(space.read(given)))
    plan = Plan(space, config.seed, totals, config.training.epochs, len(known), inside)
    return STRATEGIES[config.search.strategy](plan)


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's run, by the search's seed and the trial's number alone; trial 0 keeps the config's."""
    return seed if number == 0 else int(SeedSequence([seed, TRIAL_SEEDS, number]).generate_state(1)[0])


def _trial(search: Search, point: Point) -> Trial | Record:
    """What a worker is given, or the record of a failure where the settings contradict each other."""
    try:
        made = _config(search, point)
    except ConfigError as error:
        return failed(point.number, point.values, "; ".join(error.problems))
    seed = trial_seed(search.config.seed, point.number)
    if point.resume is not None:  # the same run, for longer
        seed = RunDir(search.folder / f"{point.resume:04d}").read_json("run.json")["seed"]
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
        most=min(search.options.most_stacked, stacked(made, search.dataset)),
    )


def _config(search: Search, point: Point) -> Config:
    if point.number < len(search.known):
        return search.known[point.number]
    return search.space.configure(search.config, point.values)


def _recover(search: Search) -> None:
    """Bring the ledger up to what the trial directories hold: a kill may fall between the two."""
    search.ledger.repair()
    records, _ = search.ledger.read()
    known = {record["number"] for record in records}
    for path in sorted(search.folder.glob("[0-9]*/run.json")):
        run = RunDir(path.parent)
        if not run.id.isdigit() or int(run.id) in known:
            continue
        record = run.read_json("run.json")
        if record["status"] in ("done", "diverged"):
            outcome = Outcome(run, record["status"], record)
            found = record_of(int(run.id), run.read_json("values.json"), outcome)
            search.ledger.append(entry(found | {"attempt": None}, search.metric))
