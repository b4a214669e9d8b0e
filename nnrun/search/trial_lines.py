"""A trial in a line: its settings, its result, and the best few below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnrun.config.dump import one_line
from nnrun.config.values import Settings
from nnrun.engine.scores import Objective
from nnrun.search.record import TrialRecord, of_each_training, or_so, rank
from nnrun.search.trials import Trial
from nnrun.text import columns, last_words, metric_key, metric_name, metric_value

BEST_SHOWN = 5


def setting(value: Any) -> str:
    """A value as it stands in a line: four digits of a number, YAML of others, – where a parameter is not active."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else one_line(value)


def settings(values: Settings) -> str:
    """The last words of the keys with their values, parameters that are not active left out."""
    named = last_words(values)
    return ", ".join(f"{named[key]} {setting(value)}" for key, value in values.items() if value is not None)


def compared_by(metric: Objective, kind: str) -> str:
    """The metric as it is written, with what its errors are; `kind` as in `verdict.error_kind`."""
    return f"{metric.written} ({metric_name(metric.name, kind)})" if kind and metric.name else metric.written


def result_of(record: TrialRecord, metric: Objective) -> str:
    """A trial's value of the metric, or how it ended without one."""
    value = record["metric"]
    return str(record["status"]) if value is None else shown(value, metric) + or_so(record["final"], metric.key)


def shown(value: float | None, metric: Objective) -> str:
    """A number that was minimised, as a value of the metric."""
    return metric_value(None if value is None else metric.sign * value, metric.key)


def remark(record: TrialRecord) -> str:
    """What stands behind its result: why it has none, or where it was ended."""
    if record.get("pruned"):
        return f" (pruned at epoch {record['epochs']})"
    return f" ({record['error']})" if record.get("error") else ""


def beginning_line(trial: Trial) -> str:
    """The line that tells that a trial begins, perhaps once more, and with which settings."""
    again = f", attempt {trial.attempts}" if trial.attempts > 1 else ""
    return f"begun    trial {trial.number}{again}" + (f": {told}" if (told := settings(trial.values)) else "")


def trial_line(record: TrialRecord, best: TrialRecord, finished: int, total: int, metric: Objective, kind: str) -> str:
    """One finished trial, and the best so far; what errors are is told in each, as a log is read by line."""
    width = len(str(total))
    error = remark(record)
    named = record["metric"] is not None and metric_key(metric.key, kind) != metric.key
    scale = f" {kind}" if named else ""
    leader = "none yet" if best["metric"] is None else f"{result_of(best, metric):>5} ({best['number']})"
    return (
        f"{finished:>{width}}/{total}  trial {record['number']:>{width}} {result_of(record, metric):>8}{scale}{error}  "
        f"best {leader:<{width + 8}}  {settings(record['values'])}"
    )


def best_few(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best few, of trials that continue each other one; those without a result come last."""
    return of_each_training(sorted(records, key=rank))[:BEST_SHOWN]


def best_table(records: Sequence[TrialRecord], metric: Objective, kind: str) -> list[str]:
    """The best few trials with their settings; `kind` as in `verdict.error_kind`."""
    best = best_few(records)
    if not best:
        return []
    keys = list(best[0]["values"])
    rows = [["trial", metric_key(metric.key, kind), *last_words(keys).values()]]
    rows += [[str(r["number"]), result_of(r, metric), *(setting(r["values"][key]) for key in keys)] for r in best]
    of_folds = ["±        one standard error of the mean over folds"] if or_so(best[0]["final"], metric.key) else []
    return [*columns(rows, right=range(len(rows[0]))), *of_folds]
