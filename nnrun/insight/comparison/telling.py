"""A comparison in plain lines: two runs as columns, more of them as rows, and their curves above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from nnrun.config.values import Settings
from nnrun.files import csv_text
from nnrun.insight.comparison.contestants import COMPARED_FACTS, Contestant
from nnrun.insight.comparison.curves import Curve, head
from nnrun.insight.comparison.differences import Cell, Comparison
from nnrun.insight.comparison.tables import (
    GAP,
    Column,
    Legend,
    band_cell,
    config_cells,
    difference_cell,
    folded,
    metric_cells,
    total,
)
from nnrun.runs.lineage import Changed, watched
from nnrun.runs.records import Parent
from nnrun.runs.telling import next_line
from nnrun.text import columns, in_percent

WIDEST_CELL = 16  # of many runs
WITHIN = "within seed noise"
LAST = ("name", "seed")  # settings that tell least
MARK = "~"  # the same in a narrow column


def told(comparison: Comparison, width: int, cut: bool, measure: str, everything: bool) -> list[str]:
    """The whole comparison, in lines; `measure` is the command that would tell the noise of the reference run."""
    curve = comparison.curve
    lines = [*head(comparison.runs, curve, comparison.title(curve), width, cut), ""]
    if forks := [f"note     {line}" for line in [*_forks(comparison.runs), *_gathered(comparison.runs)]]:
        lines += [*(line for text in forks for line in folded(text, width)), ""]
    if comparison.apart:
        lines = [*folded(f"note     these runs have {comparison.apart}", width), "", *lines]
    legend = Legend(max(WIDEST_CELL, width // 4) if len(comparison.runs) == 2 else WIDEST_CELL)
    body = (
        _pair(comparison, legend, width) if len(comparison.runs) == 2 else _many(comparison, legend, width, everything)
    )
    lines += [*body, *(line for text in legend.lines for line in folded(text, width))]
    lines += [f"note     {line}" for line in _flattered(comparison.runs)]
    lines += _noise(comparison, width, measure)
    return lines if lines[-1] else lines[:-1]


def _forks(runs: Sequence[Contestant]) -> Iterator[str]:
    """Where each child left its parent, and what it changed."""
    for run in runs:
        if origin := run.run.written.get("parent"):
            same = [each.label for each in runs if run.parent and each.run.path.resolve() == run.parent.path.resolve()]
            name = same[0] if same else origin["id"] if run.parent else f"{origin['id']}, which is gone,"
            changes = ", ".join(f"{change.key} {change.values}" for change in run.changes)
            yield f"{run.label} left {name} at epoch {origin['epoch']}{f': {changes}' if changes else ''}"


def _gathered(runs: Sequence[Contestant]) -> Iterator[str]:
    """Whose config is that of its first member alone."""
    for run in runs:
        if run.gathered:
            yield f"{run.label} is an ensemble of {len(run.record['members'])}; its settings are its first member's"


def _flattered(runs: Sequence[Contestant]) -> list[str]:
    """Whose dev error flatters, as somebody watched it, or as it was chosen for its result."""
    among = ((run.label, run.rivals, "candidates" if run.gathered else "trials") for run in runs)
    chosen = (f"{label}: chosen among {rivals:,} {what}, which flatters" for label, rivals, what in among if rivals)
    return [*(f"{run.label}: {watched(run.nudges)}" for run in runs if run.nudges), *chosen]


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
    band = comparison.band(key)
    noise = "" if band is None else band_cell(key, band)
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
        if key != first and (everything or key.endswith("_error") or key in COMPARED_FACTS):
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
    if (widest := comparison.band(key)) is None:
        return [
            *folded(f"seed noise is not known: {_why_not(comparison, key)}; to measure it", width),
            next_line(measure),
        ]
    noise, band = comparison.noise[key], band_cell(key, widest) + (" points" if in_percent(key) else "")
    several = len(comparison.runs) > 2
    mark, among = (f"{MARK} ", f" among {len(comparison.runs)} runs") if several else ("", "")
    most = f"for {comparison.title(key)}{among} up to {band} in 19 of 20 cases"
    judged = f"{most}, judged by {noise.runs} runs that share everything else"
    return folded(f"{mark}{WITHIN}: such a difference comes of the seed alone; {judged}", width)


def _why_not(comparison: Comparison, key: str) -> str:
    """Why nobody knows how far apart they may be."""
    if key not in comparison.noise:
        return "there are no two runs that share everything but the seed"
    noise, title = comparison.noise[key], comparison.title(key)
    if noise.deviation == 0:
        return f"the {noise.runs} runs that share everything but the seed have the same {title}, as more would hardly"
    return f"{noise.runs} runs that share everything but the seed are too few to tell it, so far apart is their {title}"


class Compared(TypedDict):
    """A run of a comparison."""

    label: str
    id: str
    path: str
    dev_error_by_epoch: Curve
    parent: Parent | None
    changed: list[Changed]  # when it left its parent
    nudges: int
    chosen_among: int  # trials of a search, as the best of them, or candidates of an ensemble; 0 of any other run


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
    band: float | None  # for as many runs as are compared; None where the runs are too few to tell it


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
        "runs": [_plain_run(run) for run in comparison.runs],
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
            key: {
                "deviation": noise.deviation,
                "degrees": noise.degrees,
                "runs": noise.runs,
                "band": comparison.band(key),
            }
            for key, noise in comparison.noise.items()
        },
    }


def _plain_run(run: Contestant) -> Compared:
    return {
        "label": run.label,
        "id": run.name,
        "path": str(run.run.path),
        "dev_error_by_epoch": run.curve(),
        "parent": run.run.written.get("parent"),
        "changed": [change.plain for change in run.changes],
        "nudges": run.nudges,
        "chosen_among": run.rivals,
    }


def as_csv(comparison: Comparison) -> str:
    """A row a run, values in full."""
    return csv_text(rows(comparison))


def rows(comparison: Comparison) -> list[Settings]:
    """The runs as plain values."""
    found = {**comparison.config, **comparison.metrics}
    return [
        {"label": run.label, "run": run.name, "nudges": run.nudges}
        | {key: values[index] for key, values in found.items()}
        for index, run in enumerate(comparison.runs)
    ]


def markdown(comparison: Comparison) -> list[str]:
    """A table with a column a run, for two, else with a row a run."""
    rows = [["", *(f"{run.label}: {run.name}" for run in comparison.runs)]]
    rows += [[key, *config_cells(values)] for key, values in comparison.config.items()]
    rows += [[comparison.title(key), *metric_cells(key, values)] for key, values in comparison.metrics.items()]
    if len(comparison.runs) > 2:
        rows = [list(row) for row in zip(*rows, strict=True)]
    written = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    told = [f"These runs have {comparison.apart}"] if comparison.apart else []
    note = [
        line for text in (*told, *_forks(comparison.runs), *_flattered(comparison.runs)) for line in (f"{text}.", "")
    ]
    return [*note, written[0], f"|{' --- |' * len(rows[0])}", *written[1:]]
