"""Lines of the screen of `nnrun watch --text`: runs on the left, curves on the right, what is asked and the keys below.

On a narrow screen the runs stand above the curves.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from nnrun.cli.terminal.braille import Axes, Curve, Spans, chart
from nnrun.cli.terminal.screen import fitting_words, folded
from nnrun.cli.terminal.watch_view import HELP, HELP_TO_STEER, METRICS, OVER, Row, View
from nnrun.runs.finding import in_short
from nnrun.runs.records import HELD
from nnrun.text import columns, counted, duration, metric_value, on_screen, percent, shortened
from nnrun.watching.curves import NAMES, Point

BESIDE = 64  # columns of a screen from which on runs stand beside the curves
SHARE_OF_RUNS = 0.45  # of its columns, at most
LEAST_NAME = 14  # columns, before others are left out
OF_KEYS = 13  # columns, before what they do
TITLES = ("run", "status", "epochs", "dev")
STYLES = ("cyan", "yellow", "green", "magenta", "blue", "red", "bright_cyan", "bright_yellow", "bright_magenta")
STATUS_STYLES = {"running": "green", "paused": "yellow", "interrupted": "yellow", "diverged": "red", "failed": "red",
                 "unreadable": "dim"}  # fmt: skip
EPOCH, SECONDS = NAMES.index("epoch"), NAMES.index("seconds")
KEYS = (
    "↑↓ run  Space choose  / filter  e {other}  x {over}  +− zoom  f follow  Enter all of it  ? help  q end",
    "↑↓ run  Space choose  / filter  e {other}  +− zoom  f follow  ? help  q end",
    "↑↓  Space  / filter  e {other}  ? help  q end",
    "? help  q end",
)
TYPING = ("Enter filters, Esc leaves; as in nnrun list --filter", "Enter filters, Esc leaves", "Enter, Esc")


@dataclass
class Seen:
    """All that is drawn."""

    view: View
    folder: str
    points: dict[str, Sequence[Point]] = field(default_factory=dict)  # of the drawn runs, by NAMES
    below: list[Spans] = field(default_factory=list)  # what is wrong with the run, and what was asked of it
    full: Sequence[str] = ()  # the run in full
    steered: bool = True
    plain: bool = False  # without letters of dots


def drawn(seen: Seen, width: int, height: int) -> list[Spans]:
    """At most so many lines, each at most so wide where letters are one column wide."""
    below = [*_typing(seen.view, width), *seen.below][: max(0, height // 2)]
    below += [[(_keys(seen.view, width), "dim")]]
    room = max(0, height - 1 - len(below))
    body = _body(seen, width, room)[:room]
    return [_heading(seen, width), *body, *([[]] * (room - len(body))), *below][:height]


def _heading(seen: Seen, width: int) -> Spans:
    view = seen.view
    under_way = sum(row.get("status") in HELD for row in view.rows.values())
    runs = f"{len(view.listed)} of {counted(len(view.rows), 'run')}" if view.filter else counted(len(view.rows), "run")
    told = [f"{runs}, {under_way} training"]
    told += [f"filter {' '.join(view.filter)}"] if view.filter else []
    told += ["following the latest"] if view.following else []
    told += ["best first"] if view.order == "best" else []
    told += [] if seen.steered else ["read only"]
    return [(shortened(on_screen("   ".join([seen.folder, *told])), width), "bold")]


def _typing(view: View, width: int) -> Iterator[Spans]:
    from nnrun.cli.terminal.panel import typed_line

    if view.problem:
        yield from ([(line, "yellow")] for line in folded(f"refused  {on_screen(view.problem)}", width))
    if view.typed is not None:
        yield [(typed_line("filter", view.typed, width), "")]
        yield [(" " * 9 + fitting_words(TYPING, width - 9), "dim")]


def _keys(view: View, width: int) -> str:
    other = next(name for name in METRICS if name != view.metric)
    over = next(name for name in OVER if name != view.over)
    return fitting_words([line.format(other=other, over=over) for line in KEYS], width)


def _body(seen: Seen, width: int, height: int) -> list[Spans]:
    view = seen.view
    if view.explained or view.opened:
        lines = (
            [*_help(seen, width)] if view.explained else [part for line in seen.full for part in _folded(line, width)]
        )
        view.top = max(0, min(view.top, len(lines) - height))
        return [[(line, "")] for line in lines[view.top : view.top + height]]
    if not view.listed:
        return [[("no run fulfils that" if view.rows else "no runs yet; what is trained appears here", "dim")]]
    if width < BESIDE:
        runs = table(view, width, max(3, height // 3))
        return [*runs, *curves(seen, width, height - len(runs))]
    left = table(view, int(SHARE_OF_RUNS * width), height)
    wide = max(_width(line) for line in left)
    right = curves(seen, width - wide - 3, height)
    left += [[]] * (len(right) - len(left))
    right += [[]] * (len(left) - len(right))
    return [[*_wide(a, wide), (" │ ", "dim"), *b] for a, b in zip(left, right, strict=True)]


def _help(seen: Seen, width: int) -> Iterator[str]:
    for line in (*HELP, *(HELP_TO_STEER if seen.steered else ())):
        yield from textwrap.wrap(line, max(width, 2 * OF_KEYS), subsequent_indent=" " * OF_KEYS)


def _folded(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    more = {"initial_indent": indent, "subsequent_indent": f"{indent}    ", "break_on_hyphens": False}
    return textwrap.wrap(on_screen(line.strip()), width, **more) or [""]  # type: ignore[arg-type]


def _width(line: Spans) -> int:
    return sum(len(text) for text, _ in line)


def _wide(line: Spans, width: int) -> Spans:
    return [*line, (" " * max(0, width - _width(line)), "")]


# the runs


def table(view: View, width: int, height: int) -> list[Spans]:
    """A line a run, those around where one stands; epochs where there is room."""
    rows = view.listed
    at = next((i for i, row in enumerate(rows) if row["id"] == view.here), 0)
    top = max(0, min(at - (height - 1) // 2, len(rows) - (height - 1)))
    shown = rows[top : top + max(1, height - 1)]
    cells = [[shortened(on_screen(in_short(str(row["id"]))), width), *_cells(row)] for row in shown]
    lines = _fitting([list(TITLES), *cells], width - 2)
    marks = [view.chosen.get(row["id"], " ") for row in shown]
    found: list[Spans] = [[(f"  {lines[0]}", "dim")]]
    for line, row, mark in zip(lines[1:], shown, marks, strict=True):
        here = row["id"] == view.here
        style = "reverse" if here else STATUS_STYLES.get(str(row.get("status")), "")
        found.append([(">" if here else " ", "bold"), (mark, _style(mark)), (line, style)])
    return found


def _cells(row: Row) -> list[str]:
    count = row.get("trials") if row.get("kind") == "search" else row.get("epochs")
    unit = " tr" if row.get("kind") == "search" else ""
    return [str(row.get("status")), "–" if count is None else f"{count}{unit}", percent(_number(row, "dev_error"))]


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    return value if isinstance(value, (int, float)) else None


def _fitting(cells: list[list[str]], width: int) -> list[str]:
    """Names cut to what is left beside the others; epochs go first where there is no room."""
    rest = sum(max(len(row[i]) for row in cells) + 2 for i in range(1, len(TITLES)))
    if width - rest < LEAST_NAME:
        cells = [[row[0], row[1], row[3]] for row in cells]
        rest = sum(max(len(row[i]) for row in cells) + 2 for i in (1, 2))
    room = max(LEAST_NAME, width - rest)
    rows = [[shortened(row[0], room), *row[1:]] for row in cells]
    return columns(rows, right=range(2, len(rows[0])))


def _style(mark: str) -> str:
    return STYLES[(int(mark) - 1) % len(STYLES)] if mark.isdecimal() else STYLES[0]


# the curves


def curves(seen: Seen, width: int, height: int) -> list[Spans]:
    """The chart, what its curves come to, and the run that keys are about."""
    view, marks = seen.view, seen.view.drawn
    told = [*_legend(seen, width)][: max(1, height // 3)] if view.chosen else []
    told += [[(line, "")] for line in facts(view.rows[view.here], width)] if view.here in view.rows else []
    room = height - len(told) - 1
    drawing = [curve for name, mark in marks.items() for curve in _curves(seen, name, mark)]
    ends = [x for curve in drawing for x, _ in curve.points]
    lines = _chart(seen, drawing, min(ends), max(ends), width, room) if ends else []
    nothing: list[Spans] = [[("no epochs yet" if not ends else "", "dim")]]
    return [_title(view, width), *(lines or nothing), *told][: max(height, 0)]


def _chart(seen: Seen, drawing: list[Curve], first: float, last: float, width: int, height: int) -> list[Spans]:
    left, right = seen.view.window(first, last)
    of_y = partial(metric_value, name=seen.view.metric)
    of_x = duration if seen.view.over == "seconds" else _whole
    return chart(drawing, Axes(left, right, of_x, of_y, seen.view.log), width, height, seen.plain)


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _title(view: View, width: int) -> Spans:
    how = "dev solid, train dashed" if view.with_train else "dev"
    over = "seconds" if view.over == "seconds" else "epochs, of a search trials"
    part = f", 1/{2**view.halved} of it" if view.halved else ""
    scale = ", logarithmic" if view.log else ""
    ways = [f"{view.metric} over {over}{part}{scale}: {how}", f"{view.metric} over {view.over}{part}{scale}: {how}"]
    return [(fitting_words([*ways, f"{view.metric} over {view.over}{part}", view.metric], width), "bold")]


def _curves(seen: Seen, name: str, mark: str) -> Iterator[Curve]:
    """Train first, so that dev lies above it."""
    x = SECONDS if seen.view.over == "seconds" else EPOCH
    points = seen.points.get(name, ())
    for part in ("train", "dev") if seen.view.with_train else ("dev",):
        y = NAMES.index(f"{part}_{seen.view.metric}")
        known = [(at, point[y]) for point in points if (at := point[x]) is not None]
        yield Curve(known, _style(mark), dashed=part == "train", mark=mark if part == "dev" else "")


def _legend(seen: Seen, width: int) -> Iterator[Spans]:
    """The latest numbers of each of the chosen runs, by its mark."""
    metric = seen.view.metric
    for name, mark in seen.view.chosen.items():
        points, row = seen.points.get(name, ()), seen.view.rows[name]
        latest = points[-1] if points else [None] * len(NAMES)
        parts = {part: metric_value(latest[NAMES.index(f"{part}_{metric}")], metric) for part in ("dev", "train")}
        words = ", ".join(f"{part} {value}" for part, value in parts.items())
        yield [
            (mark, f"bold {_style(mark)}"),
            (shortened(on_screen(f" {in_short(str(row['id']))}: {words}"), width - 1), ""),
        ]


def facts(row: Row, width: int) -> list[str]:
    """What is known of the run in a line or two."""
    if problem := row.get("problem"):
        return textwrap.wrap(on_screen(f"{row['id']}: unreadable: {problem}"), max(width, LEAST_NAME))[:3]
    found = [f"{row['id']}: {row.get('status')}"]
    if row.get("best_epoch") is not None and row.get("kind") != "search":
        found.append(f"best epoch {row['best_epoch']}")
    if row.get("best_trial") is not None:
        found.append(f"best trial {row['best_trial']}")
    for part in ("dev", "train", "test"):
        if (error := _number(row, f"{part}_error")) is not None:
            found.append(f"{part} {percent(error)}")
    if (seconds := _number(row, "seconds")) is not None:
        found.append(duration(seconds))
    found += [f"from {row['parent']}"] if row.get("parent") else []
    return textwrap.wrap(on_screen(", ".join(found)), max(width, LEAST_NAME), break_on_hyphens=False)[:3]
