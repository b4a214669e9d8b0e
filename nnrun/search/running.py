"""A search at work: from where it stands to its end, with the test of the trial that is chosen."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import get_args

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.errors import ConfigError
from nnrun.locks import drop_abandoned
from nnrun.runs.checkpoints import drop_checkpoints, is_whole
from nnrun.runs.engines import compile_for_workers, uncompiled
from nnrun.runs.finding import trial_of
from nnrun.runs.full_disk import resumable, shortage
from nnrun.runs.records import RunStatus
from nnrun.runs.rundir import UNFINISHED, RunDir, now
from nnrun.runs.steering import Steering
from nnrun.runs.steering import mend as mend_requests
from nnrun.runs.stored import StoredRun
from nnrun.search.choosing import Restore, choose, restored
from nnrun.search.duration import expected_time
from nnrun.search.flatness import Flatness
from nnrun.search.importance import random_search_expected
from nnrun.search.ledger import mend
from nnrun.search.pruning import Median, limited
from nnrun.search.record import EndedBy, Ending, SearchRecord, TrialRecord, TrialResult, sharing, spreadsheet
from nnrun.search.repeats import repeat
from nnrun.search.seeds import SEED, trial_seed
from nnrun.search.state import Clock, Search
from nnrun.search.stored import StoredSearch
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Point, Strategy
from nnrun.search.study import Budget, Study, Watcher
from nnrun.search.telling import flat_lines
from nnrun.search.trials import Trial, failed, signature, stacked, train_trials

DTYPE = "training.dtype"


def close(
    search: Search,
    records: Sequence[TrialRecord],
    best: TrialRecord | None,
    strategy: Strategy,
    ended_by: EndedBy,
    restore: Restore,
) -> RunStatus:
    """Put the best trial into best/, and its results and those of all trials into run.json; the status to come."""
    drop_abandoned(search.folder, UNFINISHED)  # by workers that were killed
    chosen = choose(search.run, search.dataset_of, None if ended_by == "signal" else best, restore)
    counts: dict[RunStatus, int] = {status: sum(r["status"] == status for r in records) for status in get_args(Ending)}
    pruned = {"pruned_trials": sum(r.get("pruned", False) for r in records)} if search.plan.prune else {}
    search.run.update_record(
        ended_by=ended_by,
        seconds=sum(record.get("seconds") or 0 for record in records),
        trials=len(records),
        counts=counts,
        **pruned,
        best_trial=chosen["trial"],
        ties=len(sharing(records)),
        best_epoch=None if best is None else best["best_epoch"],
        epochs=None if best is None else best["epochs"],
        final=chosen["final"],
        test_reads=chosen["test_reads"],
        random_search_expected=random_search_expected(records, strategy),
        notes=strategy.warnings(),
        stages=strategy.stages(),
    )
    if ended_by == "signal":
        return "interrupted"
    return next((status for status, count in counts.items() if count), "interrupted")


@dataclass(frozen=True)
class Course:
    """What the trials of a search follow from, and what is made of them when they have ended."""

    strategy: Strategy
    given: list[Point]  # trials that no strategy chooses
    config: Callable[[Point], Config]  # ConfigError where the settings contradict each other
    seed: Callable[[int], int]  # by the number of the trial
    conclude: Callable[[list[TrialRecord]], None] = lambda records: None
    choose: Callable[[TrialRecord | None], TrialRecord | None] = lambda best: best  # what best/ holds, of the best one
    pruner: Median | None = None  # ends trials early that fall behind
    drops_checkpoints: bool = True  # whether checkpoints of trials far from the best may go


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended, its records by number, and run.json as it stands now."""

    run: RunDir
    status: RunStatus
    records: list[TrialRecord]
    record: SearchRecord


def go_on(
    search: Search, watcher: Watcher, told_to_stop: Callable[[], bool], course: Course | None = None
) -> SearchOutcome:
    """Run the trials that are not finished, and close the search."""
    told = _compiled_first(search, watcher)
    watcher.started(search.run, search.plan)
    for line in told:
        watcher.say(line)
    course = course or usual_course(search)
    limit = search.options.limits.get("timeout")
    clock = Clock(ran_before(search), math.inf if limit is None else limit)
    search.folder.mkdir(exist_ok=True)
    search.run.update_record(
        status="running", started=now(), process=os.getpid(), running_seconds=clock.before, error=None
    )
    mend_requests(search.run, search.config)
    steering = Steering(search.run, watcher.say, told_to_stop, search.config.tracking)

    def asked_to_stop() -> bool:
        """Asked between trials, so a pause is a wait in here."""
        began = clock.begun
        with clock.standing():
            steering.between(epoch=None)
        watcher.stood(clock.begun - began)
        if clock.is_to_be_kept():
            search.run.update_record(running_seconds=clock.seconds)
        return steering.stopped or told_to_stop()

    with resumable(search.run.path):
        try:
            status, records = _run(search, course, clock, watcher, asked_to_stop)
            search.run.write("trials.csv", spreadsheet(records, search.space.keys))
        except BaseException as error:
            _note_end(search, clock, error)
            raise
    search.run.update_record(status=status, ended=now(), running_seconds=clock.seconds)
    return SearchOutcome(search.run, status, records, StoredSearch(StoredRun(search.run)).record)


