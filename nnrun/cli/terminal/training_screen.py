"""The one owner of the screen while a run trains: a live view with curves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING

from nnrun.cli.terminal.curves import Curve, curve_lines, fitting
from nnrun.cli.terminal.keys import Keyboard
from nnrun.cli.terminal.panel import Panel
from nnrun.cli.terminal.screen import (
    HIDE_CURSOR,
    MOMENT,
    SECONDS_BETWEEN_REFRESHES,
    START_OF_LINE,
    UP,
    Screen,
    bar_line,
    drawable,
    is_terminal,
)
from nnrun.cli.terminal.streams import in_terminal_letters, say, say_at_once
from nnrun.engine.scores import scores_of_row
from nnrun.installation import called, typed_here
from nnrun.runs import telling
from nnrun.runs.environment import surroundings
from nnrun.runs.finding import trained_with
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import FoundSymptom, Row, numbers
from nnrun.text import columns, pace, remaining

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

    from nnrun.config.config import Config
    from nnrun.runs.rundir import RunDir


EPOCHS_SHOWN, FEWEST_SHOWN = 8, 2
MARGIN = 8  # columns for the word best


class PlainConsole(Screen, Listener):
    """One line an epoch on stderr."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__()
        self.verbose = verbose
        self.epochs = self.heard = 0  # planned, and those of this process
        self.primary, self.error_kind, self.fold = "error", "", ""
        self.run_name = ""
        self.known: set[str] = set()  # names of symptoms that were told

    def started(self, run: RunDir, config: Config, beginning: telling.Beginning) -> None:
        """The heading, and with -v all that the run depends on."""
        self.preparation.close()
        self.epochs, self.primary = config.training.epochs, config.metrics.primary
        whole, before = trained_with(run), self.run_name
        self.run_name, self.error_kind = called(whole.path), beginning.error_kind
        self.fold = f"{beginning.fold}  " if beginning.fold else ""
        further = self.run_name == before  # fold of the same run
        if self.verbose and not further:
            say(*surroundings(run))
        say(*([f"data     {telling.rows_of(beginning)}"] if further else telling.heading(whole.id, config, beginning)))

    def changed(self, config: Config) -> None:
        """The number of epochs to come may be another one."""
        self.epochs = config.training.epochs

    def epoch(self, row: Row) -> None:
        """A line."""
        self.heard += 1
        say(f"{self.fold}{telling.epoch_line(row, self.epochs, self.primary, self.error_kind)}")

    def told(self, line: str) -> None:
        """A line."""
        say(line)

    def symptoms(self, found: Sequence[FoundSymptom]) -> None:
        """Each when it is there first."""
        for symptom in found:
            if symptom["name"] not in self.known:
                say(*telling.symptom_lines(symptom, self.run_name, typed_here))
        self.known |= {symptom["name"] for symptom in found}


