"""What somebody who watches has chosen by keys: which runs, which curves and which part of them, in which order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnrun.cli.terminal.panel import ENTER, ESCAPE, edited
from nnrun.runs.finding import born

Row = Mapping[str, Any]  # of a run, as `nnrun.watching.folder` has it

KEY = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]|.", re.DOTALL)
ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
          "1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page up", "6~": "page down"}  # fmt: skip
MOST_CHOSEN = 9  # as many as there are digits that mark them
PAGE = 10  # runs that a page up or down goes
DEEPEST = 12  # times that a chart is halved
PART = 4  # of what is seen a step to the side goes
METRICS, OVER, ORDERS = ("error", "loss"), ("epochs", "seconds"), ("newest", "best")


def keys_of(typed: str) -> list[str]:
    """Each key by a word or its letter."""
    return [ARROWS.get(key[2:], "") if len(key) > 1 else key for key in KEY.findall(typed)]


@dataclass
class View:
    """The state; who looks at the folder hands it rows, and who reads keys the keys."""

    rows: dict[str, Row] = field(default_factory=dict)
    here: str | None = None  # the run that the keys are about
    following: bool = True
    chosen: dict[str, str] = field(default_factory=dict)  # id -> its mark
    metric: str = METRICS[0]
    over: str = OVER[0]
    order: str = ORDERS[0]
    log: bool = False
    with_train: bool = True
    halved: int = 0
    back: int = 0  # steps from the end
    filter: tuple[str, ...] = ()
    selected: set[str] | None = None  # that fulfil it; None where there is none
    typed: str | None = None  # a filter, as far as it is typed
    problem: str = ""  # with the filter
    explained: bool = False
    opened: bool = False  # the run in full
    top: int = 0  # of its lines, the first that is seen

    def take(self, rows: Iterable[Row], gone: Iterable[str]) -> None:
        """What has changed in the folder."""
        before = [row["id"] for row in self.listed]
        for name in gone:
            self.rows.pop(name, None)
            self.chosen.pop(name, None)
        self.rows |= {row["id"]: row for row in rows}
        self.settle(before)

    def settle(self, before: Sequence[str] = ()) -> None:
        """Stand on the latest run where it is followed, else where one stood or, if that is gone, where it was."""
        names = [row["id"] for row in self.listed]
        if self.following or not names:
            self.here = max(names, key=lambda name: _age(self.rows[name]), default=None)
        elif self.here not in names:
            at = before.index(self.here) if self.here in before else 0
            self.here = names[min(at, len(names) - 1)]

    @property
    def listed(self) -> list[Row]:
        """The rows that fulfil the filter, in order."""
        rows = [row for row in self.rows.values() if self.selected is None or row["id"] in self.selected]
        rows.sort(key=_age, reverse=True)
        return sorted(rows, key=_error) if self.order == "best" else rows

    @property
    def drawn(self) -> dict[str, str]:
        """The runs whose curves are seen, each with its mark: the chosen ones, or else where one stands."""
        return dict(self.chosen) or ({self.here: ""} if self.here else {})

    def window(self, first: float, last: float) -> tuple[float, float]:
        """What is seen of all that lies between."""
        span = (last - first) / 2**self.halved
        right = last - min(self.back * span / PART, last - first - span)
        return right - span, right

    def press(self, key: str) -> None:
        """One key, if it means anything."""
        if self.typed is not None:
            self._type(key)
        elif action := KEYS.get(key):
            action(self)

    def _type(self, key: str) -> None:
        assert self.typed is not None
        self.problem = ""
        if key == ESCAPE:
            self.typed = None
        elif key not in ENTER:
            self.typed = edited(self.typed, key) if len(key) == 1 else self.typed
        elif conditions := self._conditions(self.typed):
            self.filter, self.typed = conditions, None
        elif not self.problem:
            self.filter, self.selected, self.typed = (), None, None
            self.settle()

    def _conditions(self, text: str) -> tuple[str, ...]:
        """Words as a shell tells them apart."""
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            self.problem = f"{text}: {str(error).lower()}"
            return ()

    def selection(self, names: set[str] | None, problem: str = "") -> None:
        """What came of the filter; one that is no filter is typed anew."""
        if problem:
            self.problem, self.typed, self.filter = problem, " ".join(map(shlex.quote, self.filter)), ()
        self.selected = None if problem else names
        self.settle()


def _age(row: Row) -> tuple[float, str]:
    return born(row["id"], row.get("created")), str(row["id"])


def _error(row: Row) -> tuple[bool, float]:
    error = row.get("dev_error")
    return error is None, error or 0.0


def _move(view: View, step: int) -> None:
    if view.opened or view.explained:
        view.top = max(0, view.top + step)
        return
    names = [row["id"] for row in view.listed]
    if view.here in names:
        view.following = False
        view.here = names[min(max(names.index(view.here) + step, 0), len(names) - 1)]


def _choose(view: View) -> None:
    if view.here in view.chosen:
        del view.chosen[view.here]
    elif view.here and len(view.chosen) < MOST_CHOSEN:
        taken = set(view.chosen.values())
        view.chosen[view.here] = next(mark for mark in _marks() if mark not in taken)
    _move(view, 1)


def _marks() -> Iterator[str]:
    return map(str, range(1, MOST_CHOSEN + 1))


def _follow(view: View) -> None:
    view.following = not view.following
    view.settle()


def _next(name: str, words: Sequence[str]) -> Callable[[View], None]:
    return lambda view: setattr(view, name, words[(words.index(getattr(view, name)) + 1) % len(words)])


def _turn(name: str) -> Callable[[View], None]:
    return lambda view: setattr(view, name, not getattr(view, name))


def _zoom(view: View, step: int) -> None:
    view.halved = min(max(view.halved + step, 0), DEEPEST)
    view.back = max(0, 2 * view.back if step > 0 else view.back // 2) if view.halved else 0


def _aside(view: View, step: int) -> None:
    most = PART * (2**view.halved - 1)
    view.back = min(max(view.back + step, 0), most)


def _all(view: View) -> None:
    view.halved = view.back = 0


def _begin_filter(view: View) -> None:
    view.typed, view.problem = " ".join(map(shlex.quote, view.filter)), ""


def _unfold(view: View) -> None:
    view.opened, view.explained, view.top = not view.opened, False, 0


def _explain(view: View) -> None:
    view.explained, view.opened, view.top = not view.explained, False, 0


def _leave(view: View) -> None:
    """Back from what covers the chart."""
    view.explained = view.opened = False
    view.problem = ""


KEYS: dict[str, Callable[[View], None]] = {
    "up": lambda view: _move(view, -1),
    "k": lambda view: _move(view, -1),
    "down": lambda view: _move(view, 1),
    "j": lambda view: _move(view, 1),
    "page up": lambda view: _move(view, -PAGE),
    "page down": lambda view: _move(view, PAGE),
    "home": lambda view: _move(view, -len(view.rows)),
    "end": lambda view: _move(view, len(view.rows)),
    " ": _choose,
    "c": lambda view: view.chosen.clear(),
    "f": _follow,
    "o": _next("order", ORDERS),
    "e": _next("metric", METRICS),
    "x": _next("over", OVER),
    "l": _turn("log"),
    "t": _turn("with_train"),
    "+": lambda view: _zoom(view, 1),
    "=": lambda view: _zoom(view, 1),
    "-": lambda view: _zoom(view, -1),
    "left": lambda view: _aside(view, 1),
    "right": lambda view: _aside(view, -1),
    "0": _all,
    "/": _begin_filter,
    "\r": _unfold,
    "\n": _unfold,
    "?": _explain,
    "h": _explain,
    ESCAPE: _leave,
}  # fmt: skip

HELP = (
    "↑ ↓ j k      another run; PgUp PgDn Home End go farther",
    "Space        choose the run, and once more leave it; c leaves all",
    "f            follow the latest run, as long as no other is gone to",
    "/            filter as `nnrun list --filter`: status=done 'dev_error<5%'",
    "o            order by age or by dev error",
    "Enter        the run in full: verdict, config, log, commands",
    "e            errors or losses        t  with or without train",
    "x            over epochs or seconds  l  linear or logarithmic",
    "+ − ← →      zoom in and out, go back and on; 0 shows all",
    "q Ctrl-C     end; no run notices",
)
HELP_TO_STEER = (
    "p            pause the run at the end of its epoch; once more goes on",
    "s            stop it there; `nnrun resume` goes on",
    "r            a third of its learning rate, from its next epoch on",
    "n            type another change: regularization.l2=1",
)
