"""Where to draw the line between two classes: what each threshold finds and lets through, and what is the cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from math import nextafter
from typing import NotRequired, TypedDict

import numpy as np

from nnrun.data.files.table import suggest
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.text import one_of, shown

MOST_POINTS = 200  # of a curve that is written or drawn
MOST_CLASSES = 20  # that have a curve each
RECALLS = (0.8, 0.9, 0.95, 0.99)  # that are told on a screen
DIGITS = 4  # of a threshold, or as many more as tell two rows apart


class CurveDocument(TypedDict):
    """A class beside all others, one number a threshold, the highest first.

    A row is said to be of the class from the threshold on: then `recall` of the rows of the class are found,
    `false_positive_rate` of the others are taken for it, and `precision` of those found are of it.
    """

    thresholds: list[float]
    recall: list[float]
    false_positive_rate: list[float]
    precision: list[float]


@dataclass(frozen=True, eq=False)
class Curve:
    """A class beside all others at each different probability, `(points,)` each."""

    thresholds: Array
    found: Array  # rows of the class that have so much or more
    taken: Array  # other rows that have

    @classmethod
    def of(cls, p: Array, is_class: Array) -> Curve:
        """From the probability of a class and whether a row is of it, `(m,)` each."""
        order = np.argsort(-p, kind="stable")
        last = np.flatnonzero(np.diff(p[order], append=-np.inf))
        own = is_class[order].astype(np.float64)
        return cls(p[order][last].astype(np.float64), np.cumsum(own)[last], np.cumsum(1 - own)[last])

    @property
    def recall(self) -> Array:
        """Share of the class's rows that are found; NaN where it has none."""
        return _shares(self.found, self.found[-1])

    @property
    def false_positive_rate(self) -> Array:
        """Share of the other rows that are taken for it; NaN where there are none."""
        return _shares(self.taken, self.taken[-1])

    @property
    def precision(self) -> Array:
        """Share of the rows said to be of the class that are."""
        share: Array = self.found / (self.found + self.taken)
        return share

    def at_recall(self, recall: float) -> int:
        """The place of the highest threshold that finds such a share of the class."""
        return int(np.argmax(self.recall >= recall - 1e-12))

    def threshold(self, place: int) -> float:
        """One to be typed that parts the rows as the one at this place does."""
        high, low = [*self.thresholds[place : place + 2].tolist(), 0.0][:2]
        return typed(low, high, high)

    def kept(self) -> Array:
        """Places of at most MOST_POINTS, both ends among them, evenly along both axes of the ROC curve."""
        count = len(self.thresholds)
        if count <= MOST_POINTS:
            return np.arange(count)
        way = np.nan_to_num(self.recall) + np.nan_to_num(self.false_positive_rate)
        return np.unique([0, *np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS - 1)), count - 1])

    @property
    def document(self) -> CurveDocument:
        """Plain data."""
        at = self.kept()
        return {
            "thresholds": self.thresholds[at].tolist(),
            "recall": self.recall[at].tolist(),
            "false_positive_rate": self.false_positive_rate[at].tolist(),
            "precision": self.precision[at].tolist(),
        }


def _shares(counts: Array, whole: float) -> Array:
    return np.full(len(counts), np.nan) if whole == 0 else counts / whole


def typed(low: float, high: float, wanted: float) -> float:
    """A number of few digits just below `wanted` that is above `low`, not above `high`, and below 1.

    So it takes for the second class the rows from the probability `high` on, and none of those with `low` or less.
    """
    wanted = min(wanted, nextafter(1, 0))
    exact = Decimal(repr(wanted))
    for digits in range(DIGITS, 17):
        found = float(exact.quantize(Decimal(1).scaleb(exact.adjusted() + 1 - digits), ROUND_FLOOR))
        if low < found <= high:
            return found
    return wanted


def curves_of(y: Array, p: Array, classes: Sequence[str]) -> dict[str, Curve]:
    """Of each class, or the second of two, from codes `(m,)` and probabilities `(m, classes)`; none of very many."""
    if len(classes) > MOST_CLASSES:
        return {}
    places = range(len(classes)) if len(classes) > 2 else [1]
    return {classes[c]: Curve.of(p[:, c], y == c) for c in places}