class LiveConsole(PlainConsole):
    """The latest epochs, the learning curves, what is wrong and what answers it, a progress bar and the keys.

    Epochs and curves stay in the end. Two threads draw, as keys have their own.
    """

    panel: Panel  # of the run, once it has begun

    def __init__(self, verbose: bool) -> None:
        super().__init__(verbose)
        self._adding = Lock()  # held by who draws, never the other way round
        self.spent = 0.0
        self._begin()

    def _begin(self) -> None:
        """With nothing drawn yet, as at each fold."""
        from rich.console import Console
        from rich.live import Live

        self.live: Live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
        self.keyboard = Keyboard(self._press, self._going_on)
        self.rows: deque[Row] = deque(maxlen=EPOCHS_SHOWN)
        self.curves = {"train error": Curve(), "dev error": Curve()}
        self.best: Row | None = None
        self.done = 0
        self.drawn: list[int] = []  # columns of each line
        self.heard_at = self.refreshed_at = 0.0
        self.over = self.below_others = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.keyboard.stop()
        with self.keyboard.drawing():
            super().__exit__(kind, error, tb)

    def abandoned(self) -> None:
        """The terminal is left as it was."""
        self.keyboard.give_back()
        super().abandoned()

    def started(self, run: RunDir, config: Config, beginning: telling.Beginning) -> None:
        """The heading stays above the live view, which begins where the run stands."""
        super().started(run, config, beginning)
        if self.over:
            self._begin()
        self.panel = Panel(trained_with(run), config.optimizer.learning_rate)
        for row in run.metrics():
            self._remember(row)
        self.done = beginning.epoch
        self.heard_at = time.monotonic()
        self.live.start()
        self.keyboard.start()
        self.live.update(self, refresh=True)

    def changed(self, config: Config) -> None:
        """The number of epochs to come, and the rate that a key lowers, may be other ones."""
        super().changed(config)
        self.panel.rate = config.optimizer.learning_rate

    def epoch(self, row: Row) -> None:
        """Redraw, at most ten times a second."""
        self.heard += 1
        now = time.monotonic()
        self.spent += min(now - self.heard_at, row["seconds"] + MOMENT)  # what is beyond was a pause
        self.heard_at, self.done = now, row["epoch"]
        self._remember(row)
        if now - self.refreshed_at >= SECONDS_BETWEEN_REFRESHES:
            self._draw()

    def told(self, line: str) -> None:
        """A line above what is drawn."""
        with self.keyboard.drawing():
            self._make_room()
            self.live.console.print(in_terminal_letters(line), highlight=False, markup=False)

    def symptoms(self, found: Sequence[FoundSymptom]) -> None:
        """Shown as long as they are there."""
        self.panel.symptoms = found
        self._draw()

    def ended(self, outcome: Outcome) -> None:
        """Leave the last epochs on the screen."""
        self.keyboard.stop()
        with self.keyboard.drawing():
            self._make_room()
            self.over = True
            self.live.refresh()
            self.live.stop()
        say("")

    def _press(self, typed: str) -> None:
        if self.panel.press(typed) or self.below_others:
            self._draw()

    def _going_on(self) -> None:
        """A shell has written below the view while this process was stopped."""
        self.below_others = True

    def _draw(self) -> None:
        with self.keyboard.drawing():
            self.refreshed_at = time.monotonic()
            if self.live.is_started:
                self._make_room()
                self.live.refresh()

    def _make_room(self) -> None:
        """Drawing goes up as many lines as were drawn, which is not where they are below what a shell has written, or
        where a terminal that has become narrower has folded them."""
        width = self.live.console.width
        folds = sum((columns - 1) // width for columns in self.drawn if columns)
        if self.below_others:
            self.below_others = False
            say_at_once(HIDE_CURSOR + "\n" * (len(self.drawn) - 1))
        elif folds:
            say_at_once(f"{START_OF_LINE}{UP}" * folds)
        self.drawn = [min(columns, width) for columns in self.drawn]

    def _remember(self, row: Row) -> None:
        with self._adding:
            self.rows.append(row)
            for name, curve in self.curves.items():
                curve.add(numbers(row)[name.replace(" ", "_")])
            if self.best is None or self._scores(row) < self._scores(self.best):
                self.best = row

    def _scores(self, row: Row) -> tuple[float, ...]:
        return scores_of_row(numbers(row), self.primary)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live view at the size of the moment."""
        width, height = options.max_width, options.size.height
        below = [] if self.over else [*self.panel.lines(width), *self._progress(width)]
        if not self.over and self.keyboard.listening:
            below += self.panel.help(width)
        with self._adding:
            curves = curve_lines(self.curves, width)
            curves = ["", *curves] if curves else []
            table = self._table(width, height - len(curves) - len(below) - 1) if self.rows else []
        drawn = [*table, *map(drawable, curves), *below]
        self.drawn = [console.measure(line).maximum for line in drawn[:height]]
        yield from drawn

    def _table(self, width: int, most: int) -> list[Text]:
        """The latest epochs, so many at most, with the best one."""
        shown = list(self.rows)[-max(FEWEST_SHOWN, most) :]
        if self.best is not None and self.best not in shown:
            shown = [self.best, *(shown if most > len(shown) else shown[1:])]
        table = fitting(telling.epoch_table(shown, self.primary), width - MARGIN)
        marks = ["", *("best" if row is self.best else "" for row in shown)]
        lines = columns([[*row, mark] for row, mark in zip(table, marks, strict=True)], right=range(len(table[0])))
        styles = ["dim", *("bold" if mark else "" for mark in marks[1:])]
        return [drawable(line.rstrip(), style) for line, style in zip(lines, styles, strict=True)]

    def _progress(self, width: int) -> list[Text | Table]:
        from rich.text import Text

        return [Text(), bar_line([*self._pace()], self.done, self.epochs, width)]

    def _pace(self) -> Iterator[str]:
        """What is done, what is left, and how fast it goes, ever shorter."""
        done = f"{self.fold}{self.done}/{self.epochs}"
        if self.panel.paused:
            yield f"{done} epochs, paused"
        elif self.heard:
            seconds = self.spent / self.heard
            left = f"{remaining(seconds * (self.epochs - self.done))} left"
            yield f"{done} epochs, about {left}, {pace(seconds)} each"
            yield f"{done} epochs, about {left}"
            yield f"{done}, {left}"
        yield f"{done} epochs"
        yield done


class QuietConsole(Listener, Screen):
    """Says nothing until the end, and counts the epochs."""

    heard = 0

    def epoch(self, row: Row) -> None:
        """Nothing but the count."""
        self.heard += 1


def console(quiet: bool, verbose: bool) -> PlainConsole | QuietConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietConsole()
    return LiveConsole(verbose) if is_terminal() else PlainConsole(verbose)
