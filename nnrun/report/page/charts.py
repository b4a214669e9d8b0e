"""Charts as plain data for plotly.js: the pieces that all of them are made of; long curves are thinned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from math import ceil, log10
from typing import Any

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.report.page.html import Markup
from nnrun.text import shortened

Plotly = dict[str, Any]  # a piece of a figure in plotly's own keys and values, such as a shape or a marker
Trace = Plotly
Axis = Plotly
Layout = Plotly  # axes and marks

# Each at least 3:1 against both the light and the dark page. No eight such colours are told apart by all of the
# colour-blind, but each four of these are, so the dashes change with each four; and so in watching/assets/curves.js.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#2a7fc1", "#c7700f", "#1f9470", "#d0504a", "#a063b5", "#7f858c"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, "#8a7d1c", "#3c96a5", "#b5567e")
DASHES = ("solid", "dash", "dashdot", "dot")
TOLD_APART = 4  # colours of the palette
SCALE = [(0.0, "#d9480f"), (0.2, "#c08a1e"), (0.55, "#3c8fb0"), (1.0, "#7f858c")]  # best to worst
FEW_DECADES = 10**2.5
MOST_TICKS = 10
FEW_WHOLE = 6  # from the first to the last of what is counted; of no more plotly.js sets a tick at each half
MANY_NAMES = 24  # characters of a name in a chart
PHONE, LINE, KEY, LETTER = 310, 19, 47, 7  # pixels: a chart's width there, and what a legend and its names take
MOST_LINES = 20  # of a legend that a chart is made higher for
HIGH = 0.7  # of a chart's height: what numbered marks take
MOST_WORDS = 80  # of a line that is shown when something is pointed at


@dataclass(frozen=True)
class Chart:
    """A figure: what it shows in words, its traces, its layout, and the same numbers as a table, if that helps."""

    title: str
    alt: str
    data: Sequence[Trace]
    layout: Layout = field(default_factory=dict)
    note: str = ""
    table: Markup | None = None
    height: int = 340
    least_width: int = 0  # below which it scrolls in a frame of its own


def plain(text: object) -> str:
    """Text for a label: plotly reads some HTML in labels, so what looks like it is written as entities."""
    return escape(str(text), quote=False)


def cut(name: object) -> str:
    """A name for a legend, cut where it is long."""
    return shortened(str(name), MANY_NAMES)


def cuts(names: Iterable[object]) -> list[str]:
    """Names for a legend, cut where they are long: in the middle where what they begin with is the same."""
    texts = list(map(str, names))
    times = Counter(map(cut, texts))
    return [_both_ends(text) if times[cut(text)] > 1 else cut(text) for text in texts]


def _both_ends(text: str) -> str:
    half = MANY_NAMES // 2
    return text if len(text) <= MANY_NAMES else f"{text[: half - 1]}…{text[-half:]}"


def short(name: object) -> str:
    """A name for a label, cut where it is long."""
    return plain(cut(name))


def shorts(names: Iterable[object]) -> list[str]:
    """Several of them, as for a legend."""
    return list(map(plain, cuts(names)))


def under_legend(height: int, names: Sequence[str]) -> int:
    """The height of a chart that has this one with a line of names: plotly.js takes those of others from the plot."""
    in_line = max(1, PHONE // (KEY + LETTER * max(map(len, names))))
    return height + LINE * min(MOST_LINES, (len(names) - 1) // in_line)


def colour(i: int) -> str:
    """The colour of the i-th of several equal things."""
    return PALETTE[i % len(PALETTE)]


def dash(i: int) -> str:
    """The dashes of the i-th line: 16 lines are told apart by the colour-blind, 32 by others."""
    four = i // TOLD_APART
    return DASHES[(four + four // len(DASHES)) % len(DASHES)]


def axis(title: str, **options: Any) -> Axis:
    """An axis with its title; `percent` writes fractions as per cent."""
    shown = {"tickformat": "~%"} if options.pop("percent", False) else {}
    return {"title": {"text": plain(title)}, "automargin": True, **shown, **options}


def whole_axis(title: str, first: int, last: int, **options: Any) -> Axis:
    """An axis of what is counted, from the first to the last: of few, each has its tick, and no half of one."""
    few = {"dtick": 1} if last - first <= FEW_WHOLE else {}
    return axis(title, tickformat=",~f", **few, **options)


def is_wide(values: Sequence[float], times: float) -> bool:
    """Whether they are all positive and the largest is more than so many times the smallest, as decades show better."""
    return bool(values) and min(values) > 0 and max(values) > times * min(values)


def log_axis(title: str, values: Sequence[float], **options: Any) -> Axis:
    """An axis of decades for these values; numbers as they are spoken of, at few decades also 2 and 5 times them.

    Of many decades about ten have a number, as it would lie over the next one's.
    """
    low, high = min(values), max(values)
    options["dtick"] = "D2" if high < FEW_DECADES * low else max(1, ceil((log10(high) - log10(low)) / MOST_TICKS))
    format_ = {"tickformat": "~%"} if options.pop("percent", False) else {"tickformat": "~g"}
    return axis(f"{title} (log scale)", type="log", **format_, **options)


def line(name: str, x: Sequence[Any], y: Sequence[Any], color: str, **options: Any) -> Trace:
    """A curve; gaps where y is None."""
    style = {"color": color, "width": options.pop("width", 2), "dash": options.pop("dash", "solid")}
    return {"type": "scatter", "mode": "lines", "name": plain(name), "x": x, "y": y, "line": style, **options}


def points(name: str, x: Sequence[Any], y: Sequence[Any], color: Any, **options: Any) -> Trace:
    """Single points."""
    marker = {"color": color, "size": 7, **options.pop("marker", {})}
    return {"type": "scatter", "mode": "markers", "name": plain(name), "x": x, "y": y, "marker": marker, **options}


def upright(at: float, text: str, color: str, level: int, leftward: bool) -> tuple[Plotly, Plotly]:
    """A shape and an annotation that mark a place on the x-axis; `level` lowers the text out of another's way."""
    shape = {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
    words = {"x": at, "y": 1 - 0.09 * level, "yref": "paper", "text": plain(text), "showarrow": False}
    side = "right" if leftward else "left"
    return (
        {**shape, "line": {"color": color, "width": 1.5, "dash": "dot"}},
        {**words, "xanchor": side, "yanchor": "top", "xshift": -3 if leftward else 3, "font": {"size": 11}},
    )


def badge(at: float, number: int, words: Sequence[str]) -> tuple[Plotly, Plotly]:
    """A mark below the words of others, with a number that says more when pointed at; neighbours at three heights."""
    shape, place = upright(at, str(number), PURPLE, 0, leftward=False)
    foot = {"y": 0.09 * ((number - 1) % 3), "yanchor": "bottom", "xanchor": "center", "xshift": 0, "borderpad": 2}
    hover = {"hovertext": "<br>".join(plain(shortened(line, MOST_WORDS)) for line in words), "bgcolor": PURPLE}
    return {**shape, "y1": HIGH}, {**place, **foot, **hover, "font": {"size": 11, "color": "#ffffff"}}


def bin_edges(values: Sequence[Array], bins: int) -> Array:
    """Where so many bins of one width begin and end `(bins + 1,)` that hold all values.

    Values that are all but one are held by bins as wide as float64 can tell apart, and a single one by bins around it.
    """
    low, high = float(min(map(np.min, values))), float(max(map(np.max, values)))
    least = 4 * bins * float(np.spacing(max(abs(low), abs(high))))
    if high - low < least:
        middle, half = low / 2 + high / 2, max(least, 0.5 if low == high else 0.0)
        low, high = middle - half, middle + half
    return np.linspace(low, high, bins + 1)


POINTS = 1200  # of a curve: more than a chart has pixels


def kept(values: Sequence[float | None], most: int = POINTS) -> list[int]:
    """Indices, at most `most`, rising: first, last, and of each of equal stretches its lowest and highest value."""
    n = len(values)
    if n <= most:
        return list(range(n))
    if most < 4:
        return [0, n - 1][:most]
    numbers = np.array([np.nan if value is None else value for value in values], float)
    edges = np.linspace(0, n, (most - 2) // 2 + 1).astype(int)
    chosen = {0, n - 1}
    for start, end in pairwise(edges):
        stretch = numbers[start:end]
        finite = np.flatnonzero(np.isfinite(stretch))
        if len(finite):
            chosen |= {int(start + finite[pick(stretch[finite])]) for pick in (np.argmin, np.argmax)}
    return sorted(chosen)