class CostDocument(TypedDict):
    """The threshold of the second class that costs least on a part, and what that and others cost a row there.

    `exact` is the threshold that would be best if probabilities were exact, `usual` what 0.5 costs, `one_class` what
    saying the same of all rows costs at least. `missed` are rows of each class that are taken for the other one.
    `elsewhere` is the cost a row of the same threshold on parts that were not trained on.
    """

    costs: dict[str, float]
    positive: str
    threshold: float
    exact: float
    part: str
    cost: float
    usual: float
    one_class: float
    missed: dict[str, int]
    elsewhere: NotRequired[dict[str, float]]


def read_costs(written: Sequence[str], classes: Sequence[str] | None) -> dict[str, float]:
    """What it costs to take a row of each of two classes for the other, from texts CLASS=COST; 1 where nothing is said.

    Raises UsageError for anything else.
    """
    if classes is None or len(classes) != 2:
        what = "numbers" if classes is None else f"{len(classes)} classes"
        raise UsageError(f"--cost chooses a threshold between two classes, and this run predicts {what}")
    found = dict.fromkeys(classes, 1.0)
    for text in written:
        name, sign, cost = text.rpartition("=")
        if not sign or _number(cost) is None:
            raise UsageError(f"--cost {shown(text)}: write a class and what it costs to miss, such as {classes[1]}=5")
        if name not in found:
            hint = suggest(name, classes) or f"; the classes are {one_of(map(repr, classes))}"
            raise UsageError(f"--cost {shown(text)}: there is no class {shown(name)}{hint}")
        found[name] = _number(cost) or 0.0
    if not all(found.values()):
        raise UsageError("--cost: a cost is above 0; what costs nothing to miss is never to be said")
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < np.inf else None


def cheapest(parts: Mapping[str, tuple[Array, Array]], part: str, costs: Mapping[str, float]) -> CostDocument:
    """The threshold that costs least on a part, from codes `(m,)` and probabilities of the second class, by part.

    Where several cost the same, the one next to that of exact probabilities. It lies about half-way between two rows.
    """
    (other, positive), (miss_other, miss) = costs, costs.values()
    y, p = parts[part]
    exact = miss_other / (miss_other + miss)
    curve = Curve.of(p, y == 1)
    said = np.concatenate([[0.0], curve.found]), np.concatenate([[0.0], curve.taken])
    spent = miss * (said[0][-1] - said[0]) + miss_other * said[1]
    around = np.concatenate([[1.0], curve.thresholds, [0.0]])
    edges = (around[:-1] + around[1:]) / 2
    one_class = float(min(spent[0], spent[-1]) / len(y))
    spent[(edges == 0) | (edges == 1)] = np.inf  # of rows that are as sure as can be no threshold says the other class
    best = np.flatnonzero(spent <= spent.min() + 1e-12)
    place = int(best[np.argmin(np.abs(edges[best] - exact))])
    document: CostDocument = {
        "costs": dict(costs),
        "positive": positive,
        "threshold": typed(float(around[place + 1]), float(around[place]), float(edges[place])),
        "exact": exact,
        "part": part,
        "cost": float(spent[place] / len(y)),
        "usual": _spent(y, p, 0.5, miss_other, miss),
        "one_class": one_class,
        "missed": {other: int(said[1][place]), positive: int(said[0][-1] - said[0][place])},
    }
    others = {
        name: _spent(*of, document["threshold"], miss_other, miss)
        for name, of in parts.items()
        if name not in (part, "train")
    }
    return {**document, "elsewhere": others} if others else document


def _spent(y: Array, p: Array, threshold: float, miss_other: float, miss: float) -> float:
    """A row, where all from the threshold on are said to be of the second class."""
    said = p >= threshold
    return float((miss * (~said & (y == 1)) + miss_other * (said & (y == 0))).mean())
