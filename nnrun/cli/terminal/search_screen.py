"""The one owner of the screen while a search runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import textwrap
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from nnrun.cli.terminal.screen import ECHO, SECONDS_BETWEEN_REFRESHES, Screen, drawable, is_terminal
from nnrun.cli.terminal.streams import say
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import error_kind
from nnrun.search.retests import telling as retests
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.search.telling import heading, outlook
from nnrun.search.trial_lines import BEST_SHOWN, best_table, result_of, settings, trial_line
from nnrun.search.trials import Objective
from nnrun.text import remaining

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from nnrun.runs.rundir import RunDir
    from nnrun.search.plan import Plan
    from nnrun.search.record import TrialRecord
    from nnrun.search.state import Options


INDENT = " " * len("best     ")
TRIALS_BETWEEN_PACES, SECONDS_BETWEEN_PACES = 10, 60


class SearchConsole(Screen, Watcher):
    """One line a trial on stderr, with the pace every tenth time, or after a minute."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.plan: Plan
        self.error_kind = ""
        self.begun = time.monotonic()
        self.paced_at = self.begun
        self.heard = 0

    @property
    def total(self) -> int:
        """The number of trials that were asked for."""
        return self.plan.total

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading."""
        self.preparation.close()
        self.plan, self.begun = plan, time.monotonic()
        self.paced_at = self.begun
        self.error_kind = error_kind(run.read_record()["data"])
        retest = StoredSearch(StoredRun(run)).retest
        if retest:
            say(*retests.heading(run.id, retest, plan, self.options.workers_here, self.error_kind))
        else:
            say(*heading(run.id, plan, plan.space, self.options.workers_here, self.error_kind), *outlook(plan))

    def outlook(self, told: Callable[[], list[str]]) -> None:
        """As it is, before the first trial."""
        for line in told():
            self.say(line)

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A line."""
        self.heard += 1
        say(trial_line(record, best, finished, self.total, self.plan.metric, self.error_kind))
        waited = time.monotonic() - self.paced_at >= SECONDS_BETWEEN_PACES
        if (waited or self.heard % TRIALS_BETWEEN_PACES == 0) and finished < self.total:
            self.paced_at = time.monotonic()
            say(self.pace(finished))

    def say(self, line: str) -> None:
        """As it is."""
        say(line)

    def pace(self, finished: int) -> str:
        """How fast it goes, and until when."""
        each = (time.monotonic() - self.begun) / self.heard
        return f"{60 / each:.0f} trials a minute, about {remaining(each * (self.total - finished))} left"


class LiveSearchConsole(SearchConsole):
    """Trials scroll by above a few lines: the best, the counts, the pace, the best few; they are gone in the end."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        from rich.console import Console
        from rich.live import Live

        self.live: Live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
        self.counts: Counter[str] = Counter()
        self.ranked: list[TrialRecord] = []  # the best few
        self.running = 0
        self.unsaid: list[tuple[str, bool]] = []  # lines, and whether they tell of the best trial so far
        self.refreshed_at = 0.0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.live.is_started:
            self._draw()
        super().__exit__(kind, error, tb)

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading stays above the live view."""
        super().started(run, plan)
        self.live.start()
        self.live.update(self)

    def recalled(self, record: TrialRecord) -> None:
        """Counts like any other."""
        self.counts[record["status"]] += 1
        insort(self.ranked, record, key=Objective(self.plan.metric).rank)
        del self.ranked[BEST_SHOWN:]

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A line, with the next drawing."""
        self.heard += 1
        self.recalled(record)
        self.unsaid += [(line, record["number"] == best["number"]) for line in self._lines(record, finished)]
        self._draw_at_times()

    def say(self, line: str) -> None:
        """Above the live view, with the next drawing."""
        self.unsaid += [(part, False) for part in self._wrapped(line)]
        self._draw_at_times()

    def waiting(self, running: int) -> None:
        """Time goes on."""
        self.running = running
        self._draw_at_times()

    def _lines(self, record: TrialRecord, finished: int) -> list[str]:
        """A trial, in as many lines as its settings take."""
        width = len(str(self.total))
        error = f" ({record['error']})" if record.get("error") else ""
        result = result_of(record, self.plan.metric)
        number = f"{finished:>{width}}/{self.total}  trial {record['number']:>{width}}"
        return self._wrapped(f"{number}  {result:>8}{error}  {settings(record['values'])}")

    def _wrapped(self, line: str) -> list[str]:
        """At the width of the moment; what follows the first line stands below the words behind its head."""
        return textwrap.wrap(line, self.live.console.width, subsequent_indent=INDENT, break_on_hyphens=False)

    def _draw_at_times(self) -> None:
        if time.monotonic() - self.refreshed_at >= SECONDS_BETWEEN_REFRESHES:
            self._draw()

    def _draw(self) -> None:
        from rich.console import Group

        lines = [drawable(line, "bold" if best else "") for line, best in self.unsaid]
        self.unsaid.clear()
        self.refreshed_at = time.monotonic()
        if lines:
            self.live.console.print(Group(*lines))  # draws what is below as well
        else:
            self.live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live view at the width of the moment."""
        yield drawable("")
        table, left = fitting_table(self.ranked, self.plan.metric, options.max_width, self.error_kind)
        for i, line in enumerate(table):
            yield drawable(line, "dim" if i == 0 else "bold" if i == 1 else "")
        width = options.max_width - ECHO
        for line in self._best(left):
            yield drawable(line)
        yield drawable(self._counts(), "dim")
        yield drawable(next((words for words in self._progress() if len(words) <= width), ""))

    def _best(self, left: Sequence[str]) -> list[str]:
        """The best trial, with the settings that the table above has no room for."""
        if not self.ranked or self.ranked[0]["metric"] is None:
            return ["best     none yet"]
        best = self.ranked[0]
        more = settings({key: best["values"][key] for key in left})
        told = f"trial {best['number']}: {result_of(best, self.plan.metric)}"
        return self._wrapped(f"best     {told}, {more}" if more else f"best     {told}")

    def _counts(self) -> str:
        told = [f"{self.counts[status]} {status}" for status in ("done", "diverged", "failed")]
        return ", ".join([f"{self.running} running", *told])

    def _progress(self) -> Iterator[str]:
        """What is done and left, ever shorter."""
        finished = self.counts.total()
        done = f"{finished}/{self.total}"
        if self.heard:
            pace = self.pace(finished)
            yield f"{done} trials, {pace}"
            yield f"{done}, {pace.partition(', about ')[2]}"
        yield f"{done} trials"
        yield done


class QuietSearchConsole(SearchConsole):
    """Says nothing until the end."""

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """Nothing."""

    def started(self, run: RunDir, plan: Plan) -> None:
        """Nothing."""

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """Nothing."""

    def outlook(self, told: Callable[[], list[str]]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def fitting_table(
    ranked: Sequence[TrialRecord], metric: str, width: int, kind: str = ""
) -> tuple[list[str], list[str]]:
    """The table of the best trials, with as many parameters as fit side by side, and the keys of those that do not."""
    keys = list(ranked[0]["values"]) if ranked else []
    for count in range(len(keys), -1, -1):
        narrow = [record | {"values": {key: record["values"][key] for key in keys[:count]}} for record in ranked]
        table = best_table(narrow, metric, kind)
        if max(map(len, table), default=0) <= width:
            return table, keys[count:]
    return [], keys


def search_console(quiet: bool, options: Options) -> SearchConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietSearchConsole(options)
    return LiveSearchConsole(options) if is_terminal() else SearchConsole(options)
