"""What every view owns of the screen: how data is prepared, how it begins, what a signal shows, how it ends."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nnrun.cli.terminal.streams import in_terminal_letters, say, say_at_once
from nnrun.text import COMPILING

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    from nnrun.data.files.chunks import Heard

MOMENT = 1.0  # seconds after which the preparing of data is worth a word
SECONDS_BETWEEN_REFRESHES = 0.1
STOPPING = "stopping; once more to stop at once"
START_OF_LINE, SHOW_CURSOR, HIDE_CURSOR = "\r\x1b[2K", "\x1b[?25h", "\x1b[?25l"
UP = "\x1b[1A"
HEAD = 9  # columns of the word that a line begins with
SHORTEST_BAR, LONGEST_BAR = 5, 30
ECHO = 3  # columns left free for the ^C that a terminal prints, as a line that it breaks is never erased


def is_terminal() -> bool:
    """Whether stderr is a terminal that lines can be drawn over on."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


class Preparation:
    """Hears of each piece of data: a bar on a terminal, gone in the end, elsewhere a line at the start and the end."""

    def __init__(self) -> None:
        self._began: float | None = None  # when the first piece was heard of: workers may have been waited for before
        self._told = False
        self._bar: Progress | None = None

    def __call__(self, step: str, done: int, rows: int | None) -> None:
        """As many rows as `done` are through a step, of all if that is known; or the step `compiling` begins."""
        if step == COMPILING:
            self.close()
            say("engine   compiling the training step, which takes some seconds")
            return
        now = time.monotonic()
        self._began = self._began or now
        if now - self._began < MOMENT:
            return
        if not self._told:
            self._told = True
            say("data     being prepared piece by piece, which is done once")
            self._bar = _bar("reading", "rows") if is_terminal() else None
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=step, completed=done, total=rows, refresh=True)

    def close(self) -> None:
        """The preparation is over, well or not."""
        if self._bar is not None:
            self._bar.stop()
        if self._told and self._began is not None:
            say(f"data     {time.monotonic() - self._began:.0f} s were spent on preparing it")
        self._told, self._bar = False, None


class Counting:
    """Hears how far work on many things of a kind is: a bar on a terminal, gone in the end, elsewhere a line."""

    def __init__(self, doing: str, what: str) -> None:
        self.doing, self.what = doing, what
        self._began: float | None = None
        self._told = False
        self._bar: Progress | None = None

    def __call__(self, done: int, of: int) -> None:
        """As many of the things as `done` are done."""
        self._began = self._began or time.monotonic()
        if not self._told and time.monotonic() - self._began < MOMENT:
            return
        if not self._told:
            self._told, self._bar = True, _bar(self.doing, self.what) if is_terminal() else None
            if self._bar is None:
                say(f"{self.doing} {of:,} {self.what}")
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=of, refresh=True)

    def close(self) -> None:
        """The work is over, well or not."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def counting(doing: str, what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """For a command that goes through many things of a kind, such as columns."""
    heard = Counting(doing, what)
    try:
        yield (lambda done, of: None) if quiet else heard
    finally:
        heard.close()


def _bar(doing: str, what: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn())
    rows = TextColumn(f"{{task.completed:,.0f}} {what}")
    bar = Progress(*columns, rows, console=Console(stderr=True), transient=True, auto_refresh=False)
    bar.add_task(doing, total=None)
    bar.start()
    return bar


def silent(step: str, done: int, rows: int | None) -> None:
    """Says nothing of it."""


@contextmanager
def preparing(quiet: bool) -> Iterator[Heard]:
    """For a command without a view of its own."""
    preparation = Preparation()
    try:
        yield silent if quiet else preparation
    finally:
        preparation.close()


class Screen:
    """Plain lines; with `live` also what is drawn below them, which has hidden the cursor."""

    live: Live | None = None

    def __init__(self) -> None:
        self.preparation = Preparation()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.preparation.close()
        if self.live:
            self.live.stop()

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """Data is being prepared: told where it takes long."""
        self.preparation(step, done, rows)

    def stopping(self) -> None:
        """The first signal came: said in place of the last line of what is drawn, until it is drawn again."""
        drawn = self.live and self.live.is_started
        say_at_once(START_OF_LINE + STOPPING if drawn else f"\n{STOPPING}\n")

    def abandoned(self) -> None:
        """The process ends here and now."""
        if self.live and self.live.is_started:
            say_at_once(f"{SHOW_CURSOR}\n")


def drawable(line: str, style: str = "") -> Text:
    """A line that is cut at the edge, in the letters that the terminal's encoding has."""
    from rich.text import Text

    return Text(in_terminal_letters(line), style=style, no_wrap=True, overflow="crop")


def fitting_words(ways: Sequence[str], width: int) -> str:
    """The first of some ways to say it that fits; nothing where none does."""
    return next((words for words in ways if len(words) <= width), "")


def bar_line(ways: Sequence[str], done: float, total: float, width: int) -> Table:
    """The longest of some ways to say how far it is that fits, with a bar behind it where there is room for one."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    words = fitting_words(ways, width - ECHO)
    line, bar = Table.grid(padding=(0, 2)), min(LONGEST_BAR, width - ECHO - len(words) - 2)
    cells = [Text(words, no_wrap=True, overflow="crop")]
    if bar < SHORTEST_BAR:
        line.add_row(*cells)
    else:
        line.add_row(*cells, ProgressBar(total=total, completed=done, width=bar))
    return line


def folded(line: str, width: int) -> list[str]:
    """At this width; what follows the first line stands below the words behind its head."""
    return textwrap.wrap(line, max(width, 2 * HEAD), subsequent_indent=" " * HEAD, break_on_hyphens=False)
