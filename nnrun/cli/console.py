"""The one owner of the screen while a run trains: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nnrun.cli.common import say
from nnrun.narration import duration, epoch_line, heading, number, percent
from nnrun.session import Listener, Outcome, Row

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nnrun.config.config import Config
    from nnrun.rundir import RunDir

EPOCHS_SHOWN = 8
SECONDS_BETWEEN_REFRESHES = 0.1


class PlainConsole(Listener):
    """One line an epoch on stderr."""

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.epochs = 0

    def __enter__(self) -> PlainConsole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        pass

    def started(self, run: RunDir, config: Config, facts: Mapping[str, Any]) -> None:
        """The heading, and with -v all that the run depends on."""
        self.epochs = config.training.epochs
        if self.verbose:
            say(run.read("resolved.yaml").decode().rstrip(), _environment(run))
        say(*heading(run.id, config.resolved(), facts))

    def epoch(self, row: Row) -> None:
        """A line."""
        say(epoch_line(row, self.epochs))


class LiveConsole(PlainConsole):
    """A table of the latest epochs and a progress bar with the remaining time."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__(verbose)
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.rows: deque[Row] = deque(maxlen=EPOCHS_SHOWN)
        self.best: Row | None = None
        self.first = 0
        self.started_at = self.refreshed_at = 0.0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.live.stop()

    def started(self, run: RunDir, config: Config, facts: Mapping[str, Any]) -> None:
        """The heading stays above the live view."""
        super().started(run, config, facts)
        self.first, self.started_at = facts["epoch"], time.monotonic()
        self.live.start()

    def epoch(self, row: Row) -> None:
        """Redraw, at most ten times a second."""
        self.rows.append(row)
        if self.best is None or (row["dev_error"], row["dev_loss"]) < (self.best["dev_error"], self.best["dev_loss"]):
            self.best = row
        if time.monotonic() - self.refreshed_at >= SECONDS_BETWEEN_REFRESHES:
            self.refreshed_at = time.monotonic()
            self.live.update(self._view(), refresh=True)

    def ended(self, outcome: Outcome) -> None:
        """Leave the last epochs on the screen as plain lines."""
        self.live.stop()
        say(*(epoch_line(row, self.epochs) for row in list(self.rows)[-3:]))

    def _view(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("epoch", "cost", "train error", "train loss", "dev error", "dev loss", "rate"):
            table.add_column(title, justify="right")
        shown = [*self.rows, *([self.best] if self.best and self.best not in self.rows else [])]
        for row in shown:
            table.add_row(*_cells(row), style="bold" if row is self.best else None)
        done = self.rows[-1]["epoch"]
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(total=self.epochs, completed=done, width=30), self._pace(done))
        return Group(table, bar)

    def _pace(self, done: int) -> str:
        spent = time.monotonic() - self.started_at
        per_epoch = spent / max(1, done - self.first)
        left = duration(per_epoch * (self.epochs - done))
        return f"{done}/{self.epochs} epochs, {1000 * per_epoch:.3g} ms each, about {left} left"


def _cells(row: Row) -> list[str]:
    numbers = [number(row[key]) for key in ("cost", "train_loss", "dev_loss")]
    errors = [percent(row["train_error"]), percent(row["dev_error"])]
    return [str(row["epoch"]), numbers[0], errors[0], numbers[1], errors[1], numbers[2], f"{row['learning_rate']:.3g}"]


def _environment(run: RunDir) -> str:
    record = run.read_json("run.json")
    versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
    kernels = ", ".join(f"{blas['library']} {blas['kernel']}" for blas in record["blas"])
    return f"versions {versions}; {kernels}"


class QuietConsole(PlainConsole):
    """Says nothing until the end."""

    def started(self, run: RunDir, config: Config, facts: Mapping[str, Any]) -> None:
        """Nothing."""

    def epoch(self, row: Row) -> None:
        """Nothing."""


def console(quiet: bool, verbose: bool) -> PlainConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietConsole()
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveConsole(verbose) if live else PlainConsole(verbose)
