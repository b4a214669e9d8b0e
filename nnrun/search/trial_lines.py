"""A trial in a line: its settings, its result, and the best few below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnrun.config.values import Settings
from nnrun.search.record import TrialRecord, or_so
from nnrun.search.trials import Objective, Trial
from nnrun.text import columns, last_words, metric_key, percent

BEST_SHOWN = 5


def setting(value: Any) -> str:
    """A value as it stands in a line: four digits of a number, – where a parameter is not active."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings(values: Settings) -> str:
    """The last words of the keys with their values, parameters that are not active left out."""
    named = last_words(values)
    return ", ".join(f"{named[key]} {setting(value)}" for key, value in values.items() if value is not None)


def result_of(record: TrialRecord, metric: str) -> str:
    """A trial's value of the metric, or how it ended without one."""
    value = record["metric"]
    return str(record["status"]) if value is None else shown(value, metric) + or_so(record["final"], metric)


def shown(value: float | None, metric: str) -> str:
    """A number that was minimised, as a value of the metric."""
    if value is None:
        return "–"
    value = -value if metric.startswith("-") else value
    return percent(value) if metric.endswith("error") else f"{value:.4g}"


def remark(record: TrialRecord) -> str:
    """What stands behind its result: why it has none, or where it was ended."""
    if record.get("pruned"):
        return f" (pruned at epoch {record['epochs']})"
    return f" ({record['error']})" if record.get("error") else ""


def beginning_line(trial: Trial) -> str:
    """The line that tells that a trial begins, perhaps once more, and with which settings."""
    again = f", attempt {trial.attempts}" if trial.attempts > 1 else ""
    return f"begun    trial {trial.number}{again}" + (f": {told}" if (told := settings(trial.values)) else "")


def trial_line(record: TrialRecord, best: TrialRecord, finished: int, total: int, metric: str, kind: str) -> str:
    """One finished trial, and the best so far; what errors are is told in each, as a log is read by line."""
    width = len(str(total))
    error = remark(record)
    named = record["metric"] is not None and metric_key(metric, kind) != metric
    scale = f" {kind}" if named else ""
    leader = "none yet" if best["metric"] is None else f"{result_of(best, metric):>5} ({best['number']})"
    return (
        f"{finished:>{width}}/{total}  trial {record['number']:>{width}} {result_of(record, metric):>8}{scale}{error}  "
        f"best {leader:<{width + 8}}  {settings(record['values'])}"
    )


def best_table(records: Sequence[TrialRecord], metric: str, kind: str) -> list[str]:
    """The best few trials with their settings; `kind` as in `verdict.error_kind`."""
    ranked = sorted(records, key=Objective(metric).rank)[:BEST_SHOWN]
    if not ranked:
        return []
    keys = list(ranked[0]["values"])
    rows = [["trial", metric_key(metric.removeprefix("-"), kind), *last_words(keys).values()]]
    rows += [[str(r["number"]), result_of(r, metric), *(setting(r["values"][key]) for key in keys)] for r in ranked]
    of_folds = ["±        one standard error of the mean over folds"] if or_so(ranked[0]["final"], metric) else []
    return [*columns(rows, right=range(len(rows[0]))), *of_folds]
