"""`nnrun resume`: a run or a search goes on in place, or as a child with other settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import ensemble, improve, retest, search, train
from nnrun.cli.common import RUNS, Debug, Json, Quiet, RunArgument, Runs, Settings, Threads, Verbose, explained
from nnrun.cli.nudge import ask_and_tell
from nnrun.cli.terminal.streams import say
from nnrun.errors import refuse_for
from nnrun.installation import as_options, command

if TYPE_CHECKING:
    from nnrun.runs.kinds import Kind
    from nnrun.runs.listener import Outcome
    from nnrun.runs.rundir import RunDir
    from nnrun.search.state import Options


@explained
def resume(
    run: RunArgument = "latest",
    epochs: Annotated[int | None, typer.Option(metavar="N", help="The new total number of epochs.", min=1)] = None,
    trials: Annotated[int | None, typer.Option(metavar="N", help="Of a search: the new total.", min=1)] = None,
    workers: search.Workers = None,
    cluster: search.ClusterOption = None,
    any_bits: search.AnyBits = False,
    cluster_wait: search.ClusterWait = None,
    timeout: search.Timeout = None,
    target: search.Target = None,
    stop_when_flat: search.StopWhenFlat = None,
    trial_timeout: search.TrialTimeout = None,
    trial_memory: search.TrialMemory = None,
    stack: search.Stack = None,
    repeat: search.Repeat = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Continue a run or a search; with --set, as a child run.

    A search, be it a retest, keeps the limits that it was given, unless new ones are given. With --set
    data.source=FILE alone either finds its data where that was moved, in place, if the file is the same.

    Example:  nnrun resume latest --epochs 100
    """
    from nnrun.runs.finding import find_run
    from nnrun.runs.kinds import kind_of, refuse_to_resume
    from nnrun.search.state import options_of

    found = find_run(runs, run)
    if found.status == "paused":
        refuse_for("what is paused", epochs=epochs, set=settings, trials=trials)
        return ask_and_tell(found, "resume", json)
    limits = search.limits_of(timeout, target, stop_when_flat, trial_timeout, trial_memory, stack, cluster_wait)
    kind = kind_of(found)
    asked = {"trials": trials, "workers": workers, "cluster": cluster, "any_bits": any_bits, "repeat": repeat}
    refuse_to_resume(kind, epochs, settings or [], **asked, **limits)
    if kind == "run":
        return _resume_run(found, epochs, settings or [], json, quiet, verbose)
    options = options_of(workers, repeat, cluster, any_bits, settings or [], **limits)
    return _resume_search(kind, found, trials, json, quiet, verbose, options)


def _resume_search(
    kind: Kind, found: RunDir, trials: int | None, json: bool, quiet: bool, verbose: bool, options: Options
) -> None:
    if kind == "search":
        search.go_on(found, trials, json, quiet, verbose, options)
    elif kind == "retest":
        retest.go_on(found, json, quiet, verbose, options)
    else:
        improve.go_on(found, json, quiet, verbose, options)


def _resume_run(
    found: RunDir, epochs: int | None, settings: Sequence[str], json: bool, quiet: bool, verbose: bool
) -> None:
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.training_screen import console
    from nnrun.runs.verbs import resume as resume_run

    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        outcome = resume_run(found, epochs, settings, screen, stop, sys.argv)
    if outcome.is_gathered:
        return ensemble._report(outcome.run, json, quiet)
    if outcome.status == "done" and not screen.heard:
        say(f"note     nothing was left to train; `{_to_go_on(outcome)}` goes on")
    train.tell_as_resolved(outcome, outcome.run.path.parent, json, quiet)
    raise typer.Exit(train.exit_code(outcome, stop))


def _to_go_on(outcome: Outcome) -> str:
    """The command that trains a run on that is over."""
    run, config = str(outcome.run.path), outcome.config
    if config.data.in_folds:
        return command(
            "train", str(outcome.run.resolved), *as_options([f"training.epochs={2 * config.training.epochs}"])
        )
    if outcome.record["stopped_early"]:
        return command("resume", run, *as_options(["regularization.early_stopping=null"]))
    settings = ["optimizer.schedule=constant"] if config.optimizer.schedule.build().needs_total else []
    return command("resume", run, "--epochs", str(2 * config.training.epochs), *as_options(settings))
