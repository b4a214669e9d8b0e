"""The trials of a search as the page needs them: ranked, with their metric as it is spoken of."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.report.page.charts import Axis, axis, log_axis
from nnrun.runs.stored import StoredRun
from nnrun.search.plan import Plan
from nnrun.search.record import SearchRecord, TrialRecord
from nnrun.search.stored import StoredSearch
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Strategy
from nnrun.search.telling import kind_of, shown
from nnrun.search.trials import Objective
from nnrun.text import metric_key

SPREAD = 10  # a metric whose values differ by more than this factor gets an axis of logarithms


@dataclass(frozen=True)
class Results:
    """A search: its record, its plan and its trials by number."""

    run: StoredRun
    record: SearchRecord
    plan: Plan
    config: Config
    trials: list[TrialRecord]

    @classmethod
    def of(cls, run: StoredRun) -> Results:
        """From its directory."""
        search = StoredSearch(run)
        return cls(run, search.record, search.plan, run.config, search.trials)

    @cached_property
    def strategy(self) -> Strategy:
        """As it stood before the first trial."""
        return STRATEGIES[self.plan.strategy](self.plan.brief())

    @property
    def space(self) -> Space:
        """What was searched."""
        return self.plan.space

    @property
    def metric(self) -> str:
        """The name of what is minimised or maximised, without its sign."""
        return metric_key(self.plan.metric.removeprefix("-"), self.error_kind)

    @property
    def error_kind(self) -> str:
        """As in `verdict.error_kind`."""
        return kind_of(self.record)

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """The trials with a value, the best first."""
        found = [trial for trial in self.trials if trial["metric"] is not None]
        return sorted(found, key=Objective(self.plan.metric).rank)

    @property
    def best(self) -> TrialRecord | None:
        """The best trial."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def ranks(self) -> dict[int, float]:
        """From 0 for the best trial to 1 for the worst one, by number."""
        last = max(1, len(self.ranked) - 1)
        return {trial["number"]: round(i / last, 4) for i, trial in enumerate(self.ranked)}

    def value(self, trial: TrialRecord) -> float:
        """The metric of a trial that has one, as it is spoken of: larger is better where it is maximised."""
        value = math.nan if trial["metric"] is None else float(trial["metric"])
        return -value if self.plan.metric.startswith("-") else value

    def told(self, trial: TrialRecord) -> str:
        """The same in words."""
        return shown(trial["metric"], self.plan.metric)

    def axis(self) -> Axis:
        """The axis of the metric."""
        return value_axis(self.metric, [self.value(trial) for trial in self.ranked])


def value_axis(name: str, values: Sequence[float]) -> Axis:
    """An axis for these values, of logarithms where they are spread over more than a decade."""
    percent = name.endswith("error")
    wide = bool(values) and min(values) > 0 and max(values) > SPREAD * min(values)
    return log_axis(name, values, percent=percent) if wide else axis(name, percent=percent)


def same_settings(trials: Sequence[TrialRecord]) -> list[list[TrialRecord]]:
    """Trials in groups of equal settings, each by epochs: one that trains longer continues a shorter one."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial["values"], sort_keys=True), []).append(trial)
    return [sorted(group, key=lambda trial: (len(trial["curve"]), trial["number"])) for group in groups.values()]
