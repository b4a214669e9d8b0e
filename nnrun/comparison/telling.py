"""A comparison in plain lines: two runs as columns, more of them as rows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from nnrun.comparison.cells import Legend, band_cell, config_cells, difference_cell, metric_cells
from nnrun.comparison.contestants import FACTS
from nnrun.comparison.curves import head
from nnrun.comparison.differences import Comparison
from nnrun.comparison.tables import GAP, Column, total
from nnrun.narration import columns, next_line

WIDEST_CELL = 16  # of many runs
WITHIN = "within seed noise"
LAST = ("name", "seed")  # settings that tell least
MARK = "~"  # the same in a narrow column


def told(comparison: Comparison, width: int, cut: bool, measure: str, everything: bool) -> list[str]:
    """All of it; `measure` is the command that would tell the noise of the reference run."""
    lines = [*head(comparison.runs, comparison.curve, width, cut), ""]
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
    rows = [["result", *labels], *([key, *metric_cells(key, values)] for key, values in comparison.metrics.items())]
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
        yield Column(first, metric_cells(first, metrics[first]))
        if not comparison.apart:
            yield _from_best(comparison, first)
    keys = [*comparison.config, *metrics]
    for key, values in sorted(comparison.config.items(), key=lambda item: item[0] in LAST):
        yield Column(legend.title(key, keys), legend.cut(config_cells(values)))
    for key, values in metrics.items():
        if key != first and (everything or key.endswith("_error") or key in FACTS):
            yield Column(legend.title(key, keys), legend.cut(metric_cells(key, values)))


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
        f"{mark}{WITHIN}: such a difference comes of the seed alone; for {key} up to {band} in 19 of 20 cases, "
        f"judged by {noise.runs} runs that share everything else"
    )
    return folded(text, width)


def folded(text: str, width: int) -> list[str]:
    """Lines of the screen's width; those after the first stand below the words behind `note` or `keys`."""
    indent = " " * len("note     ") if text.startswith(("note ", "keys ")) else ""
    return textwrap.wrap(text, max(20, width), subsequent_indent=indent, break_on_hyphens=False)
