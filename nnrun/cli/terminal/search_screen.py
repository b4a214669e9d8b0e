"""The one owner of the screen while a search runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from nnrun.cli.terminal.screen import SECONDS_BETWEEN_REFRESHES, Screen, bar_line, drawable, is_terminal
from nnrun.cli.terminal.streams import say
from nnrun.cli.terminal.trial_columns import INDENT, TrialColumns, in_training_lines, whole_time
from nnrun.runs.environment import surroundings
from nnrun.runs.finding import TRIALS, trial_name
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import error_kind
from nnrun.search.retests import telling as retests
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.search.telling import heading, outlook
from nnrun.search.trial_lines import beginning_line, best_few, result_of, settings, trial_line
from nnrun.text import remaining
from nnrun.watching.running import InTraining

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from nnrun.runs.rundir import RunDir
    from nnrun.search.plan import Plan
    from nnrun.search.record import TrialRecord
    from nnrun.search.state import Options
    from nnrun.search.trials import Trial


TRIALS_BETWEEN_PACES, SECONDS_BETWEEN_PACES = 10, 60


class SearchConsole(Screen, Watcher):
    """One line a trial on stderr, with the pace every tenth time, or after a minute."""

    def __init__(self, options: Options, verbose: bool = False) -> None:
        super().__init__()
        self.options, self.verbose = options, verbose
        self.plan: Plan
        self.error_kind = ""
        self.begun = time.monotonic()
        self.paced_at = self.begun
        self.heard = self.trained = 0  # trials of this call, and those of them that had an epoch
        self.behind = self.ahead = 0  # epochs of these, and of the trials that are not over

    @property
    def total(self) -> int:
        """The number of trials that were asked for."""
        return self.plan.total

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading, and with -v all that the search depends on."""
        self.preparation.close()
        if self.verbose:
            say(*surroundings(run))
        self.plan, self.begun = plan, time.monotonic()
        self.paced_at, self.ahead = self.begun, plan.epochs_of_all
        self.error_kind = error_kind(run.read_record()["data"])
        retest = StoredSearch(StoredRun(run)).retest
        if retest:
            say(*retests.heading(run.id, retest, plan, self.options.workers_here, self.error_kind))
        else:
            say(*heading(run.id, plan, plan.space, self.options.workers_here, self.error_kind), *outlook(plan))

    def outlook(self, told: Callable[[], list[str]]) -> None:
        """Print the outlook as it is, before the first trial."""
        for line in told():
            self.say(line)

    def began(self, trials: Sequence[Trial]) -> None:
        """With -v a line each."""
        for trial in trials if self.verbose else ():
            self.say(beginning_line(trial))

    def recalled(self, record: TrialRecord) -> None:
        """The epochs of a trial that is over are no longer ahead."""
        self.ahead -= self.plan.epochs_of(record["number"]) if record["number"] < self.total else 0

    def stood(self, seconds: float) -> None:
        """Nothing was done in this time."""
        self.begun += seconds

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A line."""
        self._count(record)
        self.recalled(record)
        say(trial_line(record, best, finished, self.total, self.plan.objective, self.error_kind))
        waited = time.monotonic() - self.paced_at >= SECONDS_BETWEEN_PACES
        if self.trained and (waited or self.heard % TRIALS_BETWEEN_PACES == 0) and finished < self.total:
            self.paced_at = time.monotonic()
            say(self.pace())

    def say(self, line: str) -> None:
        """Print a line as it is."""
        say(line)

    def _count(self, record: TrialRecord) -> None:
        self.heard += 1
        self.trained += (trained := bool(record["curve"]))
        self.behind += self.plan.epochs_of(record["number"]) if trained else 0

    def pace(self) -> str:
        """How fast it goes, and until when; trials that never trained would make it look fast."""
        spent = time.monotonic() - self.begun
        left = spent / self.behind * self.ahead
        return f"{60 * self.trained / spent:.0f} trials a minute, about {remaining(left)} left"


class LiveSearchConsole(SearchConsole):
    """Trials scroll by, one line each, above what is drawn anew: the best few, those in training, counts and a bar.

    All of them have the same columns. What is drawn anew is gone in the end.
    """

    def __init__(self, options: Options, verbose: bool) -> None:
        super().__init__(options, verbose)
        from rich.console import Console
        from rich.live import Live

        self.live: Live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
        self.counts: Counter[str] = Counter()
        self.ranked: list[TrialRecord] = []  # the best few
        self.folder = Path()  # of the trials
        self.columns: TrialColumns
        self.running = 0
        self.in_training: dict[int, InTraining] = {}  # by number
        self.unsaid: list[tuple[str, str]] = []  # lines and their styles
        self.refreshed_at = 0.0

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.live.is_started:
            self.in_training.clear()
            self._draw()
        super().__exit__(kind, error, tb)

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading stays above the live view."""
        super().started(run, plan)
        self.folder, config = run.path / TRIALS, StoredRun(run).config
        given = [plan.space.read(config), *plan.enqueue]
        self.columns = TrialColumns(plan, given, self.error_kind, config.data.in_folds)
        self.live.start()
        self.live.update(self)

    def recalled(self, record: TrialRecord) -> None:
        """Counts like any other."""
        super().recalled(record)
        self.counts["pruned" if record.get("pruned") else record["status"]] += 1
        self.ranked = best_few([*self.ranked, record])

    def began(self, trials: Sequence[Trial]) -> None:
        """The trials are in training from now on."""
        super().began(trials)
        now = time.monotonic()
        for trial in trials:
            directory = self.folder / trial_name(trial.number)
            self.in_training[trial.number] = InTraining(directory, trial, self.plan.objective, now)

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A line, with the next drawing; above the first of them the titles."""
        if not self.heard:
            self.unsaid.append((self.columns.head(self.live.console.width), "dim"))
        self._count(record)
        self.recalled(record)
        self.in_training.pop(record["number"], None)
        style = "bold" if record["number"] == best["number"] else ""
        self.unsaid.append((self.columns.row(record, self.live.console.width), style))
        if record.get("error"):
            self.unsaid += [(line, style) for line in self._wrapped(f"{INDENT}{record['error']}")]
        self._draw_at_times()

    def say(self, line: str) -> None:
        """Above the live view, with the next drawing."""
        self.unsaid += [(part, "") for part in self._wrapped(line)]
        self._draw_at_times()

    def waiting(self, running: int) -> None:
        """Time goes on."""
        self.running = running
        self._draw_at_times()

    def _wrapped(self, line: str) -> list[str]:
        """At the width of the moment; what follows the first line stands below the words behind its head."""
        return textwrap.wrap(line, self.live.console.width, subsequent_indent=INDENT, break_on_hyphens=False)

    def _draw_at_times(self) -> None:
        if time.monotonic() - self.refreshed_at >= SECONDS_BETWEEN_REFRESHES:
            self._draw()

    def _draw(self) -> None:
        from rich.console import Group

        lines = [drawable(line, style) for line, style in self.unsaid]
        self.unsaid.clear()
        self.refreshed_at = time.monotonic()
        if lines:
            self.live.console.print(Group(*lines))  # draws what is below as well
        else:
            self.live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live view at the width of the moment."""
        width = options.max_width
        yield drawable("")
        if self.ranked:
            yield drawable(self.columns.head(width), "dim")
        for i, record in enumerate(self.ranked):
            yield drawable(self.columns.row(record, width), "" if i else "bold")
        for line in self._best(self.columns.keys[len(self.columns.fitting(width)) :]):
            yield drawable(line)
        for line in self._in_training(width, options.size.height):
            yield drawable(line)
        yield drawable(self._counts(), "dim")
        yield bar_line([*self._progress()], self.counts.total(), self.total, width)

    def _best(self, left: Sequence[str]) -> list[str]:
        """The best trial, with the settings that the table above has no room for."""
        if not self.ranked or self.ranked[0]["metric"] is None:
            return ["best     none yet"]
        best = self.ranked[0]
        more = settings({key: best["values"][key] for key in left})
        told = f"trial {best['number']}: {result_of(best, self.plan.objective)}"
        return self._wrapped(f"best     {told}, {more}" if more else f"best     {told}")

    def _in_training(self, width: int, height: int) -> list[str]:
        """Lines on trials in training, as many as a quarter of the screen takes; of others no file is read."""
        most, now = max(1, height // 4), time.monotonic()
        first = [self.in_training[number] for number in sorted(self.in_training)[:most]]
        for trial in first:
            trial.look(now)
        lines = in_training_lines(first, self.columns.keys, now, width)
        more = len(self.in_training) - len(first)
        return [*lines, *([f"{INDENT}and {more:,} more"] if more else [])]

    def _counts(self) -> str:
        kinds = ("done", *(["pruned"] if self.plan.prune else []), "diverged", "failed")
        return ", ".join([f"{self.running} running", *(f"{self.counts[kind]} {kind}" for kind in kinds)])

    def _progress(self) -> Iterator[str]:
        """What is done and left, ever shorter."""
        finished = self.counts.total()
        done = f"{finished}/{self.total}"
        if self.trained:
            pace = self.pace()
            yield f"{done} trials, {pace}"
            yield f"{done}, {pace.partition(', about ')[2]}"
        elif seconds := whole_time([*self.in_training.values()], self.total - finished, time.monotonic()):
            yield f"{done} trials, about {remaining(seconds)} left"
            yield f"{done}, {remaining(seconds)} left"
        yield f"{done} trials"
        yield done


class QuietSearchConsole(Watcher, Screen):
    """Says nothing until the end: all that a Watcher hears, it keeps to itself."""


def search_console(quiet: bool, options: Options, verbose: bool) -> SearchConsole | QuietSearchConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietSearchConsole()
    return LiveSearchConsole(options, verbose) if is_terminal() else SearchConsole(options, verbose)
