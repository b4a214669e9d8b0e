"""A comparison in plain lines: two runs as columns, more of them as rows, and their curves as sparklines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from math import log
from statistics import fmean
from typing import TypedDict

from nnrun.insight.comparison.contestants import FACTS, Contestant
from nnrun.insight.comparison.differences import Cell, Comparison
from nnrun.insight.comparison.tables import (
    GAP,
    Column,
    Legend,
    band_cell,
    config_cells,
    difference_cell,
    metric_cells,
    total,
)
from nnrun.runs.telling import next_line
from nnrun.text import columns, csv_text, log_scale, metric_value, shortened, sparkline

WIDEST, NARROWEST = 40, 8  # columns of bars

Curve = list[float | None]


def head(runs: Sequence[Contestant], key: str, title: str, width: int, cut: bool) -> list[str]:
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


WIDEST_CELL = 16  # of many runs
WITHIN = "within seed noise"
LAST = ("name", "seed")  # settings that tell least
MARK = "~"  # the same in a narrow column


def told(comparison: Comparison, width: int, cut: bool, measure: str, everything: bool) -> list[str]:
    """All of it; `measure` is the command that would tell the noise of the reference run."""
    curve = comparison.curve
    lines = [*head(comparison.runs, curve, comparison.title(curve), width, cut), ""]
    if comparison.apart:
        lines = [*folded(f"note     these runs have {comparison.apart}", width), "", *lines]
    legend = Legend(max(WIDEST_CELL, width // 4) if len(comparison.runs) == 2 else WIDEST_CELL)
    body = (
        _pair(comparison, legend, width) if len(comparison.runs) == 2 else _many(comparison, legend, width, everything)
    )
    lines += [*body, *(line for text in legend.lines for line in folded(text, width))]
    lines += _noise(comparison, width, measure)
    return lines if lines[-1] else lines[:-1]


def _pair(comparison: Comparison, legend: Legend, width: int) -> list[str]:
    """A row a key, and a row a number with its difference."""
    labels = [run.label for run in comparison.runs]
    config = [[key, *legend.cut(config_cells(values))] for key, values in comparison.config.items()]
    lines = columns([["config", *labels], *config], right=(1, 2)) if config else ["config   no setting differs"]
    rows = [
        ["result", *labels],
        *([comparison.title(k), *metric_cells(k, values)] for k, values in comparison.metrics.items()),
    ]
    if not comparison.apart:
        differences = [
            [f"{labels[1]} - {labels[0]}", ""],
            *(_difference(comparison, key) for key in comparison.metrics),
        ]
        rows = _narrower([[*row, *cells] for row, cells in zip(rows, differences, strict=True)], width)
    return [*lines, "", *columns(rows, right=(1, 2, 3)), ""]


def _narrower(rows: list[list[str]], width: int) -> list[list[str]]:
    """A mark for the words, then for the words and the band, and then numbers without a unit, if they are too wide."""
    for short in (str, lambda cell: cell.replace(WITHIN, MARK), lambda cell: MARK if WITHIN in cell else ""):
        found = [[*row[:-1], short(row[-1])] for row in rows]
        if total([Column("", list(cells)) for cells in zip(*found, strict=True)]) <= width:
            return found
    return [[*row[:-2], row[-2].removesuffix(" points"), row[-1]] for row in found]


def _difference(comparison: Comparison, key: str) -> list[str]:
    """The second run less the first, and how large a difference the seed alone makes, where that is known."""
    noise = band_cell(key, comparison.noise[key].band) if key in comparison.noise else ""
    mark = f"{WITHIN} {noise}" if comparison.within_noise(key, 1) else noise
    return [difference_cell(key, comparison.difference(key, 1)), mark]


def _many(comparison: Comparison, legend: Legend, width: int, everything: bool) -> list[str]:
    """A row a run; columns that have no room beside each other stand below each other."""
    labels = Column("", [run.label for run in comparison.runs], right=False)
    lines = []
    for block in _blocks(list(_columns(comparison, legend, everything)), width - labels.width):
        cells = [labels, *block]
        rows = [[column.title for column in cells], *map(list, zip(*(c.cells for c in cells), strict=True))]
        lines += [*columns(rows, right=range(1, len(cells))), ""]
    return lines


def _columns(comparison: Comparison, legend: Legend, everything: bool) -> Iterator[Column]:
    """The number that decides, how far from the best, the settings, the other errors."""
    metrics, first = comparison.metrics, comparison.primary
    if first in metrics:
        yield Column(comparison.title(first), metric_cells(first, metrics[first]))
        if not comparison.apart:
            yield _from_best(comparison, first)
    keys = [*comparison.config, *metrics]
    for key, values in sorted(comparison.config.items(), key=lambda item: item[0] in LAST):
        yield Column(legend.title(key, keys), legend.cut(config_cells(values)))
    for key, values in metrics.items():
        if key != first and (everything or key.endswith("_error") or key in FACTS):
            yield Column(legend.title(comparison.title(key), keys), legend.cut(metric_cells(key, values)))


def _from_best(comparison: Comparison, key: str) -> Column:
    cells = []
    for index in range(len(comparison.runs)):
        text = difference_cell(key, comparison.difference(key, index)).removesuffix(" points")
        cells.append(f"{text} {MARK if comparison.within_noise(key, index) else ' '}")
    cells[comparison.reference] = "best  "
    return Column("from best  ", [cell if any(c.endswith(MARK) for c in cells) else cell[:-2] for cell in cells])


def _blocks(found: Sequence[Column], width: int) -> Iterator[list[Column]]:
    block: list[Column] = []
    for column in found:
        if block and total([*block, column]) + GAP > width:
            yield block
            block = []
        block.append(column)
    if block:
        yield block


def _noise(comparison: Comparison, width: int, measure: str) -> list[str]:
    """How far apart runs may be that differ in the seed alone, or how to find out."""
    key = comparison.primary
    if comparison.apart or comparison.metrics.get(key, [None])[comparison.reference] is None:
        return []
    if key not in comparison.noise:
        text = "seed noise is not known: there are no two runs that share everything but the seed; to measure it"
        return [*folded(text, width), next_line(measure)]
    noise = comparison.noise[key]
    band = band_cell(key, noise.band) + (" points" if key.endswith("_error") else "")
    mark = f"{MARK} " if len(comparison.runs) > 2 else ""
    text = (
        f"{mark}{WITHIN}: such a difference comes of the seed alone; for {comparison.title(key)} up to {band} in 19 of "
        f"20 cases, judged by {noise.runs} runs that share everything else"
    )
    return folded(text, width)


def folded(text: str, width: int) -> list[str]:
    """Lines of the screen's width; those after the first stand below the words behind `note` or `keys`."""
    indent = " " * len("note     ") if text.startswith(("note ", "keys ")) else ""
    return textwrap.wrap(text, max(20, width), subsequent_indent=indent, break_on_hyphens=False)


