"""The one owner of the screen while a run trains: a live view with curves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from nnrun.cli.terminal.screen import ECHO, SECONDS_BETWEEN_REFRESHES, Screen, is_terminal
from nnrun.cli.terminal.streams import in_terminal_letters, say
from nnrun.engine.scores import scores_of_row
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Row, numbers
from nnrun.runs.telling import Beginning, epoch_line, epoch_table, heading
from nnrun.text import columns, log_scale, pace, percent, remaining, sparkline

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from nnrun.config.config import Config
    from nnrun.runs.rundir import RunDir


EPOCHS_SHOWN = 8
BY_WEIGHT = ("epoch", "dev error", "train error", "cost", "dev loss", "train loss", "rate")  # a narrow screen has fewer
MARGIN = 8  # columns for the word best
SHORTEST_BAR, LONGEST_BAR = 5, 30


class PlainConsole(Screen, Listener):
    """One line an epoch on stderr."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__()
        self.verbose = verbose
        self.epochs = self.heard = 0  # planned, and those of this process
        self.primary, self.error_kind = "error", ""

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        """The heading, and with -v all that the run depends on."""
        self.preparation.close()
        self.epochs, self.primary = config.training.epochs, config.metrics.primary
        self.error_kind = beginning.error_kind
        if self.verbose:
            say(*run.resolved.read_bytes().decode().rstrip().split("\n"), _environment(run))
        say(*heading(run.id, config, beginning))

    def changed(self, config: Config) -> None:
        """There may be another number of epochs to come."""
        self.epochs = config.training.epochs

    def epoch(self, row: Row) -> None:
        """A line."""
        self.heard += 1
        say(epoch_line(row, self.epochs, self.primary, self.error_kind))

    def told(self, line: str) -> None:
        """A line."""
        say(line)


class LiveConsole(PlainConsole):
    """The latest epochs, the learning curves, a progress bar with the time left; all but the bar stay in the end."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__(verbose)
        from rich.console import Console
        from rich.live import Live

        self.live: Live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
        self.rows: deque[Row] = deque(maxlen=EPOCHS_SHOWN)
        self.curves = {"train error": Curve(), "dev error": Curve()}
        self.best: Row | None = None
        self.done = 0
        self.started_at = self.refreshed_at = 0.0
        self.over = False

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        """The heading stays above the live view, which begins where the run stands."""
        super().started(run, config, beginning)
        for row in run.metrics():
            self._remember(row)
        self.done = beginning.epoch
        self.started_at = time.monotonic()
        self.live.start()
        self.live.update(self, refresh=True)

    def epoch(self, row: Row) -> None:
        """Redraw, at most ten times a second."""
        self.heard += 1
        self._remember(row)
        self.done = row["epoch"]
        if time.monotonic() - self.refreshed_at >= SECONDS_BETWEEN_REFRESHES:
            self.refreshed_at = time.monotonic()
            self.live.refresh()

    def told(self, line: str) -> None:
        """A line above what is drawn."""
        self.live.console.print(in_terminal_letters(line), highlight=False, markup=False)

    def ended(self, outcome: Outcome) -> None:
        """Leave the last epochs on the screen."""
        self.over = True
        self.live.refresh()
        self.live.stop()
        say("")

    def _remember(self, row: Row) -> None:
        self.rows.append(row)
        for name, curve in self.curves.items():
            curve.add(numbers(row)[name.replace(" ", "_")])
        if self.best is None or self._scores(row) < self._scores(self.best):
            self.best = row

    def _scores(self, row: Row) -> tuple[float, ...]:
        return scores_of_row(numbers(row), self.primary)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live view at the width of the moment."""
        from rich.text import Text

        if self.rows:
            for i, line in enumerate(self._table(options.max_width)):
                yield Text(line, style="dim" if i == 0 else "bold" if line.endswith("best") else "", overflow="crop")
        curves = curve_lines(self.curves, options.max_width)
        for line in ["", *curves] if curves else []:
            yield Text(in_terminal_letters(line), no_wrap=True, overflow="crop")
        if not self.over:
            yield from self._progress(options.max_width)

    def _table(self, width: int) -> list[str]:
        shown = list(self.rows)
        if self.best is not None and self.best not in shown:
            shown.insert(0, self.best)
        table = fitting(epoch_table(shown, self.primary), width - MARGIN)
        marks = ["", *("best" if row is self.best else "" for row in shown)]
        lines = columns([[*row, mark] for row, mark in zip(table, marks, strict=True)], right=range(len(table[0])))
        return [line.rstrip() for line in lines]

    def _progress(self, width: int) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width -= ECHO
        words = next((words for words in self._pace() if len(words) <= width), "")
        line, bar = Table.grid(padding=(0, 2)), min(LONGEST_BAR, width - len(words) - 2)
        cells = [Text(words, no_wrap=True, overflow="crop")]
        yield Text()
        if bar < SHORTEST_BAR:
            line.add_row(*cells)
        else:
            line.add_row(*cells, ProgressBar(total=self.epochs, completed=self.done, width=bar))
        yield line

    def _pace(self) -> Iterator[str]:
        """What is done, what is left, and how fast it goes, ever shorter."""
        done = f"{self.done}/{self.epochs}"
        if self.heard:
            seconds = (time.monotonic() - self.started_at) / self.heard
            left = f"{remaining(seconds * (self.epochs - self.done))} left"
            yield f"{done} epochs, about {left}, {pace(seconds)} each"
            yield f"{done} epochs, about {left}"
            yield f"{done}, {left}"
        yield f"{done} epochs"
        yield done


