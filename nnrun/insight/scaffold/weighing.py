"""What it changes where each class counts the same, by a quick look: boosted trees on half of some rows tell how
probable the classes of the others are. Which has the largest p is right for the error, which has the largest p over
its share of the rows for the mean over the classes (Elkan 2001); so one fit tells both.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnrun.data.files.table import Table
from nnrun.data.files.values import labels
from nnrun.engine.randomness import stream
from nnrun.insight.scaffold.columns import JudgedColumn
from nnrun.text import percent, shown_name

if TYPE_CHECKING:
    import pandas as pd

ROWS, CELLS = 20_000, 1_000_000  # looked at, at most; half of them teach, half judge
FEWEST_OF_A_CLASS = 10  # rows of the rarest class on either side, for its share of mistakes to say something
TREES, FEWEST_ROUNDS, MOST_ROUNDS = 200, 5, 40  # one tree a class in each round, of two classes one
MOST_IN_A_LEAF = 20  # rows that a leaf has at least, but half of the rarest class, which could have no leaf else
IGNORED = 0.05  # share of its rows that is recognised, below which a class counts as ignored

Floats = NDArray[np.float64]
Labels = NDArray[Any]


@dataclass(frozen=True)
class Errors:
    """Where each row, or each class, counts the same: shares of rows held out."""

    wrong: float
    balanced: float  # the mean over the classes
    missed: float  # of the class that is missed most where rows count the same


@dataclass(frozen=True)
class Weighing:
    """What counting rows and counting classes the same come to, on so many rows held out.

    `hardest` is the class that is missed most where rows count the same.
    """

    rows: int
    hardest: str
    by_rows: Errors
    by_classes: Errors

    @property
    def ignored(self) -> bool:
        """Whether a class is hardly ever recognised where rows count the same."""
        return self.by_rows.missed > 1 - IGNORED

    @property
    def told(self) -> str:
        """What either way costs."""
        rows, classes = self.by_rows, self.by_classes
        return (
            f"of {self.rows:,} rows held out boosted trees get {percent(rows.wrong)} wrong and {percent(rows.missed)} "
            f"of class {shown_name(self.hardest)}, {percent(rows.balanced)} in the mean over classes; where classes "
            f"count the same, {percent(classes.wrong)}, {percent(classes.missed)} and {percent(classes.balanced)}"
        )


def weigh(table: Table, used: Sequence[JudgedColumn], target: str) -> Weighing | None:
    """None where a class has too few rows among those that are looked at."""
    known = np.flatnonzero(table.frame[target].notna())
    most = min(ROWS, CELLS // max(1, len(used)))
    rows = stream(0, "sample").permutation(known)[:most]
    y = labels(table.frame[target].iloc[rows]).to_numpy(dtype=object).astype(str)
    learned, judged = slice(None, len(rows) // 2), slice(len(rows) // 2, None)
    (classes, n), (again, found) = (np.unique(y[half], return_counts=True) for half in (learned, judged))
    if not np.array_equal(classes, again) or min(*n, *found, len(rows)) < FEWEST_OF_A_CLASS:
        return None
    x = np.stack([_numbers(table.frame[column.name].iloc[rows], column.kind) for column in used], axis=1)
    p = _probabilities(x[learned], y[learned], x[judged])
    by_rows, by_classes = (_missed(classes[odds.argmax(axis=1)], y[judged]) for odds in (p, p / n))
    shares = dict(zip(again.tolist(), (found / found.sum()).tolist(), strict=True))
    hardest = max(by_rows, key=lambda label: (by_rows[label], -shares[label]))  # of equal ones the rarest
    both = (_errors(missed, shares, hardest) for missed in (by_rows, by_classes))
    return Weighing(len(y[judged]), hardest, *both)


def _numbers(series: pd.Series[Any], kind: str) -> Floats:
    """A column as trees take it: numbers, or a number for each label; NaN where there is none."""
    import pandas as pd

    if kind == "number":
        found = pd.to_numeric(series, errors="coerce").to_numpy(float, na_value=np.nan)
    else:
        codes, _ = pd.factorize(labels(series), sort=True)
        found = np.where(codes < 0, np.nan, codes)
    return np.where(np.isfinite(found), found, np.nan)


def _probabilities(x: Floats, y: Labels, new_x: Floats) -> Floats:
    """Of each class, in the order of their names, `(m, classes)`, for new rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.unique(y, return_counts=True)[1]
    rounds = min(MOST_ROUNDS, max(FEWEST_ROUNDS, TREES // len(rows)))
    leaf = min(MOST_IN_A_LEAF, int(rows.min()) // 2)
    trees = HistGradientBoostingClassifier(max_iter=rounds, min_samples_leaf=leaf, early_stopping=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column without any value among these rows
        found: Floats = trees.fit(x, y).predict_proba(new_x)
    return found


def _missed(chosen: Labels, y: Labels) -> dict[str, float]:
    """The share of each class's rows that get another class."""
    return {str(label): float((chosen != label)[y == label].mean()) for label in np.unique(y)}


def _errors(missed: Mapping[str, float], shares: Mapping[str, float], hardest: str) -> Errors:
    wrong = sum(share * missed[label] for label, share in shares.items())
    return Errors(wrong, float(np.mean(list(missed.values()))), missed[hardest])
