"""The best trials trained again with new seeds: how good their settings are when luck is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, stdev

from nnrun.config.config import Config
from nnrun.config.values import Settings
from nnrun.engine.scores import Objective
from nnrun.files import to_json
from nnrun.runs.finding import trial_name, trial_of
from nnrun.runs.stored import StoredRun, ended_with_rung
from nnrun.search.choosing import Restore
from nnrun.search.ledger import LEDGER, Ledger, mend
from nnrun.search.pruning import EpochLimits, end_of_rung
from nnrun.search.record import Repeated, TrialRecord, ranked
from nnrun.search.seeds import repeat_seed
from nnrun.search.state import Clock, Search
from nnrun.search.strategies.strategy import Brief, Point, Strategy
from nnrun.search.study import Budget, Study, Watcher
from nnrun.search.trial_lines import result_of
from nnrun.search.trials import Trial, signature, stacked, train_trials

BEST = 3


class Same(Strategy):
    """The same settings again and again."""

    def __init__(self, brief: Brief, values: Settings) -> None:
        super().__init__(brief)
        self.values = values

    def propose(self, number: int) -> Point | None:
        """As many as were asked for."""
        return Point(number, self.values) if number < self.brief.totals[-1] else None


class _Teller(Watcher):
    """A line each time that a trial was trained again."""

    def __init__(self, watcher: Watcher, number: int, metric: Objective, count: int) -> None:
        self.watcher, self.number, self.metric, self.count = watcher, number, metric, count

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        self.watcher.say(f"trial {self.number} again, {finished} of {self.count}: {result_of(record, self.metric)}")


def repeat(
    search: Search,
    records: Sequence[TrialRecord],
    clock: Clock,
    told_to_stop: Callable[[], bool],
    watcher: Watcher,
    restore: Restore,
) -> list[Repeated]:
    """Train the best trials again, as far as that has not been done; mean and deviation of each, best trial first.

    Each has a ledger and a folder of its own. The test part is not read.
    """
    found = []
    for record in best_settings(records):
        if not trial_of(search.run.path, record["number"]).path.exists():  # which has the config
            restore(record)
        study = _study(search, record, watcher)
        study.run(Budget(search.repeats, lambda: clock.left), told_to_stop)
        found.append(_result(record, study.records))
    return found


def best_settings(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best trials with a result, of those with equal settings (as halving has them) the best one."""
    different: dict[str, TrialRecord] = {}
    for record in ranked(records):
        different.setdefault(to_json(record["values"]), record)
    return list(different.values())[:BEST]


def _study(search: Search, record: TrialRecord, watcher: Watcher) -> Study:
    number = record["number"]
    folder = search.run.path / "repeats" / trial_name(number)
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / LEDGER, search.space)
    mend(ledger, folder, search.plan.objective)
    run = StoredRun(trial_of(search.run.path, number))
    ceilings = end_of_rung(run.config, record["epochs"]) if ended_with_rung(run.record, run.config) else []
    return Study(
        strategy=Same(Brief(search.space, search.config.seed, [search.repeats]), record["values"]),
        make=lambda point: _trial(search, run.config, number, point, ceilings),
        given=[],
        metric=search.plan.objective,
        ledger=ledger,
        executor=search.executor,
        work=train_trials,
        job=search.job(folder),
        watcher=_Teller(watcher, number, search.plan.objective, search.repeats),
    )


def _trial(search: Search, config: Config, number: int, point: Point, ceilings: EpochLimits) -> Trial:
    values = config.resolved() | {"seed": repeat_seed(search.config.seed, number, point.number)}
    most = search.options.stacked(stacked(config, search.dataset))
    return Trial(point.number, point.values, values, shape=signature(values), most=most, ceilings=ceilings)


def _result(record: TrialRecord, repeated: Sequence[TrialRecord]) -> Repeated:
    """What stands in run.json; the run that the search chose does not count, since it was chosen for its luck."""
    ordered = sorted(repeated, key=lambda each: int(each["number"]))
    values = [each["metric"] for each in ordered if each["metric"] is not None]
    return {
        "trial": record["number"],
        "chosen": record["metric"],
        "mean": fmean(values) if values else None,
        "deviation": stdev(values) if len(values) > 1 else None,
        "n": len(values),
        "lost": len(ordered) - len(values),
        "values": values,
    }
