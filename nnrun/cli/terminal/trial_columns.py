"""Trials below each other, one line each: the result, and of the settings those that differ and fit the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from statistics import mean
from typing import TYPE_CHECKING, Any

from nnrun.search.trial_lines import result_of, setting, shown
from nnrun.text import columns, last_words, metric_key, remaining, shortened

if TYPE_CHECKING:
    from nnrun.config.space.intervals import Domain
    from nnrun.config.values import Settings
    from nnrun.search.plan import Plan
    from nnrun.search.record import TrialRecord
    from nnrun.watching.running import InTraining

GAP = "  "
INDENT = " " * len("best     ")
PLACES = [(i + 0.37) / 19 for i in range(19)]  # of an axis, where numbers have all their digits
WIDEST = 20  # columns of a value
LONGEST_RESULT = {"pruned": len("pruned 12.3%"), "folds": len("12.3% ± 1.2%"), "": len("diverged")}


class TrialColumns:
    """The columns of one search, which stay where they are from its first trial to its last."""

    def __init__(self, plan: Plan, given: Sequence[Settings], kind: str = "", folds: bool = False) -> None:
        """`given` are the settings that no strategy chooses; `kind` as in `verdict.error_kind`."""
        self.metric = plan.objective
        domains = {parameter.key: parameter.domain for parameter in plan.space.parameters}
        self.keys = [key for key, domain in domains.items() if differs(domain, [values.get(key) for values in given])]
        self._titles = last_words(domains)
        self._widths = {key: max(len(self._titles[key]), width_of(domains[key])) for key in self.keys}
        self._number = max(len("trial"), len(str(plan.total)))
        kinds = ["", *(["pruned"] if plan.prune else []), *(["folds"] if folds else [])]
        self._title = metric_key(plan.objective.key, kind)
        self._result = max(len(self._title), *(LONGEST_RESULT[name] for name in kinds))

    def fitting(self, width: int) -> list[str]:
        """The first of the keys that have room side by side."""
        room, keys = width - self._number - len(GAP) - self._result, list[str]()
        for key in self.keys:
            room -= len(GAP) + self._widths[key]
            if room < 0:
                break
            keys.append(key)
        return keys

    def head(self, width: int) -> str:
        """The titles."""
        return self._line("trial", self._title, self._titles, width)

    def row(self, record: TrialRecord, width: int) -> str:
        """A trial that has ended."""
        result = result_of(record, self.metric)
        told = f"pruned {result}" if record.get("pruned") else result
        cells = {key: shortened(setting(value), WIDEST) for key, value in record["values"].items()}
        return self._line(str(record["number"]), told, cells, width)

    def _line(self, number: str, result: str, cells: Mapping[str, str], width: int) -> str:
        values = (f"{cells.get(key, '–'):>{self._widths[key]}}" for key in self.fitting(width))
        return GAP.join([f"{number:>{self._number}}", f"{result:>{self._result}}", *values])


def differs(domain: Domain, given: Sequence[Any]) -> bool:
    """Whether trials have more than one value of it."""
    only = domain.from_unit(0.5) if domain.count == 1 else None
    return domain.count != 1 or any(value is not None and value != only for value in given)


def width_of(domain: Domain) -> int:
    """Columns that its values take, most of them at least."""
    units = PLACES if domain.count is None else [(i + 0.5) / domain.count for i in range(min(domain.count, 1000))]
    return max(min(WIDEST, len(setting(domain.from_unit(u)))) for u in units)


def running_settings(values: Settings, keys: Sequence[str], width: int) -> str:
    """As many settings with their names as fit, whole ones only."""
    told, named = "", last_words(keys)
    for key in keys:
        if values.get(key) is not None:
            longer = f"{told}, " if told else ""
            longer += f"{named[key]} {shortened(setting(values[key]), WIDEST)}"
            if len(longer) > width:
                break
            told = longer
    return told


def in_training_lines(trials: Sequence[InTraining], keys: Sequence[str], now: float, width: int) -> list[str]:
    """How far each is, and as many of its settings as there is room for."""
    cells = [
        [
            f"trial {trial.number}",
            *([f"fold {trial.fold}/{trial.folds}"] if trial.folds > 1 else []),
            f"epoch {trial.epoch}/{trial.epochs}",
            shown(trial.best, trial.metric),
            "" if (left := trial.left(now)) is None else f"{remaining(left)} left",
        ]
        for trial in trials
    ]
    lines = columns(cells, right=range(len(cells[0]))) if cells else []
    widest = max(map(len, lines), default=0)
    told = (running_settings(trial.values, keys, width - len(INDENT) - widest - 2) for trial in trials)
    heads = chain(["running  "], repeat(INDENT))
    return [f"{head}{line:<{widest}}  {more}".rstrip() for head, line, more in zip(heads, lines, told, strict=False)]


def whole_time(running: Sequence[InTraining], unfinished: int, now: float) -> float | None:
    """Seconds until the end of a search none of whose trials has ended, by those whose epochs were looked at.

    All others are taken to be like them, and as many to train at a time.
    """
    known = [(left, left + now - trial.begun) for trial in running if (left := trial.left(now)) is not None]
    if not known:
        return None
    return max(left for left, _ in known) + mean(took for _, took in known) * (unfinished / len(running) - 1)
