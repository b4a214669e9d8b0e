"""The command improve, and what resume and show do with an improvement."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import search
from nnrun.cli.common import (
    RUNS,
    Debug,
    Json,
    Quiet,
    Runs,
    Settings,
    Threads,
    Verbose,
    default_config,
    explained,
    fraction,
    unless_enough,
)
from nnrun.cli.report import NO_PAGE, Page, Report, if_asked
from nnrun.cli.terminal.streams import csv_result, json_result, result, say
from nnrun.installation import command, elsewhere
from nnrun.runs.verdict import LEAST_SEEDS

if TYPE_CHECKING:
    from nnrun.config.load import Loaded
    from nnrun.improving.record import ImproveRecord
    from nnrun.runs.rundir import RunDir
    from nnrun.runs.stored import StoredRun
    from nnrun.search.running import SearchOutcome
    from nnrun.search.state import Options
    from nnrun.search.stored import StoredSearch

BUDGET = "10m"

ConfigOrRun = Annotated[
    str | None,
    typer.Argument(
        metavar="CONFIG|RUN",
        help="YAML file, or a run whose config is improved; left out: as for train, ./nnrun.yaml and so on.",
    ),
]
BudgetOption = Annotated[
    str, typer.Option("--budget", metavar="AMOUNT", help="What to spend at most: 10m, 2h, 2000epochs or 30runs.")
]
Target = Annotated[str | None, typer.Option(metavar="ERROR", help="End at a dev error as low as this: 0.02 or 2%.")]
Seeds = Annotated[
    int, typer.Option(metavar="N", help="Trainings of each setting, with seeds of their own.", min=LEAST_SEEDS)
]


@explained
def improve(
    config: ConfigOrRun = None,
    budget: BudgetOption = BUDGET,
    target: Target = None,
    seeds: Seeds = 5,
    workers: search.Workers = None,
    cluster: search.ClusterOption = None,
    any_bits: search.AnyBits = False,
    cluster_wait: search.ClusterWait = None,
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
    """Diagnose, change, train, keep what is proved better; again.

    Each change is trained with the seeds of the config before it, and adopted if a paired test says that it is better,
    until the target, the budget or nothing left to try. Ends with the best setting trained anew as an ensemble, and
    with the changed config as a file.

    Example:  nnrun improve config.yaml --budget 10m --target 0.02
    """
    from nnrun.cli.terminal.improve_screen import improve_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.improving.verbs import ImproveRequest, begin
    from nnrun.search.state import options_of

    loaded, path = _what(config, settings or [], runs, quiet)
    wanted = None if target is None else fraction("--target", target)
    asked = ImproveRequest(budget, wanted, seeds, path, settings or [], elsewhere(runs))
    limits = search.limits_of(None, None, None, trial_timeout, trial_memory, stack, cluster_wait)
    options = options_of(workers, None, cluster, any_bits, **limits)
    with improve_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = begin(loaded, asked, runs, options, screen, screen, stop, sys.argv)
    with if_asked(report, outcome.run, runs) as page:
        _report(outcome, json, quiet, page)
    raise typer.Exit(search.exit_code(outcome, stop))


def _what(named: str | None, settings: list[str], runs: Path, quiet: bool) -> tuple[Loaded, Path | None]:
    """The config, and the file that commands name."""
    from nnrun.config.load import load_config
    from nnrun.improving.record import IMPROVED
    from nnrun.runs.finding import find_run
    from nnrun.runs.kinds import kind_of
    from nnrun.runs.stored import StoredRun

    if named is None:
        return load_config(default_config(quiet), settings), None
    if Path(named).is_file() or named.endswith((".yaml", ".yml")):
        return load_config(Path(named), settings), Path(named)
    found = find_run(runs, named)
    improved = found.path / IMPROVED
    if kind_of(found) == "improvement" and improved.is_file():
        return load_config(improved, settings), improved
    best = StoredRun(found).best or StoredRun(found)
    return best.loaded(settings), best.directory.resolved


def go_on(run: RunDir, json: bool, quiet: bool, verbose: bool, options: Options) -> None:
    """Resume an improvement."""
    from nnrun.cli.terminal.improve_screen import improve_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.improving.verbs import resume

    with improve_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = resume(run, options, screen, screen, stop)
    _report(outcome, json, quiet)
    raise typer.Exit(search.exit_code(outcome, stop))


def _report(outcome: SearchOutcome, json: bool, quiet: bool, page: Page = NO_PAGE) -> None:
    """The ending on stdout, and what to type next."""
    from nnrun.improving.record import read, read_steps
    from nnrun.improving.telling import ending_lines, table
    from nnrun.runs.stored import StoredRun
    from nnrun.runs.telling import next_line
    from nnrun.search.stored import StoredSearch

    run, record = outcome.run, read(outcome.run)
    if json:
        about = {"id": run.id, "path": str(run.path), "improvement": record, "steps": read_steps(run)}
        json_result({**outcome.record, **about, **page.entry})
        return
    lines: list[str] = []
    if ending := record["ending"]:
        final, reads = outcome.record.get("final") or {}, outcome.record.get("test_reads") or 0
        lines += ([] if quiet else [*table(read_steps(run)), ""]) + ending_lines(ending, final, reads)
    lines += ["", f"improved {run.path}", *page.lines]
    found = StoredSearch(StoredRun(run))
    commands = unless_enough(_next_commands(found, record, reported=page.path is not None), quiet, outcome.status)
    result(*lines, *map(next_line, commands))


def _next_commands(found: StoredSearch, record: ImproveRecord, reported: bool) -> Iterator[str]:
    """Going on where it was stopped; the improved config and the verdict on its ensemble; the page."""
    from nnrun.improving.record import IMPROVED

    run = found.run
    if record["ending"] is None and found.to_go_on:
        yield command(*found.to_go_on)
    if record["ending"]:
        yield command("train", str(run.path / IMPROVED))
        yield command("diagnose", str(run.path))
    if not reported:
        yield command("report", str(run.path))


def page(run: StoredRun, json: bool, csv: bool) -> None:
    """What `nnrun show` prints of an improvement."""
    from nnrun.improving.record import read, read_steps
    from nnrun.improving.telling import ending_lines, heading, table
    from nnrun.runs.labels import labels_of
    from nnrun.search.stored import StoredSearch

    found, record, steps = StoredSearch(run), read(run.directory), read_steps(run.directory)
    if found.loss:
        say(f"note     {found.loss}")
    if json:
        about = {"id": run.id, "path": str(run.path), **labels_of(run.directory)}
        return json_result({**found.record, **about, "improvement": record, "steps": steps, "records": found.kept})
    if csv:
        return csv_result(found.spreadsheet([]).rstrip("\n"))
    final, reads = found.record.get("final") or {}, found.record.get("test_reads") or 0
    ended = ending_lines(record["ending"], final, reads) if record["ending"] else [f"status   {run.status}"]
    return result(*heading(run.id, record), "", *table(steps), "", *ended)
