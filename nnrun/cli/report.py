"""The command report, and the option --report of those that train."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nnrun.cli import completing
from nnrun.cli.common import RUNS, Cost, Debug, Json, OpenPage, RunArgument, Runs, default_config, explained
from nnrun.cli.list import Filters
from nnrun.cli.terminal.streams import json_result, result, say
from nnrun.errors import NnrunError, UsageError
from nnrun.installation import elsewhere

if TYPE_CHECKING:
    from nnrun.runs.rundir import RunDir

LATEST = "latest"
Report = Annotated[bool, typer.Option("--report", help="Write report.html as well, a page with all charts.")]


Whole = Annotated[bool, typer.Option("--all", help="One page of all runs of the folder, which lies there too.")]
Lesson = Annotated[
    str | None,
    typer.Option("--lesson", metavar="NAME", help="One picture of it.", autocompletion=completing.lessons),
]


@explained
def report(
    run: RunArgument = LATEST,
    all_: Whole = False,
    filters: Filters = None,
    cost: Cost = None,
    lesson: Lesson = None,
    open_: OpenPage = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write report.html of a run, a search, or all: to open or send.

    With --all it has a table of the runs, the curves of the best on each data set, and what their errors mean;
    with --lesson it has one picture of a run or a search, and a line that says what to see.

    Example:  nnrun report latest
    """
    from nnrun.runs.finding import find_run
    from nnrun.text import wrapped

    _refuse_both(run, all_, filters, cost, lesson)
    see = ""
    if all_:
        page, about = _of_folder(runs, filters or []), {"path": str(runs)}
    else:
        found = find_run(runs, run)
        page, see = _of_lesson(found, lesson) if lesson is not None else (write(found, runs, cost), "")
        about = {"id": found.id, "path": str(found.path), **({"lesson": lesson, "see": see} if lesson else {})}
    if json:
        json_result({"schema_version": 1, **about, "report": str(page)})
    else:
        result(told(page), *(wrapped(see, "see      ") if see else []))
    if open_ and not webbrowser.open(page.absolute().as_uri()):
        say(f"note     no browser could be started; open {page} in one")


def _refuse_both(run: str, all_: bool, filters: list[str] | None, cost: list[str] | None, lesson: str | None) -> None:
    """UsageError for options of which one makes no sense beside another."""
    if all_ and run != LATEST:
        raise UsageError(f"{run} and --all: only one of them")
    if all_ and cost:
        raise UsageError("--all and --cost: a threshold is chosen for one run")
    if filters and not all_:
        raise UsageError("--filter says which runs are on the page of --all")
    if lesson is not None and (all_ or cost):
        raise UsageError(f"--lesson and {'--all' if all_ else '--cost'}: a lesson is one picture of one run")


def _of_lesson(run: RunDir, name: str) -> tuple[Path, str]:
    from nnrun.report.verbs import write_lesson
    from nnrun.runs.stored import StoredRun

    return write_lesson(StoredRun(run), name)


def _of_folder(runs: Path, filters: list[str]) -> Path:
    from nnrun.report.verbs import write_folder_report

    return write_folder_report(runs, filters)


class Page(NamedTuple):
    """The page of a run that has just ended, as what is told of that run has it."""

    asked: bool = False
    path: Path | None = None  # None too where it could not be made

    @property
    def entry(self) -> dict[str, str | None]:
        """Where it lies, for the document of a command that was asked for it."""
        return {"report": None if self.path is None else str(self.path)} if self.asked else {}

    @property
    def lines(self) -> list[str]:
        """Where it lies, for a screen."""
        return [told(self.path)] if self.path else []


NO_PAGE = Page()


@contextmanager
def if_asked(asked: bool, run: RunDir, runs: Path) -> Iterator[Page]:
    """The page of a run that has just ended, for the block that tells of that run.

    A run that cannot have one has ended all the same. So it has where a disk is full or a signal comes meanwhile: what
    kept the page from being written is raised behind the block, as the result must not be lost with it.
    """
    path, failure = None, None
    try:
        path = write(run, runs) if asked else None
    except NnrunError as error:
        say(f"note     no report: {error}")
    except BaseException as error:
        failure = error
    yield Page(asked, path)
    if failure:
        raise failure


def write(run: RunDir, runs: Path, costs: list[str] | None = None) -> Path:
    """The page of a run, made anew."""
    from nnrun.report.verbs import write_report
    from nnrun.runs.stored import StoredRun

    return write_report(StoredRun(run), default_config(quiet=True), elsewhere(runs), costs)


def told(page: Path) -> str:
    """Where the page lies, and how large it is."""
    from nnrun.runs.removing import size_told

    return f"report   {page} ({size_told(page.stat().st_size)})"
