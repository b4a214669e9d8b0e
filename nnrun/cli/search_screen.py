"""What the screen shows while a search runs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import TracebackType
from typing import Any

import yaml

from nnrun.cli.console import STOPPING
from nnrun.cli.streams import say, say_at_once
from nnrun.config.load import load_config
from nnrun.narration import duration
from nnrun.rundir import RunDir
from nnrun.search.ledger import Record
from nnrun.search.options import Options
from nnrun.search.space import Space
from nnrun.search.study import Watcher
from nnrun.search.telling import heading, rung_lines, trial_line

TRIALS_BETWEEN_PACES = 10
AFRESH = "\r\x1b[K"  # back to the beginning of an empty line


class SearchConsole(Watcher):
    """One line a trial on stderr; on a terminal the pace stands below, in a line of its own that is overwritten."""

    def __init__(self, quiet: bool, options: Options) -> None:
        self.quiet, self.options = quiet, options
        self.plan: dict[str, Any] = {}
        self.begun = time.monotonic()
        self.heard = 0
        self.live = not quiet and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")

    def __enter__(self) -> SearchConsole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._below("")

    def started(self, run: RunDir, space: Space, trials: int) -> None:
        """The heading."""
        self.plan, self.begun = yaml.safe_load(run.read("search.yaml")), time.monotonic()
        if not self.quiet:
            say(*heading(run.id, self.plan, space, self.options.workers))
        if not self.quiet and self.plan["strategy"] == "halving":
            say(*rung_lines(self.plan, space, load_config(run.path / "resolved.yaml").config.training.epochs))

    def trial(self, record: Record, best: Record, finished: int) -> None:
        """A line, with the pace every tenth time."""
        total = self.plan["totals"][-1]
        self.heard += 1
        if not self.quiet:
            self._below("")
            say(trial_line(record, best, finished, total, self.plan["metric"]))
            if self.live:
                self._below(self._pace(finished, total))
            elif self.heard % TRIALS_BETWEEN_PACES == 0 and finished < total:
                say(self._pace(finished, total))

    def _below(self, text: str) -> None:
        """Put this into the live line, cut off at the edge of the terminal."""
        if self.live:
            say_at_once(AFRESH + text[: shutil.get_terminal_size().columns - 1])

    def _pace(self, finished: int, total: int) -> str:
        each = (time.monotonic() - self.begun) / self.heard
        return f"{60 / each:.0f} trials a minute, about {duration(each * (total - finished))} left"

    def stopping(self) -> None:
        """The first signal came."""
        say_at_once(f"\n{STOPPING}\n")

    def abandoned(self) -> None:
        """The process ends here and now."""