def fitting(table: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The columns of a table of epochs, the weightiest first, as many as fit side by side."""
    chosen: list[int] = []
    titles = list(table[0])
    of_the_metric = [title for title in reversed(titles) if title not in BY_WEIGHT]  # dev before train
    for title in (BY_WEIGHT[0], *of_the_metric, *BY_WEIGHT[1:]):
        i = titles.index(title)
        width -= max(len(row[i]) for row in table) + 2
        if width < 0:
            break
        chosen.append(i)
    return [[row[i] for i in sorted(chosen)] for row in table]


def _environment(run: RunDir) -> str:
    record = run.read_record()
    versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
    kernels = ", ".join(f"{blas['library']} {blas['kernel']}" for blas in record["blas"])
    return f"versions {versions}; {kernels}"


class QuietConsole(PlainConsole):
    """Says nothing until the end."""

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """Nothing."""

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        """Nothing."""

    def told(self, line: str) -> None:
        """Nothing."""

    def epoch(self, row: Row) -> None:
        """Nothing but the count."""
        self.heard += 1


def console(quiet: bool, verbose: bool) -> PlainConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietConsole()
    return LiveConsole(verbose) if is_terminal() else PlainConsole(verbose)


# Learning curves that grow while a run trains, in as many columns as there are.

MOST_BINS = 128
WIDEST = 60  # columns of bars
NARROWEST = 8
TITLE = "train error  "
LAST = 8  # columns of the latest value


class Curve:
    """The means of equally many values in a row; with more values the bins grow, not their number."""

    def __init__(self) -> None:
        self.bins: list[float] = []
        self._open: list[float] = []
        self._size = 1

    def add(self, value: float | None) -> None:
        """The value of the next epoch; one that is not known counts as the one before."""
        if value is not None:
            self.latest = value
            self._open.append(value)
        if len(self._open) == self._size:
            self.bins.append(fmean(self._open))
            self._open.clear()
        if len(self.bins) == 2 * MOST_BINS:
            self.bins = _halved(self.bins)
            self._size *= 2

    def fitting(self, width: int) -> list[float]:
        """At most `width` values."""
        values = self.bins
        while len(values) > width:
            values = _halved(values)
        return values


def _halved(values: Sequence[float]) -> list[float]:
    return [fmean(values[i : i + 2]) for i in range(0, len(values), 2)]


def curve_lines(curves: dict[str, Curve], width: int) -> list[str]:
    """A line a curve, all on one logarithmic scale, so that the gap between them shows; none on a narrow screen."""
    bars = min(WIDEST, width - len(TITLE) - LAST)
    shown = {name: curve.fitting(bars) for name, curve in curves.items() if bars >= NARROWEST}
    positive = [value for values in shown.values() for value in values if value > 0]
    if not positive or max(map(len, shown.values())) < 2:
        return []
    low, high = log_scale(positive)
    return [
        f"{name:<{len(TITLE)}}{sparkline(_logs(values, low), low, high)}  {percent(curves[name].latest)}"
        for name, values in shown.items()
    ]


def _logs(values: Sequence[float], low: float) -> list[float]:
    return [math.log(value) if value > 0 else low for value in values]
