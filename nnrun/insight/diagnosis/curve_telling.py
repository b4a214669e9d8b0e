"""A learning curve in plain lines: what twice the data would change, a plot, and the errors at each size."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import TYPE_CHECKING, NamedTuple

from nnrun.runs.records import finite_values
from nnrun.text import columns, percent, points, wrapped

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.learning_curve import LearningCurve, Size


WIDTH, HEIGHT = 64, 12  # of the plot, without its axis


class Marks(NamedTuple):
    """What a plot is drawn with."""

    mean: str
    spread: str
    law: str
    corner: str
    line: str
    bar: str


UNICODE, ASCII = Marks("●", "│", "·", "└", "─", "│"), Marks("o", ":", ".", "+", "-", "|")


def curve_lines(curve: LearningCurve, ascii_only: bool = False) -> list[str]:
    """The whole learning curve, in lines; `ascii_only` for terminals without box-drawing characters."""
    marks = ASCII if ascii_only else UNICODE
    seeds, epochs = len(curve["seeds"]), curve["epochs"]
    how = (
        f"{marks.mean} dev error, mean of {seeds} seeds on {curve['dev_rows']:,} examples; {marks.spread} lowest to "
        f"highest; {marks.law} fitted law. Every training takes as many steps as {epochs} epochs on all rows; smaller "
        "parts are repeated."
    )
    spell = _in_ascii if ascii_only else str
    return [
        *(*wrapped(spell(told(curve))), "", *plot(curve, marks)),
        *("", *map(spell, _table(curve)), "", *wrapped(spell(how))),
    ]


def _in_ascii(text: str) -> str:
    return text.replace("−", "-").replace("–", "-").replace("±", "+/-")


def told(curve: LearningCurve) -> str:
    """The answer: by how much twice the data would change the dev error, or that the curve does not tell."""
    twice, floor = curve["twice"], curve["law"]
    half = 100 * (twice["high"] - twice["low"]) / 2
    change = points(twice["change"]).replace("-", "−").replace("+0.0", "0.0")
    if not twice["tells"]:
        return (
            f"the curve does not tell what more data would do: twice the data ({twice['rows']:,} examples) would "
            f"change the dev error by {change} points, but ± {half:.1f}"
        )
    limit = f"{percent(floor['a_low'])} to {percent(floor['a_high'])}"
    return (
        f"twice the data ({twice['rows']:,} examples): about {change} points ± {half:.1f}; with endless data the dev "
        f"error would come to {limit} (95%), if the law holds that far"
    )


def plot(curve: LearningCurve, marks: Marks) -> list[str]:
    """Dev errors over sizes, a log scale, up to twice the rows; `HEIGHT` lines and an axis, 80 columns at most."""
    known = {size["rows"]: finite_values(size["dev_errors"]) for size in curve["sizes"]}
    known = {rows: errors for rows, errors in known.items() if errors}
    law, first, last = curve["law"], min(known), curve["twice"]["rows"]
    top = max(max(errors) for errors in known.values()) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]

    def height(error: float) -> int:
        return HEIGHT - 1 - round((HEIGHT - 1) * min(1.0, max(0.0, error / top)))

    def column(rows: float) -> int:
        return round((WIDTH - 1) * log(rows / first) / log(last / first))

    for x in range(WIDTH):
        rows = first * (last / first) ** (x / (WIDTH - 1))
        grid[height(law["a"] + law["b"] * rows ** -law["c"])][x] = marks.law
    for rows, errors in known.items():
        for y in range(height(max(errors)), height(min(errors)) + 1):
            grid[y][column(rows)] = marks.spread
        grid[height(sum(errors) / len(errors))][column(rows)] = marks.mean
    labels = {0: percent(top), HEIGHT - 1: percent(0.0)}
    lines = [f"{labels.get(y, ''):>7} {marks.bar}{''.join(line)}".rstrip() for y, line in enumerate(grid)]
    return [*lines, f"{'':>7} {marks.corner}{marks.line * WIDTH}", _ticks([*known, last], column)]


def _ticks(sizes: list[int], column: Callable[[float], int]) -> str:
    """Sizes below the axis, each ending at its column, as many as fit."""
    line = ""
    for rows in sizes:
        label, start = f"{rows:,}", 9 + column(rows)
        if len(line) + 2 <= start and start + len(label) <= 80:
            line = f"{line:<{start}}{label}"
    return line


def _table(curve: LearningCurve) -> list[str]:
    heads = [["examples", "train", "dev", "lowest", "highest"]]
    return columns([*heads, *(_row(size) for size in curve["sizes"])], right=range(5))


def _row(size: Size) -> list[str]:
    train, dev = finite_values(size["train_errors"]), finite_values(size["dev_errors"])
    means = [percent(sum(errors) / len(errors) if errors else None) for errors in (train, dev)]
    return [f"{size['rows']:,}", *means, percent(min(dev, default=None)), percent(max(dev, default=None))]