def _run(
    search: Search, course: Course, clock: Clock, watcher: Watcher, told_to_stop: Callable[[], bool]
) -> tuple[RunStatus, list[TrialRecord]]:
    """The status in the end, and the records by number."""
    for line in mend(search.ledger, search.folder, search.plan.objective):
        watcher.say(line)
    watcher.outlook(lambda: expected_time(search))
    restore = partial(restored, search, course.strategy.continues_trials, course.config, watcher.say)
    study = _study(search, course, watcher, restore)
    target = search.options.limits.get("target")
    enough = -math.inf if target is None else search.plan.objective.sign * target
    size, learns = search.options.limits.get("stop_when_flat") or math.inf, course.strategy.learns
    flat = Flatness(size, search.total, course.strategy.brief.first, learns) if math.isfinite(size) else None
    study.run(Budget(search.total, lambda: clock.left, enough, flat), told_to_stop)
    records, ended_by = study.records, study.ended_by(told_to_stop)
    found = flat.found if flat and ended_by == "flat" else None
    search.run.update_record(flat=found)
    for line in flat_lines(found, search.plan.objective):
        watcher.say(line)
    status = close(search, records, course.choose(study.best()), course.strategy, ended_by, restore)
    if ended_by != "signal":
        course.conclude(records)
    if search.repeats and ended_by != "signal":
        repeated = repeat(search, records, clock, told_to_stop, watcher, restore)
        search.run.update_record(repeats=repeated)
        if told_to_stop() and any(each["n"] + each["lost"] < search.repeats for each in repeated):
            status = "interrupted"
    return status, records


def _compiled_first(search: Search, watcher: Watcher) -> list[str]:
    """Have the code at hand that workers here need, in every precision among their trials; what to know of that."""
    if search.config.training.engine != "compiled" or search.options.cluster is not None:
        return []
    written = search.space.written().get(DTYPE, {}).get("choice", [])
    dtypes = {search.config.training.dtype, *(config.training.dtype for config in search.known), *written}
    lacking = uncompiled(dtypes)
    is_needed = lacking and (search.repeats or len(search.ledger.read()[0]) < search.total)
    return compile_for_workers(lacking, watcher.preparing) if is_needed else []


def ran_before(search: Search) -> float:
    """Seconds that earlier calls ran; of one that was killed, until a second before it last ended a trial."""
    return float(search.run.read_record().get("running_seconds", 0.0))


def _note_end(search: Search, clock: Clock, error: BaseException) -> None:
    """What an error leaves behind, as far as the disk takes it; everything finished is in the ledger."""
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    words = "; ".join((shortage(error) or str(error) or type(error).__name__).splitlines())
    with suppress(OSError):
        search.run.update_record(status=status, ended=now(), running_seconds=clock.seconds, error=words)
        records, _ = search.ledger.read()
        search.run.write("trials.csv", spreadsheet(records, search.space.keys))


def usual_course(search: Search) -> Course:
    """The trials that the user gives, then those of the strategy that the config names."""
    return Course(
        strategy=strategy_of(search.known, search.space, search.plan.totals, search.plan.skips_stopped),
        given=[Point(number, search.space.read(config)) for number, config in enumerate(search.known)],
        config=lambda point: _config(search, point),
        seed=lambda number: trial_seed(search.config.seed, number),
        pruner=Median(len(search.known)) if search.plan.prune else None,
    )


def _study(search: Search, course: Course, watcher: Watcher, restore: Restore) -> Study:
    def drop(number: int) -> None:
        drop_checkpoints(trial_of(search.run.path, number))

    return Study(
        strategy=course.strategy,
        make=lambda point: _trial(search, course, point, restore),
        given=course.given,
        metric=search.plan.objective,
        ledger=search.ledger,
        executor=search.executor,
        work=train_trials,
        job=search.job(search.folder, course.strategy.continues_trials),
        watcher=watcher,
        pruner=course.pruner,
        drop_checkpoints=drop if course.drops_checkpoints else lambda number: None,
    )


def strategy_of(known: Sequence[Config], space: Space, totals: Sequence[int], skips_stopped: bool = True) -> Strategy:
    """The strategy of the first of these configs; it is told of those trials of theirs that lie in the space."""
    config = known[0]
    inside = frozenset(number for number, given in enumerate(known) if space.contains(space.read(given)))
    brief = Brief(space, config.seed, totals, config.training.epochs, len(known), inside, skips_stopped)
    return STRATEGIES[config.search.strategy](brief)


def _trial(search: Search, course: Course, point: Point, restore: Restore) -> Trial | TrialResult:
    """What a worker is given, or the record of a failure where the settings contradict each other."""
    try:
        made = course.config(point)
    except ConfigError as error:
        return failed(point.number, point.values, "; ".join(error.problems))
    seed = point.values[SEED] if SEED in point.values else course.seed(point.number)
    if point.resume is not None:  # the same run, for longer
        seed = _still_there(search, point.resume, restore).read_record()["seed"]
    values, ceilings = limited(made, point.epochs, search.plan.skips_stopped)
    values["seed"] = seed
    return Trial(
        point.number,
        point.values,
        values,
        resume=point.resume,
        alone=point.resume is not None,
        shape=signature(values),
        most=search.options.stacked(stacked(made, search.dataset)),
        ceilings=ceilings,
    )


def _still_there(search: Search, number: int, restore: Restore) -> RunDir:
    """A finished trial with its checkpoints, trained again where they are gone or damaged."""
    run = trial_of(search.run.path, number)
    if not is_whole(run):
        restore(next(record for record in search.ledger.read()[0] if record["number"] == number))
    return run


def _config(search: Search, point: Point) -> Config:
    if point.number < len(search.known):
        return search.known[point.number]
    return search.space.configure(search.config, point.values)
