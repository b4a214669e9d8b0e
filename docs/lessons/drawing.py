"""Pieces of the gallery's charts: curves with their names beside them, axes of decades, words in a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nnrun.report.page.charts import GREY, Axis, Chart, Trace, axis, line, plain
from nnrun.text import number, percent

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LINE_HEIGHT = 17  # pixels between the names of two lines
ABOVE = 9  # pixels by which the name of a line that ends early stands higher, as others go on
AROUND = 62  # pixels above and below the plot


@dataclass(frozen=True)
class Line:
    """A value of each epoch, what to call it and how to draw it."""

    name: str
    rows: Sequence[dict[str, Any]]
    key: str
    color: str
    dash: str = "solid"


def curves(title: str, lines: Sequence[Line], y: Axis, room: int = 130, height: int = 340, note: str = "") -> Chart:
    """Curves over the epochs with their names behind their ends; `y` has a range, `room` is what the names take."""
    drawn = [_drawn(each) for each in lines]
    ends = [(trace["x"][-1], _on(y, trace["y"][-1])) for trace in drawn]
    names = [_name(each, *end) for each, end in zip(lines, ends, strict=True)]
    spread = _apart([end[1] for end in ends], y["range"], height - AROUND)
    last = max(end[0] for end in ends)
    for name, shift in zip(names, spread, strict=True):
        name["yshift"] = shift + (0 if name["x"] == last else ABOVE)
    layout = {
        "xaxis": axis("epoch", range=[1, last], tickformat=",d"),
        "yaxis": y,
        "margin": {"r": room},
        "annotations": names,
        "showlegend": False,
    }
    told = "; ".join(_told(each, y) for each in lines if each.name)
    return Chart(title, f"{title}. {told}.", drawn, layout, note, None, height)


def _told(each: Line, y: Axis) -> str:
    last = each.rows[-1][each.key]
    value = percent(last) if y.get("tickformat") == "~%" else number(last)
    return f"{' '.join(each.name.split())} {value} at last"


def _drawn(each: Line) -> Trace:
    x, y = [row["epoch"] for row in each.rows], [row[each.key] for row in each.rows]
    return line(each.name, x, y, each.color, dash=each.dash)


def _on(y: Axis, value: float) -> float:
    """Where a value lies in the units of the axis's range, at its ends if it is outside."""
    at = math.log10(value) if y.get("type") == "log" else value
    low, high = y["range"]
    return float(min(max(at, low), high))


def _name(each: Line, x: float, y: float) -> dict[str, Any]:
    font = {"color": darker(each.color), "size": 13}
    place = {"x": x, "y": y, "xanchor": "left", "xshift": 6, "showarrow": False, "align": "left"}
    return {"text": plain(each.name).replace("\n", "<br>"), "font": font, **place}


def darker(color: str) -> str:
    """The same hue, dark enough for text on white: 4.5 to 1."""
    return "#" + "".join(f"{round(0.78 * int(color[i : i + 2], 16)):02x}" for i in (1, 3, 5))


def _apart(places: Sequence[float], ends: Sequence[float], height: float) -> list[float]:
    """How many pixels to move each name up so that none touches another."""
    scale = height / (ends[1] - ends[0])
    wanted = [(place - ends[0]) * scale for place in places]
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    given = [*wanted]
    for below, above in pairwise(order):
        given[above] = max(given[above], given[below] + LINE_HEIGHT)
    too_high = max(0.0, given[order[-1]] - height)
    given[order[-1]] -= too_high
    for above, below in pairwise(order[::-1]):
        given[below] = min(given[below], given[above] - LINE_HEIGHT)
    return [round(given[i] - wanted[i], 1) for i in range(len(wanted))]


def decades(title: str, low: float, high: float, every: int = 1) -> Axis:
    """An axis of logarithms from `low` to `high`, with a number at each decade, or at each of so many."""
    ends = [math.log10(low), math.log10(high)]
    powers = range(math.ceil(ends[0]), math.floor(ends[1]) + 1)
    digits = (1, 2, 5) if len(powers) <= 2 else (1,)
    named = [float(f"{d}e{p}") for p in range(powers[0] - 1, powers[-1] + 1) for d in digits if p % every == 0]
    named = [value for value in named if low <= value <= high]
    words = [written(value) for value in named]
    return axis(f"{title} (log scale)", type="log", range=ends, tickvals=named, ticktext=words)


def written(value: float) -> str:
    """0.001, 1, 1000, beyond which powers of ten are: 10⁻⁵."""
    if 1e-3 <= value <= 1e3:
        return f"{value:g}"
    return "10" + str(round(math.log10(value))).translate(SUPERSCRIPTS)


def words_at(x: float, y: float, text: str, color: str) -> dict[str, Any]:
    """Words in a chart, where the axes have these values."""
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"color": darker(color), "size": 13}}


def pointed_at(x: float, y: float, text: str, right: int, down: int) -> dict[str, Any]:
    """Words that stand so many pixels away from a point, with an arrow to it."""
    arrow = {"showarrow": True, "arrowhead": 2, "arrowwidth": 1.2, "arrowcolor": GREY, "standoff": 4}
    return {"x": x, "y": y, "text": text, "ax": right, "ay": down, "xanchor": "left", "font": {"size": 13}, **arrow}
