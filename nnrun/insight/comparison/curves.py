"""The curves of compared runs as sparklines, in which an epoch that several have in common is drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from pathlib import Path
from statistics import fmean

from nnrun.insight.comparison.contestants import Contestant
from nnrun.text import columns, log_scale, metric_value, shortened, sparkline

WIDEST, NARROWEST = 40, 8  # columns of bars

Curve = list[float | None]


def head(runs: Sequence[Contestant], key: str, title: str, width: int, cut: bool) -> list[str]:
    """A line a run: its letter, its name and, where there is room, a number of its epochs and the last of them."""
    names = [run.name for run in runs]
    label = max(len(run.label) for run in runs)
    if cut:
        names = [shortened(name, max(NARROWEST, width - label - 2)) for name in names]
    curves = once(runs, key)
    last = [metric_value(curve[-1] if (curve := run.curve(key)) else None, key) for run in runs]
    room = width - label - max(map(len, names)) - max(map(len, last)) - 6
    if room < NARROWEST or not any(positive(curve) for curve in curves):
        return columns([[run.label, name] for run, name in zip(runs, names, strict=True)])
    bars = drawn(curves, min(room, WIDEST))
    rows = [[run.label, name, bar, end] for run, name, bar, end in zip(runs, names, bars, last, strict=True)]
    return columns([["", "", f"{title.replace('_', ' ')} by epoch", "last"], *rows], right=(3,))


def drawn(curves: Sequence[Curve], width: int) -> list[str]:
    """A line of bars each, a bar for one epoch or for the mean of several; shorter runs end earlier."""
    size = max(1.0, max(map(len, curves)) / width)  # epochs of a bar
    floor = min((value for curve in curves for value in positive(curve)), default=1.0)
    binned = [_binned(curve, size, floor) for curve in curves]
    low, high = log_scale(value for values in binned for value in values if value)
    return ["".join(_bar(value, low, high) for value in values) for values in binned]


def _bar(value: float | None, low: float, high: float) -> str:
    return sparkline([log(value)], low, high) if value else " "


def _binned(curve: Curve, size: float, floor: float) -> list[float | None]:
    """Means of equally many epochs, None where there are none; an error of 0 counts as the smallest of all above it."""
    bins: list[list[float]] = [[] for _ in range(max(1, round(len(curve) / size)))] if curve else []
    for index, value in enumerate(curve):
        if value is not None:
            bins[min(len(bins) - 1, int(index / size))].append(max(value, floor))
    return [fmean(values) if values else None for values in bins]


def positive(curve: Curve) -> list[float]:
    """The values that have a logarithm."""
    return [value for value in curve if value is not None and value > 0]


def once(runs: Sequence[Contestant], key: str) -> list[Curve]:
    """The curve of each; epochs that runs have from one ancestor are drawn with that, else with the first of them."""
    curves = [run.curve(key) for run in runs]
    whose = [[_owner(run, i) for i, _ in enumerate(curve, start=1)] for run, curve in zip(runs, curves, strict=True)]
    known = [(of, i) for of, curve in enumerate(curves) for i, value in enumerate(curve) if value is not None]
    drawn_by: dict[tuple[Path, int], int] = {}
    for of, i in sorted(known, key=lambda point: whose[point[0]][point[1]] != runs[point[0]].run.path.resolve()):
        drawn_by.setdefault((whose[of][i], i), of)
    return [
        [value if drawn_by.get((whose[of][i], i)) == of else None for i, value in enumerate(curve)]
        for of, curve in enumerate(curves)
    ]


def _owner(run: Contestant, epoch: int) -> Path:
    """Where the run lies that trained an epoch."""
    return next(path for path, after in run.trained_by if epoch > after)
