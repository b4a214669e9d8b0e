"""The numbers that lessons from training share: tables of the last or best epoch, an axis of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnrun.api import Run
from nnrun.report.page.charts import Axis, axis
from nnrun.text import number, percent

COLUMNS = {"train_error": "train error", "dev_error": "dev error", "cost": "cost"}  # of the last epoch


def at_last(runs: Mapping[str, Run], keys: Sequence[str] = ("train_error", "dev_error", "cost")) -> dict[str, Any]:
    """The numbers of the last epochs as a table."""
    rows = [[name, *(_shown(key, run.metrics[-1][key]) for key in keys)] for name, run in runs.items()]
    return {"heads": ["after the last epoch", *(COLUMNS[key] for key in keys)], "rows": rows}


def _shown(key: str, value: float) -> str:
    return percent(value) if key.endswith("error") else number(value)


def error_axis(most: float, title: str = "dev error") -> Axis:
    """Errors from 0, with a little room below for what lies there."""
    return axis(title, percent=True, range=[-0.04 * most, most])


def of_best(run: Run) -> list[str]:
    """Train, dev and test error of the best epoch."""
    return [percent(run.final[f"{part}_error"]) for part in ("train", "dev", "test")]
