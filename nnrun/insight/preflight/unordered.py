"""Numbers that are codes: few values, each with a target of its own, in no order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.kinds import LEAST_ROWS
from nnrun.data.files.table import Floats, Indices, kind_of
from nnrun.insight.preflight.context import Context, setting
from nnrun.insight.preflight.distances import codes
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted, listed

if TYPE_CHECKING:
    import pandas as pd

FEWEST_VALUES, MOST_VALUES = 6, 30  # fewer have too few orders to compare with
TELLS = 0.02  # share of the target that the values must explain, each by itself
MOSTLY_LINEAR = 0.25  # of that, what a straight line may explain at most
SHUFFLES, BY_CHANCE = 199, 0.1  # the order helps where so few of the shuffled ones are as smooth


def check_kinds(context: Context) -> Finding:
    """Columns of numbers whose order says nothing, while their values do."""
    declared = context.config.data.kinds
    if context.dataset.fitted.image is not None:
        return judge_kinds([], {})
    frame = context.frame("train")
    target = frame[context.target]
    goal = np.asarray(target, np.float64)[:, None] if context.dataset.task == "regression" else _one_hot(codes(target))
    found = [name for name in context.columns if name not in declared and is_unordered(frame[name], goal)]
    return judge_kinds(found, {str(name): kind for name, kind in declared.items()})


def judge_kinds(found: list[str], declared: dict[str, Any]) -> Finding:
    """A network has to bend for each of such values, where a feature for each would be learned at once."""
    numbers = {"columns": found}
    if not found:
        return Finding("pass", "no column of numbers looks like one of codes", numbers=numbers)
    text = f"{counted(len(found), 'column')} of numbers whose order says nothing, but whose values do: {listed(found)}"
    return Finding("warn", text, setting("data.kinds", {**declared, **dict.fromkeys(found, "category")}), numbers)


def _one_hot(classes: Indices) -> Floats:
    return np.eye(int(classes.max()) + 1)[classes]


def is_unordered(series: pd.Series[Any], goal: Floats) -> bool:
    """Whether few whole numbers explain the goal `(m, k)` each by itself, neighbours no more alike than others."""
    if kind_of(series) != "number":
        return False
    present = series.notna().to_numpy(dtype=bool)
    values, goal = np.asarray(series, np.float64)[present], goal[present]
    different, group, rows = np.unique(values, return_inverse=True, return_counts=True)
    if not FEWEST_VALUES <= len(different) <= MOST_VALUES or np.any(different % 1) or rows.min() < LEAST_ROWS:
        return False
    goal = goal - goal.mean(axis=0)
    sums = np.zeros((len(different), goal.shape[1]))
    np.add.at(sums, group, goal)
    total = float(np.square(goal).sum())
    left = np.square((sums[group] - goal) / (rows[group] - 1)[:, None] - goal).sum()  # by the other rows of its value
    explained = 1 - float(left) / total if total else 0.0
    if explained < TELLS or _linear(values, goal) / total > MOSTLY_LINEAR * explained:
        return False
    return not _is_smooth(sums / rows[:, None])


def _linear(values: Floats, goal: Floats) -> float:
    """Squares of the goal that a straight line explains."""
    centred = values - values.mean()
    return float(np.square(centred @ goal).sum() / np.square(centred).sum())


def _is_smooth(means: Floats) -> bool:
    """Whether neighbours among the means `(values, k)` are more alike than in most orders (von Neumann 1941)."""
    draw = np.random.default_rng(0)
    own = _steps(means)
    smoother = sum(_steps(draw.permutation(means)) <= own for _ in range(SHUFFLES))
    return (smoother + 1) / (SHUFFLES + 1) <= BY_CHANCE


def _steps(means: Floats) -> float:
    return float(np.square(np.diff(means, axis=0)).sum())
