"""`nnrun rerun`: a run is trained again, in a new run."""

from __future__ import annotations

import sys

import typer

from nnrun.cli import train
from nnrun.cli.common import RUNS, Debug, Json, Quiet, RunArgument, Runs, Threads, Verbose, explained


@explained
def rerun(
    run: RunArgument = "latest",
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train a run again, as a new one, and compare the two.

    It trains what resolved.yaml says, with every change that was made on the way. A note says if the data changed.

    Example:  nnrun rerun a3f2
    """
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.training_screen import console
    from nnrun.runs.finding import find_run
    from nnrun.runs.verbs import rerun as rerun_run

    found = find_run(runs, run)
    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        outcome, repeated = rerun_run(found, runs, screen, stop, sys.argv)
    train.tell_as_resolved(outcome, runs, json, quiet, repeated)
    raise typer.Exit(train.exit_code(outcome, stop))
