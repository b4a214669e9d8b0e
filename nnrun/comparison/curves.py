"""The runs that are compared, each with its curve: all on one logarithmic scale and one axis of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from statistics import fmean

from nnrun.comparison.contestants import Contestant
from nnrun.comparison.tables import shortened
from nnrun.narration import columns, metric_value, sparkline

WIDEST, NARROWEST = 40, 8  # columns of bars

Curve = list[float | None]


def head(runs: Sequence[Contestant], key: str, width: int, cut: bool) -> list[str]:
    """A line a run: its letter, its name and, where there is room, a number of its epochs and the last of them."""
    names = [run.name for run in runs]
    label = max(len(run.label) for run in runs)
    if cut:
        names = [shortened(name, max(NARROWEST, width - label - 2)) for name in names]
    curves = [run.curve(key) for run in runs]
    last = [metric_value(curve[-1] if curve else None, key) for curve in curves]
    room = width - label - max(map(len, names)) - max(map(len, last)) - 6
    if room < NARROWEST or not any(positive(curve) for curve in curves):
        return columns([[run.label, name] for run, name in zip(runs, names, strict=True)])
    bars = drawn(curves, min(room, WIDEST))
    rows = [[run.label, name, bar, end] for run, name, bar, end in zip(runs, names, bars, last, strict=True)]
    return columns([["", "", f"{key.replace('_', ' ')} by epoch", "last"], *rows], right=(3,))


def drawn(curves: Sequence[Curve], width: int) -> list[str]:
    """A line of bars each, a bar for one epoch or for the mean of several; shorter runs end earlier."""
    size = max(1.0, max(map(len, curves)) / width)  # epochs of a bar
    binned = [_binned(curve, size) for curve in curves]
    logs = [log(value) for values in binned for value in values if value]
    return ["".join(_bar(value, min(logs), max(logs)) for value in values) for values in binned]


def _bar(value: float | None, low: float, high: float) -> str:
    return sparkline([log(value)], low, high) if value else " "


def _binned(curve: Curve, size: float) -> list[float | None]:
    """Means of equally many epochs, None where there are none; an error of 0 counts as the smallest one above it."""
    floor = min(positive(curve), default=1.0)
    bins: list[list[float]] = [[] for _ in range(max(1, round(len(curve) / size)))] if curve else []
    for index, value in enumerate(curve):
        if value is not None:
            bins[min(len(bins) - 1, int(index / size))].append(max(value, floor))
    return [fmean(values) if values else None for values in bins]


def positive(curve: Curve) -> list[float]:
    """The values that have a logarithm."""
    return [value for value in curve if value is not None and value > 0]
