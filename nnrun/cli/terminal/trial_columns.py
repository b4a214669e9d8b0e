"""Trials below each other, one line each: the result, and of the settings those that differ and fit the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnrun.search.trial_lines import result_of, setting
from nnrun.text import last_words, metric_key, shortened

if TYPE_CHECKING:
    from nnrun.config.space.intervals import Domain
    from nnrun.config.values import Settings
    from nnrun.search.plan import Plan
    from nnrun.search.record import TrialRecord

GAP = "  "
PLACES = [(i + 0.37) / 19 for i in range(19)]  # of an axis, where numbers have all their digits
WIDEST = 20  # columns of a value
LONGEST_RESULT = {"pruned": len("pruned 12.3%"), "folds": len("12.3% ± 1.2%"), "": len("diverged")}


class TrialColumns:
    """The columns of one search, which stay where they are from its first trial to its last."""

    def __init__(self, plan: Plan, given: Sequence[Settings], kind: str = "", folds: bool = False) -> None:
        """`given` are the settings that no strategy chooses; `kind` as in `verdict.error_kind`."""
        self.metric = plan.metric
        domains = {parameter.key: parameter.domain for parameter in plan.space.parameters}
        self.keys = [key for key, domain in domains.items() if differs(domain, [values.get(key) for values in given])]
        self._titles = last_words(domains)
        self._widths = {key: max(len(self._titles[key]), width_of(domains[key])) for key in self.keys}
        self._number = max(len("trial"), len(str(plan.total)))
        kinds = ["", *(["pruned"] if plan.prune else []), *(["folds"] if folds else [])]
        self._title = metric_key(plan.metric.removeprefix("-"), kind)
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
