"""Curves in letters of two by four dots, with axes; where the encoding lacks them, in letters of two dots each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

Spans = list[tuple[str, str]]  # pieces of a line of the screen, and the style of each
Point = tuple[float, float | None]  # a gap where there is no value

ACROSS, DOWN = 2, 4  # dots of a letter
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a dot in its letter, by row and column
EMPTY = 0x2800  # the letter without dots
UPPER, LOWER = 0x1B, 0xE4  # the bits of either half
LABEL = 7  # columns of a number beside the axis
LEAST = 4, 12  # lines and columns that a chart has at least
FLAT = 1e-9  # of a value: what spreads less is drawn as one level
LARGEST = 1e300  # of a value; differences of larger ones are none
FAR = 10_000  # dots: farther outside all is alike


class Curve(NamedTuple):
    """What is drawn; a mark stands at its last point, and tells it from others where there are no colours."""

    points: Sequence[Point]
    style: str = ""
    dashed: bool = False
    mark: str = ""


class Axes(NamedTuple):
    """How far a chart reads from left to right, how it counts upwards, and how numbers are written."""

    left: float
    right: float
    of_x: Callable[[float], str]
    of_y: Callable[[float], str]
    log: bool = False


def chart(curves: Sequence[Curve], axes: Axes, width: int, height: int, plain: bool = False) -> list[Spans]:
    """Lines of the screen; none where there is no room or nothing to draw. `plain` is without letters of dots."""
    across, down = width - LABEL - 2, height - 2  # without the axes
    inside = [curve._replace(points=[*_between(curve.points, axes)]) for curve in curves]
    values = [y for curve in inside for x, y in curve.points if y is not None and axes.left <= x <= axes.right]
    if across < LEAST[1] or down < LEAST[0] or not values:
        return []
    low, high = _spread(min(values), max(values))
    canvas, x_scale = Canvas(across, down), (across * ACROSS - 1) / ((axes.right - axes.left) or 1.0)
    y_scale = (down * DOWN - 1) / (high - low)
    for curve in inside:
        dots = [_dot(x, y, (axes.left, high), (x_scale, y_scale)) for x, y in curve.points]
        canvas.curve(dots, curve.style, curve.dashed, curve.mark)
    return [*_beside(canvas.lines(plain), low, high, axes), *_below(axes, across)]


def _dot(x: float, y: float | None, corner: tuple[float, float], scale: tuple[float, float]) -> tuple[int, int] | None:
    if y is None:
        return None
    across, down = (x - corner[0]) * scale[0], (corner[1] - y) * scale[1]
    return round(min(max(across, -FAR), FAR)), round(min(max(down, -FAR), FAR))


def _between(points: Sequence[Point], axes: Axes) -> Iterator[Point]:
    """Points within the axes and neighbours outside, so that lines run to the edge; logarithms where asked for."""
    for i, (x, y) in enumerate(points):
        before = points[i - 1][0] if i else x
        after = points[i + 1][0] if i + 1 < len(points) else x
        if after >= axes.left and before <= axes.right:
            yield x, _height(y, axes.log)


def _height(y: float | None, log: bool) -> float | None:
    if y is None or abs(y) > LARGEST or (log and y <= 0):
        return None
    return math.log10(y) if log else y


def _spread(low: float, high: float) -> tuple[float, float]:
    """Both ends of the axis, apart also where all values are the same."""
    if high - low > FLAT * max(abs(low), abs(high)):
        return low, high
    around = abs(low) / 2 or 0.5
    return low - around, high + around


def _beside(lines: Sequence[Spans], low: float, high: float, axes: Axes) -> Iterator[Spans]:
    """The chart with its numbers: the highest, the lowest, and one between."""
    last = len(lines) - 1
    for i, line in enumerate(lines):
        value = high - (high - low) * i / last
        told = axes.of_y(10**value if axes.log else value) if i in (0, last // 2, last) else ""
        yield [(f"{told[:LABEL]:>{LABEL}} ", "dim"), ("│", "dim"), *line]


def _below(axes: Axes, across: int) -> Iterator[Spans]:
    yield [(" " * (LABEL + 1) + "└" + "─" * across, "dim")]
    first, last = axes.of_x(axes.left), axes.of_x(axes.right)
    yield [(f"{'':{LABEL + 2}}{first}{last:>{max(0, across - len(first))}}", "dim")]


class Canvas:
    """Dots that are set, so many letters across and down."""

    def __init__(self, across: int, down: int) -> None:
        self.across, self.down = across, down
        self._dots = [[0] * across for _ in range(down)]
        self._styles = [[""] * across for _ in range(down)]
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}  # letters in place of dots

    def curve(self, dots: Sequence[tuple[int, int] | None], style: str, dashed: bool, mark: str) -> None:
        """Lines from dot to dot, with a gap where one is missing."""
        for before, after in pairwise([None, *dots]):
            if after is not None:
                self._segment(before or after, after, style, dashed)
        inside = [dot for dot in dots if dot and self._holds(*dot)]
        if mark and inside:
            x, y = inside[-1]
            self._marks.setdefault((x // ACROSS, y // DOWN), (mark, style))

    def lines(self, plain: bool) -> list[Spans]:
        """What is to be seen."""
        return [[self._letter(x, y, plain) for x in range(self.across)] for y in range(self.down)]

    def _letter(self, x: int, y: int, plain: bool) -> tuple[str, str]:
        if mark := self._marks.get((x, y)):
            return mark
        dots = self._dots[y][x]
        if plain:
            return " '.:"[bool(dots & UPPER) + 2 * bool(dots & LOWER)], self._styles[y][x]
        return chr(EMPTY + dots) if dots else " ", self._styles[y][x]

    def _holds(self, x: int, y: int) -> bool:
        return 0 <= x < self.across * ACROSS and 0 <= y < self.down * DOWN

    def _segment(self, start: tuple[int, int], end: tuple[int, int], style: str, dashed: bool) -> None:
        """As many dots as it is long; those outside are left out, and of a dashed one each second letter."""
        (x0, y0), (x1, y1) = start, end
        first, last = _visible(x0, x1, self.across * ACROSS)
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(math.floor(first * steps), math.ceil(last * steps) + 1):
            x, y = round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)
            if self._holds(x, y) and not (dashed and x // ACROSS % 2):
                self._dots[y // DOWN][x // ACROSS] |= BITS[y % DOWN][x % ACROSS]
                self._styles[y // DOWN][x // ACROSS] = style


def _visible(x0: int, x1: int, width: int) -> tuple[float, float]:
    """Between which shares of a line from left to right there is anything to be seen; zoomed in it may be long."""
    if x1 <= x0:
        return 0.0, 1.0
    return max(0.0, -x0 / (x1 - x0)), min(1.0, (width - x0) / (x1 - x0))
