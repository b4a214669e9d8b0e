"""The command train, and how all that train a run tell what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import (
    RUNS,
    ConfigFile,
    Debug,
    Json,
    Quiet,
    Runs,
    Settings,
    Threads,
    Verbose,
    default_config,
    explained,
    unless_enough,
)
from nnrun.cli.report import NO_PAGE, Page, Report, if_asked
from nnrun.cli.terminal.streams import json_result, result
from nnrun.installation import as_options, called, command, elsewhere, key_of

if TYPE_CHECKING:
    from nnrun.cli.terminal.signals import StopRequest
    from nnrun.runs.lineage import Repeated
    from nnrun.runs.listener import Outcome
    from nnrun.runs.records import Given


EXIT_CODES = {"done": 0, "diverged": 5}


@explained
def train(
    config: ConfigFile = None,
    settings: Settings = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="With data.folds: train one more network, on the rows of all folds.")
    ] = False,
    report: Report = False,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train the network that a config describes, in a new run.

    Example:  nnrun train config.yaml --set optimizer.learning_rate=0.01
    """
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.training_screen import console
    from nnrun.config.load import load_config
    from nnrun.runs.verbs import train as train_run

    loaded = load_config(config or default_config(quiet), settings or [])
    with console(quiet or json, verbose) as screen, stop_request(screen) as stop:
        given: Given = {"config": None if config is None else str(config), "settings": settings or []}
        outcome = train_run(loaded, runs, screen, stop, sys.argv, given, refit)
    again = ["train", *([] if config is None else [str(config)]), *elsewhere(runs)]
    with if_asked(report, outcome.run, runs) as page:
        _tell(outcome, json, quiet, again, settings or [], page)
    raise typer.Exit(exit_code(outcome, stop))


def exit_code(outcome: Outcome, stop: StopRequest) -> int:
    """The exit code of what trains a run: by how it ended, that of a signal where one stopped it."""
    return EXIT_CODES.get(outcome.status, stop.exit_code)


def tell_as_resolved(outcome: Outcome, runs: Path, json: bool, quiet: bool, repeated: Repeated | None = None) -> None:
    """The result of a run that no config file was named for: `train` is told to take its resolved.yaml."""
    _tell(outcome, json, quiet, ["train", str(outcome.run.resolved), *elsewhere(runs)], [], repeated=repeated)


def _tell(
    outcome: Outcome,
    json: bool,
    quiet: bool,
    again: Sequence[str],
    settings: Sequence[str],
    page: Page = NO_PAGE,
    repeated: Repeated | None = None,
) -> None:
    """The result on stdout: what the run came to, where it lies, what to type next; with -q no more than is needed."""
    from nnrun.runs.telling import brief, next_line, summary

    run, record = outcome.run, outcome.record
    if json:
        more = {"rerun": repeated._asdict()} if repeated else {}
        json_result({"id": run.id, "path": str(run.path), **record, **page.entry, **more})
        return
    status, events = outcome.status, run.events()
    found = brief(record, status, events) if quiet else summary(record, outcome.config, status, events)
    lines = [*found, *([] if quiet else [""]), f"run      {run.path}", *page.lines]
    lines += [repeated.told] if repeated else []
    commands = unless_enough(
        _next_commands(outcome, again, settings, reported=page.path is not None), quiet, outcome.status
    )
    result(*lines, *(next_line(command(*words)) for words in commands))


def _next_commands(
    outcome: Outcome, again: Sequence[str], settings: Sequence[str], reported: bool
) -> Iterator[list[str]]:
    from nnrun.runs.verdict import can_be_judged

    run, config, record = outcome.run, outcome.config, outcome.record
    name = called(run.path)
    if outcome.status == "interrupted":
        yield ["resume", name]
    elif outcome.status == "diverged":
        (cure,) = (symptom["cure"] for symptom in record["symptoms"] if symptom["name"] == "divergence")
        yield [*again, *_with(settings, cure)]
    else:
        if can_be_judged(record["final"]):
            yield ["diagnose", name]
        if not reported:
            yield ["report", name]
        yield ["show", name]
        if config.data.in_folds and "refit" not in record:
            yield [*again, *as_options(settings), "--refit"]
        if not (config.data.in_folds or record["stopped_early"] or config.optimizer.schedule.build().needs_total):
            yield ["resume", name, "--epochs", str(2 * (record["epochs"] or 0))]
        yield [*again, *_with(settings, [f"seed={config.next_seed}"])]


def _with(settings: Sequence[str], changed: Sequence[str]) -> list[str]:
    """The options that make the same settings but for these."""
    keys = {key_of(setting) for setting in changed}
    return as_options([*(setting for setting in settings if key_of(setting) not in keys), *changed])
