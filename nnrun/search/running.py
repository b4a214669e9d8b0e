"""A search at work: from where it stands to its end."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nnrun.checkpoints import prune
from nnrun.config.config import Config
from nnrun.errors import ConfigError
from nnrun.rundir import RunDir, now
from nnrun.search.closing import close
from nnrun.search.cohorts import signature, stacked
from nnrun.search.ledger import Ledger, Record
from nnrun.search.mending import mend
from nnrun.search.repeats import repeat
from nnrun.search.search import Clock, Search
from nnrun.search.seeds import trial_seed
from nnrun.search.space import Space
from nnrun.search.spreadsheet import spreadsheet
from nnrun.search.strategies import Plan, Point, Strategy
from nnrun.search.study import Budget, Study, Trial, Watcher, failed
from nnrun.search.table import STRATEGIES
from nnrun.search.worker import train_trials


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended, its records by number, and run.json as it stands now."""

    run: RunDir
    status: str
    records: list[Record]
    record: dict[str, Any]


def go_on(search: Search, watcher: Watcher, told_to_stop: Callable[[], bool]) -> SearchOutcome:
    """Run the trials that are not finished, and close the search."""
    clock = Clock(_ran_before(search), math.inf if search.options.seconds is None else search.options.seconds)
    search.folder.mkdir(exist_ok=True)
    search.run.update_record(
        status="running", started=now(), process=os.getpid(), running_seconds=clock.before, error=None
    )
    try:
        status, records = _run(search, clock, watcher, told_to_stop)
        search.run.write("trials.csv", spreadsheet(records, search.space.keys))
    except BaseException as error:
        _note_end(search, clock, error)
        raise
    search.run.update_record(status=status, ended=now(), running_seconds=clock.seconds)
    return SearchOutcome(search.run, status, records, search.run.read_json("run.json"))


def _run(search: Search, clock: Clock, watcher: Watcher, told_to_stop: Callable[[], bool]) -> tuple[str, list[Record]]:
    """The status in the end, and the records by number."""
    for line in mend(search.ledger, search.folder, search.metric):
        watcher.say(line)
    strategy = strategy_of(search.known, search.space, search.plan["totals"])
    study = _study(search, strategy, watcher)
    target = search.options.target
    budget = Budget(search.total, clock.left, -math.inf if target is None else target)
    study.run(budget, told_to_stop)
    records = study.records
    ended_by = _reason(study, budget, clock, told_to_stop)
    status = close(search, records, study.best(), strategy, ended_by)
    if search.repeats and ended_by != "signal":
        repeated = repeat(search, records, clock, told_to_stop, watcher)
        search.run.update_record(repeats=repeated)
        if told_to_stop() and any(each["n"] + each["lost"] < search.repeats for each in repeated):
            status = "interrupted"
    return status, records


def _reason(study: Study, budget: Budget, clock: Clock, told_to_stop: Callable[[], bool]) -> str:
    """What ended the study: trials, target, signal, timeout or points (there are no more of them)."""
    best = study.best()
    if study.finished >= budget.trials:
        return "trials"
    if best is not None and study.metric.value(best) <= budget.target:
        return "target"
    if told_to_stop():
        return "signal"
    return "timeout" if clock.seconds - clock.before >= budget.seconds else "points"


def _ran_before(search: Search) -> float:
    """Seconds that earlier calls ran; one that was killed ran at least until its last trial was finished."""
    record = search.run.read_json("run.json")
    seconds = float(record.get("running_seconds", 0.0))
    if record["status"] != "running":
        return seconds
    begun = datetime.fromisoformat(record["started"]).timestamp()
    ledgers = [search.ledger.path, *search.run.path.glob("repeats/*/trials.jsonl")]
    times = [float(trial["time"]) for path in ledgers for trial in Ledger(path).read()[0]]
    return seconds + max([0.0, *(end - begun for end in times)])


def _note_end(search: Search, clock: Clock, error: BaseException) -> None:
    """What an error leaves behind, as far as the disk takes it; everything finished is in the ledger."""
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    words = "; ".join((str(error) or type(error).__name__).splitlines())
    with suppress(OSError):
        search.run.update_record(status=status, ended=now(), running_seconds=clock.seconds, error=words)
        records, _ = search.ledger.read()
        search.run.write("trials.csv", spreadsheet(records, search.space.keys))


def _study(search: Search, strategy: Strategy, watcher: Watcher) -> Study:
    return Study(
        strategy=strategy,
        make=lambda point: _trial(search, point),
        given=[Point(number, search.space.read(config)) for number, config in enumerate(search.known)],
        metric=search.metric,
        ledger=search.ledger,
        executor=search.executor,
        work=train_trials,
        job=search.job(search.folder, strategy.continues_trials),
        watcher=watcher,
        retire=lambda number: prune(RunDir(search.folder / f"{number:04d}")),
    )


def strategy_of(known: Sequence[Config], space: Space, totals: Sequence[int]) -> Strategy:
    """The strategy of the first of these configs; it is told of those trials of theirs that lie in the space."""
    config = known[0]
    inside = frozenset(number for number, given in enumerate(known) if space.contains(space.read(given)))
    plan = Plan(space, config.seed, totals, config.training.epochs, len(known), inside)
    return STRATEGIES[config.search.strategy](plan)


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
        most=search.options.stacked(stacked(made, search.dataset)),
    )


def _config(search: Search, point: Point) -> Config:
    if point.number < len(search.known):
        return search.known[point.number]
    return search.space.configure(search.config, point.values)
