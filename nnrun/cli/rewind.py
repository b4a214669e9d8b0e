"""`nnrun rewind`: a child run that begins at the end of any epoch of its parent."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nnrun.cli import train
from nnrun.cli.common import RUNS, Debug, Json, Quiet, RunArgument, Runs, Settings, Threads, Verbose, explained


@explained
def rewind(
    run: RunArgument = "latest",
    to: Annotated[
        str, typer.Option(metavar="EPOCH", help="The epoch at whose end it begins: 12, best, last, -5 = five before.")
    ] = "best",
    settings: Settings = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, to be kept beside the change.")] = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train on from any epoch of a run, as a child run.

    The state at its end need not be stored: what lies before it is trained again, to the same bits.

    Example:  nnrun rewind latest --to best --set optimizer.learning_rate=3e-4
    """
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.training_screen import console
    from nnrun.runs.finding import find_run
    from nnrun.runs.rewinding import rewind as rewind_run

    found = find_run(runs, run)
    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        outcome = rewind_run(found, to, settings or [], note, screen, stop, sys.argv)
    train.tell_as_resolved(outcome, outcome.run.path.parent, json, quiet)
    raise typer.Exit(train.exit_code(outcome, stop))
