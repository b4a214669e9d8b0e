"""The trials of a search as the page needs them: ranked, with their metric as it is spoken of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.report.page.charts import Axis, axis, log_axis
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import Ledger
from nnrun.search.strategies.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Plan, Strategy
from nnrun.search.telling import shown
from nnrun.search.trials import Metric, Record

SPREAD = 10  # a metric whose values differ by more than this factor gets an axis of logarithms


@dataclass(frozen=True)
class Results:
    """A search: its record, its plan and its trials by number."""

    run: StoredRun
    record: Mapping[str, Any]
    plan: dict[str, Any]
    config: Config
    space: Space
    trials: list[Record]

    @classmethod
    def of(cls, run: StoredRun) -> Results:
        """From its directory."""
        plan = yaml.safe_load(run.directory.read("search.yaml"))
        trials, _ = Ledger(run.path / "trials.jsonl").read()
        return cls(run, run.record, plan, run.config, Space.of(plan["space"]), trials)

    @cached_property
    def strategy(self) -> Strategy:
        """As it stood before the first trial."""
        plan, known = self.plan, 1 + len(self.plan["enqueue"])
        return STRATEGIES[plan["strategy"]](Plan(self.space, plan["seed"], plan["totals"], plan["epochs"], known))

    @property
    def metric(self) -> str:
        """The name of what is minimised or maximised, without its sign."""
        return str(self.plan["metric"]).removeprefix("-")

    @cached_property
    def ranked(self) -> list[Record]:
        """The trials with a value, the best first."""
        found = [trial for trial in self.trials if trial["metric"] is not None]
        return sorted(found, key=Metric(self.plan["metric"]).rank)

    @property
    def best(self) -> Record | None:
        """The best trial."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def ranks(self) -> dict[int, float]:
        """From 0 for the best trial to 1 for the worst one, by number."""
        last = max(1, len(self.ranked) - 1)
        return {trial["number"]: round(i / last, 4) for i, trial in enumerate(self.ranked)}

    def value(self, trial: Record) -> float:
        """The metric of a trial that has one, as it is spoken of: larger is better where it is maximised."""
        return -float(trial["metric"]) if self.plan["metric"].startswith("-") else float(trial["metric"])

    def told(self, trial: Record) -> str:
        """The same in words."""
        return shown(trial["metric"], self.plan["metric"])

    def axis(self) -> Axis:
        """The axis of the metric."""
        return value_axis(self.metric, [self.value(trial) for trial in self.ranked])


def value_axis(name: str, values: Sequence[float]) -> Axis:
    """An axis for these values, of logarithms where they are spread over more than a decade."""
    percent = name.endswith("error")
    wide = bool(values) and min(values) > 0 and max(values) > SPREAD * min(values)
    return log_axis(name, values, percent=percent) if wide else axis(name, percent=percent)


def same_settings(trials: Sequence[Record]) -> list[list[Record]]:
    """Trials in groups of equal settings, each by epochs: one that trains longer continues a shorter one."""
    groups: dict[str, list[Record]] = {}
    for trial in trials:
        groups.setdefault(json.dumps(trial["values"], sort_keys=True), []).append(trial)
    return [sorted(group, key=lambda trial: (len(trial["curve"]), trial["number"])) for group in groups.values()]
