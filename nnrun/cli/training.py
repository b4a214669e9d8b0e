"""Commands that train: train and resume."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import searching, threads
from nnrun.cli.common import (
    RUNS,
    ConfigFile,
    Debug,
    Json,
    Quiet,
    RunArgument,
    Runs,
    Settings,
    Verbose,
    default_config,
    elsewhere,
    explained,
)
from nnrun.cli.reporting import Report, if_asked, told
from nnrun.cli.streams import json_result, result, say
from nnrun.installation import command

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.rundir import RunDir
    from nnrun.session import Outcome

EXIT_CODES = {"done": 0, "diverged": 5}


@explained
def train(
    config: ConfigFile = None,
    settings: Settings = None,
    report: Report = False,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train the network that a config describes, in a new run.

    Example:  nnrun train config.yaml --set optimizer.learning_rate=0.01
    """
    from nnrun.cli.console import console
    from nnrun.cli.signals import stop_request
    from nnrun.config.load import load_config
    from nnrun.experiment import train as train_run

    loaded = load_config(config or default_config(quiet), settings or [])
    threads.need(loaded.config.training.blas_threads)
    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        outcome = train_run(loaded, runs, screen, stop, sys.argv)
    again = ["train", *([] if config is None else [str(config)]), *elsewhere(runs)]
    _report(outcome, json, again, settings or [], if_asked(report, outcome.run, runs))
    raise typer.Exit(EXIT_CODES.get(outcome.status, stop.exit_code))


@explained
def resume(
    run: RunArgument = "latest",
    epochs: Annotated[int | None, typer.Option(metavar="N", help="The new total number of epochs.", min=1)] = None,
    trials: Annotated[int | None, typer.Option(metavar="N", help="Of a search: the new total.", min=1)] = None,
    workers: searching.Workers = None,
    timeout: searching.Timeout = None,
    target: searching.Target = None,
    trial_timeout: searching.TrialTimeout = None,
    trial_memory: searching.TrialMemory = None,
    stack: searching.Stack = None,
    repeat: searching.Repeat = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Continue a run or a search; with --set, as a child run.

    A search keeps the limits that it was given, unless new ones are given.

    Example:  nnrun resume latest --epochs 100
    """
    from nnrun.rundir import find_run, is_search

    found = find_run(runs, run)
    of_a_search = {
        "workers": workers,
        "timeout": timeout,
        "target": target,
        "trial_timeout": trial_timeout,
        "trial_memory": trial_memory,
        "stack": stack,
        "repeat": repeat,
    }
    if is_search(found):
        _refuse_for("a search", epochs=epochs, set=settings)
        return searching.go_on(found, trials, json, quiet, **of_a_search)
    _refuse_for("one run", trials=trials, **of_a_search)
    return _resume_run(found, epochs, settings or [], json, quiet, verbose)


def _resume_run(
    found: RunDir, epochs: int | None, settings: Sequence[str], json: bool, quiet: bool, verbose: bool
) -> None:
    from nnrun.cli.console import console
    from nnrun.cli.signals import stop_request
    from nnrun.config.load import load_config
    from nnrun.experiment import resume as resume_run

    threads.need(load_config(found.path / "resolved.yaml", settings).config.training.blas_threads)
    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        outcome = resume_run(found, epochs, settings, screen, stop, sys.argv)
    if outcome.status == "done" and not screen.heard:
        say(f"note     nothing was left to train; {_to_go_on(outcome)}")
    directory = outcome.run.path
    again = ["train", str(directory / "resolved.yaml"), *elsewhere(directory.parent)]
    _report(outcome, json, again, [])
    raise typer.Exit(EXIT_CODES.get(outcome.status, stop.exit_code))


def _refuse_for(what: str, **options: object) -> None:
    from nnrun.errors import UsageError

    if given := [name.replace("_", "-") for name, value in options.items() if value not in (None, [])]:
        raise UsageError(f"--{given[0]} has no meaning for {what}")


def _to_go_on(outcome: Outcome) -> str:
    if outcome.record["stopped_early"]:
        return "--set regularization.early_stopping=null goes on without early stopping"
    return "--epochs N sets a new total"


def _report(
    outcome: Outcome, json: bool, again: Sequence[str], settings: Sequence[str], page: Path | None = None
) -> None:
    """The result on stdout: what the run came to, where it lies, what to type next."""
    from nnrun.config.load import load_config
    from nnrun.narration import next_line, summary

    run, record = outcome.run, outcome.record
    if json:
        json_result({"id": run.id, "path": str(run.path), **record, **({"report": str(page)} if page else {})})
        return
    config = load_config(run.path / "resolved.yaml").config
    lines = [
        *summary(record, config.resolved(), outcome.status),
        "",
        f"run      {run.path}",
        *([told(page)] if page else []),
    ]
    commands = _next_commands(outcome, config, again, settings, reported=page is not None)
    result(*lines, *(next_line(command(*words)) for words in commands))


def _next_commands(
    outcome: Outcome, config: Config, again: Sequence[str], settings: Sequence[str], reported: bool
) -> Iterator[list[str]]:
    run, record = outcome.run, outcome.record
    name = str(run.path) if elsewhere(run.path.parent) else run.id
    if outcome.status == "interrupted":
        yield ["resume", name]
    elif outcome.status == "diverged":
        yield [*again, *_with(settings, "optimizer.learning_rate", f"{config.optimizer.learning_rate / 10:g}")]
    else:
        yield ["diagnose", name]
        if not reported:
            yield ["report", name]
        yield ["show", name]
        if not (record["stopped_early"] or config.optimizer.schedule.build().needs_total):
            yield ["resume", name, "--epochs", str(2 * record["epochs"])]
        yield [*again, *_with(settings, "seed", str(config.seed + 1))]


def _with(settings: Sequence[str], key: str, value: str) -> list[str]:
    """The options that make the same settings but for one."""
    kept = [setting for setting in settings if setting.partition("=")[0].strip() != key]
    return [part for setting in (*kept, f"{key}={value}") for part in ("--set", setting)]
