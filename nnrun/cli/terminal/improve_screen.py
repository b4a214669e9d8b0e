"""The screen while an improvement goes on: a few lines a step, on a terminal also what is in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnrun.cli.terminal.screen import ECHO, Screen, drawable, is_terminal
from nnrun.cli.terminal.streams import say
from nnrun.improving import telling
from nnrun.improving.record import read
from nnrun.improving.standing import Teller
from nnrun.runs.environment import surroundings
from nnrun.search.study import Watcher
from nnrun.search.trial_lines import beginning_line
from nnrun.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.live import Live

    from nnrun.improving.changes import Change
    from nnrun.improving.record import StepRecord
    from nnrun.improving.standing import Standing
    from nnrun.runs.rundir import RunDir
    from nnrun.search.plan import Plan
    from nnrun.search.record import TrialRecord
    from nnrun.search.state import Options
    from nnrun.search.trials import Trial


class ImproveConsole(Screen, Watcher, Teller):
    """Plain lines on stderr."""

    def __init__(self, options: Options, verbose: bool = False) -> None:
        super().__init__()
        self.options, self.verbose = options, verbose

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading, and with -v all that the improvement depends on."""
        self.preparation.close()
        for line in surroundings(run) if self.verbose else ():
            self.say(line)
        for line in telling.heading(run.id, read(run), self.options.workers_here):
            self.say(line)

    def began(self, trials: Sequence[Trial]) -> None:
        """With -v a line each."""
        for trial in trials if self.verbose else ():
            self.say(beginning_line(trial))

    def outlook(self, told: Callable[[], list[str]]) -> None:
        """Nobody knows how many trainings there will be."""

    def baseline(self, start: Standing) -> None:
        """Where it starts."""
        self.say(telling.baseline_line(start.measured))

    def trying(self, number: int, change: Change, here: Standing) -> None:
        """A step begins."""
        for line in telling.trying_lines(number, change.rule, change.move.why):
            self.say(line)

    def step(self, step: StepRecord) -> None:
        """A step has ended."""
        for line in telling.step_lines(step):
            self.say(line)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        say(line)


class LiveImproveConsole(ImproveConsole):
    """One more line below: what is in training."""

    def __init__(self, options: Options, verbose: bool) -> None:
        super().__init__(options, verbose)
        from rich.console import Console
        from rich.live import Live

        self.live: Live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
        self.finished, self.best = 0, 1.0

    def started(self, run: RunDir, plan: Plan) -> None:
        """The heading stays above."""
        self.live.start()
        super().started(run, plan)

    def recalled(self, record: TrialRecord) -> None:
        """Counts like any other."""
        self.finished += 1

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        """A training has ended and is counted."""
        self.finished = finished
        self.best = best["metric"] if best["metric"] is not None else self.best

    def waiting(self, running: int) -> None:
        """Time goes on."""
        told = f"{running} in training, {counted(self.finished, 'run')} done, best dev error {percent(self.best)}"
        self.live.update(drawable(told[: self.live.console.width - ECHO], "dim"), refresh=True)

    def say(self, line: str) -> None:
        """Above the live line."""
        self.live.console.print(drawable(line))


class QuietImproveConsole(Watcher, Teller, Screen):
    """Says nothing until the end."""


def improve_console(quiet: bool, options: Options, verbose: bool) -> ImproveConsole | QuietImproveConsole:
    """The view that fits where stderr goes."""
    if quiet:
        return QuietImproveConsole()
    return LiveImproveConsole(options, verbose) if is_terminal() else ImproveConsole(options, verbose)
