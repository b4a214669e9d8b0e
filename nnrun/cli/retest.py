"""The command retest, and what resume and show do with a retest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing, search
from nnrun.cli.common import RUNS, Debug, Json, Quiet, Runs, Settings, Threads, Verbose, explained, unless_enough
from nnrun.cli.report import NO_PAGE, Page, Report, if_asked
from nnrun.cli.terminal.streams import json_result, result, say
from nnrun.installation import command
from nnrun.runs.verdict import LEAST_SEEDS

if TYPE_CHECKING:
    from nnrun.runs.rundir import RunDir
    from nnrun.runs.stored import StoredRun
    from nnrun.search.retests.record import RetestRecord
    from nnrun.search.running import SearchOutcome
    from nnrun.search.state import Options
    from nnrun.search.stored import StoredSearch

SearchArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SEARCH",
        help="Path, id, short name, or latest; left out: the newest search.",
        autocompletion=completing.runs,
    ),
]
NewConfig = Annotated[
    Path | None,
    typer.Argument(metavar="CONFIG", help="YAML file whose data and network take the place of the search's own."),
]
Top = Annotated[int, typer.Option(metavar="N", help="Best settings of the search, and fresh ones beside them.", min=1)]
Seeds = Annotated[int, typer.Option(metavar="N", help="Trainings of each, with seeds of their own.", min=LEAST_SEEDS)]


@explained
def retest(
    run: SearchArgument = None,
    config: NewConfig = None,
    top: Top = 10,
    seeds: Seeds = LEAST_SEEDS,
    workers: search.Workers = None,
    cluster: search.ClusterOption = None,
    any_bits: search.AnyBits = False,
    cluster_wait: search.ClusterWait = None,
    timeout: search.Timeout = None,
    trial_timeout: search.TrialTimeout = None,
    trial_memory: search.TrialMemory = None,
    stack: search.Stack = None,
    settings: Settings = None,
    report: Report = False,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Tell whether the ranking of an old search still holds today.

    Its best settings and as many fresh ones are trained with a few seeds each, on the data and network of CONFIG and
    --set, or without these on the search's own data file as it is now.

    Example:  nnrun retest latest --top 10 --set data.source=today.csv
    """
    from nnrun.runs.finding import find_run, newest_search

    found = newest_search(runs) if run is None else find_run(runs, run)
    from nnrun.cli.terminal.search_screen import search_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.search.retests.verbs import RetestRequest, begin
    from nnrun.search.state import options_of

    limits = search.limits_of(timeout, None, None, trial_timeout, trial_memory, stack, cluster_wait)
    options = options_of(workers, None, cluster, any_bits, **limits)
    asked = RetestRequest(top, seeds, config, settings or [])
    with search_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = begin(found, asked, runs, options, screen, stop, sys.argv)
    with if_asked(report, outcome.run, runs) as page:
        _report(outcome, json, quiet, page)
    raise typer.Exit(search.exit_code(outcome, stop))


def go_on(run: RunDir, json: bool, quiet: bool, verbose: bool, options: Options) -> None:
    """Resume a retest."""
    from nnrun.cli.terminal.search_screen import search_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.search.retests.verbs import resume

    with search_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = resume(run, options, screen, stop)
    _report(outcome, json, quiet)
    raise typer.Exit(search.exit_code(outcome, stop))


def _report(outcome: SearchOutcome, json: bool, quiet: bool, page: Page = NO_PAGE) -> None:
    """The verdict on stdout, and what to type next."""
    from nnrun.runs.stored import StoredRun
    from nnrun.runs.telling import next_line
    from nnrun.search.retests.telling import conclusion, summary
    from nnrun.search.stored import StoredSearch

    found = StoredSearch(StoredRun(outcome.run))
    record = _record(found)
    if json:
        about = {"id": found.run.id, "path": str(found.run.path), "retest": record}
        json_result({**outcome.record, **about, "records": outcome.records, **page.entry})
        return
    whole = [*summary(record, found.record, found.plan.objective), ""]
    lines = conclusion(record["verdict"]) if quiet and record["verdict"] else whole
    commands = unless_enough(_next_commands(found, record, reported=page.path is not None), quiet, outcome.status)
    lines += [f"retest   {found.run.path}", *page.lines]
    result(*lines, *map(next_line, commands))


def _record(found: StoredSearch) -> RetestRecord:
    assert found.retest is not None
    return found.retest


def _next_commands(found: StoredSearch, record: RetestRecord, reported: bool) -> Iterator[str]:
    """Going on where it was stopped; what the verdict asks for; the page."""
    if found.to_go_on:
        yield command(*found.to_go_on)
    if record["verdict"] and record["verdict"]["command"]:
        yield record["verdict"]["command"]
    if not reported:
        yield command("report", str(found.run.path))


def page(run: StoredRun, json: bool, csv: bool) -> None:
    """What `nnrun show` prints of a retest."""
    from nnrun.search.retests.telling import heading, summary
    from nnrun.search.stored import StoredSearch
    from nnrun.search.telling import error_kind_of, progress

    if json or csv:
        return search.page(run, json, csv)
    found = StoredSearch(run)
    record, retest, plan = found.record, _record(found), found.plan
    if found.loss:
        say(f"note     {found.loss}")
    if found.closed:
        lines = summary(retest, record, plan.objective)
    else:
        lines = progress(record, found.kept, plan.total, plan.objective)
    return result(*heading(run.id, retest, plan, kind=error_kind_of(record)), "", *lines)
