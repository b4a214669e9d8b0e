"""Learning curves that grow while a run trains, and the table above them, in as many columns as there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from nnrun.text import log_scale, percent, sparkline

MOST_BINS = 128
WIDEST = 60  # columns of bars
NARROWEST = 8
TITLE = "train error  "
LAST = 8  # columns of the latest value
BY_WEIGHT = ("epoch", "dev error", "train error", "rate", "cost", "dev loss", "train loss")  # a narrow screen has fewer


class Curve:
    """The means of equally many values in a row; with more values the bins grow, not their number."""

    def __init__(self) -> None:
        self.bins: list[float] = []
        self._open: list[float] = []
        self._size = 1

    def add(self, value: float | None) -> None:
        """The value of the next epoch; one that is not known counts as the one before."""
        if value is not None:
            self.latest = value
            self._open.append(value)
        if len(self._open) == self._size:
            self.bins.append(fmean(self._open))
            self._open.clear()
        if len(self.bins) == 2 * MOST_BINS:
            self.bins = _halved(self.bins)
            self._size *= 2

    def fitting(self, width: int) -> list[float]:
        """At most `width` values."""
        values = self.bins
        while len(values) > width:
            values = _halved(values)
        return values


def _halved(values: Sequence[float]) -> list[float]:
    return [fmean(values[i : i + 2]) for i in range(0, len(values), 2)]


def curve_lines(curves: dict[str, Curve], width: int) -> list[str]:
    """A line a curve, all on one logarithmic scale, so that the gap between them shows; none on a narrow screen."""
    bars = min(WIDEST, width - len(TITLE) - LAST)
    shown = {name: curve.fitting(bars) for name, curve in curves.items() if bars >= NARROWEST}
    positive = [value for values in shown.values() for value in values if value > 0]
    if not positive or max(map(len, shown.values())) < 2:
        return []
    low, high = log_scale(positive)
    return [
        f"{name:<{len(TITLE)}}{sparkline(_logs(values, low), low, high)}  {percent(curves[name].latest)}"
        for name, values in shown.items()
    ]


def _logs(values: Sequence[float], low: float) -> list[float]:
    return [math.log(value) if value > 0 else low for value in values]


def fitting(table: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The columns of a table of epochs, the weightiest first, as many as fit side by side."""
    chosen: list[int] = []
    titles = list(table[0])
    of_the_metric = [title for title in reversed(titles) if title not in BY_WEIGHT]  # dev before train
    for title in (BY_WEIGHT[0], *of_the_metric, *BY_WEIGHT[1:]):
        i = titles.index(title)
        width -= max(len(row[i]) for row in table) + 2
        if width < 0:
            break
        chosen.append(i)
    return [[row[i] for i in sorted(chosen)] for row in table]