class Compared(TypedDict):
    """A run of a comparison."""

    label: str
    id: str
    path: str
    dev_error_by_epoch: Curve


class Metric(TypedDict):
    """A number of each run beside that of the reference; None where there is nothing to subtract."""

    values: list[Cell]
    differences: list[float | None]
    within_seed_noise: list[bool | None]


class SeedNoise(TypedDict):
    """What the seed alone does to a number, see `Noise`."""

    deviation: float
    degrees: int
    runs: int
    band: float


class Document(TypedDict):
    """A comparison as a program gets it; lists have one entry for each run, in the order of `runs`."""

    schema_version: int
    comparable: bool
    why_not: str | None
    reference: str  # its label
    runs: list[Compared]
    config: Mapping[str, list[Cell]]  # by dotted key
    metrics: Mapping[str, Metric]
    seed_noise: Mapping[str, SeedNoise]


def plain(comparison: Comparison) -> Document:
    """The JSON document."""
    every = range(len(comparison.runs))
    return {
        "schema_version": 1,
        "comparable": comparison.apart is None,
        "why_not": comparison.apart,
        "reference": comparison.runs[comparison.reference].label,
        "runs": [
            {"label": run.label, "id": run.name, "path": str(run.run.path), "dev_error_by_epoch": run.curve()}
            for run in comparison.runs
        ],
        "config": comparison.config,
        "metrics": {
            key: {
                "values": values,
                "differences": [comparison.difference(key, index) for index in every],
                "within_seed_noise": [comparison.within_noise(key, index) for index in every],
            }
            for key, values in comparison.metrics.items()
        },
        "seed_noise": {
            key: {"deviation": noise.deviation, "degrees": noise.degrees, "runs": noise.runs, "band": noise.band}
            for key, noise in comparison.noise.items()
        },
    }


def as_csv(comparison: Comparison) -> str:
    """A row a run, values in full."""
    found = {**comparison.config, **comparison.metrics}
    return csv_text(
        [
            {"label": run.label, "run": run.name, **{key: values[index] for key, values in found.items()}}
            for index, run in enumerate(comparison.runs)
        ]
    )


def markdown(comparison: Comparison) -> list[str]:
    """A table with a column a run, for two, else with a row a run."""
    cells = {key: config_cells(values) for key, values in comparison.config.items()}
    cells |= {key: metric_cells(key, values) for key, values in comparison.metrics.items()}
    rows = [["", *(f"{run.label}: {run.name}" for run in comparison.runs)]]
    rows += [[key, *values] for key, values in cells.items()]
    if len(comparison.runs) > 2:
        rows = [list(row) for row in zip(*rows, strict=True)]
    written = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    note = [f"These runs have {comparison.apart}.", ""] if comparison.apart else []
    return [*note, written[0], f"|{' --- |' * len(rows[0])}", *written[1:]]
