"""The command search, and what resume and show do with a search."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnrun.cli.common import RUNS, ConfigFile, Debug, Json, Quiet, Runs, Settings, default_config, explained
from nnrun.cli.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.rundir import RunDir
    from nnrun.search.ledger import Record
    from nnrun.search.verbs import Options, SearchOutcome

EXIT_CODES = {"done": 0, "diverged": 5, "failed": 1}
LEAST_MEMORY = 1 << 28  # a worker needs so much to load NumPy

Trials = Annotated[
    int | None, typer.Option(metavar="N", help="Total number of trials; left out: search.trials.", min=1)
]
StrategyName = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="How trials are chosen; left out: search.strategy.")
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Processes; left out: one a core. Changes no result.", min=1)
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="End after so long; what is finished counts.", min=0)
]
Target = Annotated[float | None, typer.Option(metavar="VALUE", help="End at a value as low as this, such as 0.02.")]
TrialTimeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Give up a trial that takes longer.", min=0)
]
TrialMemory = Annotated[
    int | None,
    typer.Option(metavar="BYTES", help="Most memory a worker may take; left out: its part of 80%.", min=LEAST_MEMORY),
]
Stack = Annotated[int | None, typer.Option(metavar="N", help="Most trials trained as one; changes no result.", min=1)]


@explained
def search(
    config: ConfigFile = None,
    trials: Trials = None,
    strategy: StrategyName = None,
    workers: Workers = None,
    timeout: Timeout = None,
    target: Target = None,
    trial_timeout: TrialTimeout = None,
    trial_memory: TrialMemory = None,
    stack: Stack = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for better hyperparameters, many trials at once.

    Example:  nnrun search config.yaml --trials 50
    """
    from nnrun.search.executors import begin_to_load

    begin_to_load()  # while this process loads its own
    from nnrun.cli.search_screen import SearchConsole
    from nnrun.cli.signals import stop_request
    from nnrun.config.load import load_config
    from nnrun.search.verbs import begin

    chosen = {"search.trials": trials, "search.strategy": strategy}
    asked = [*(settings or []), *(f"{key}={value}" for key, value in chosen.items() if value is not None)]
    loaded = load_config(config or default_config(quiet), asked)
    options = _options(workers, timeout, target, trial_timeout, trial_memory, stack)
    with SearchConsole(quiet or json, options) as screen, stop_request(screen) as stop:
        outcome = begin(loaded, runs, options, screen, stop, sys.argv, screen.started)
    _report(outcome, json)
    raise typer.Exit(stop.exit_code if stop() else EXIT_CODES.get(outcome.status, 1))


def go_on(run: RunDir, trials: int | None, workers: int | None, json: bool, quiet: bool) -> None:
    """Resume a search."""
    from nnrun.cli.search_screen import SearchConsole
    from nnrun.cli.signals import stop_request
    from nnrun.search.verbs import resume

    options = _options(workers)
    with SearchConsole(quiet or json, options) as screen, stop_request(screen) as stop:
        outcome = resume(run, trials, options, screen, stop, screen.started)
    _report(outcome, json)
    raise typer.Exit(stop.exit_code if stop() else EXIT_CODES.get(outcome.status, 1))


def _options(
    workers: int | None,
    timeout: float | None = None,
    target: float | None = None,
    trial_timeout: float | None = None,
    trial_memory: int | None = None,
    stack: int | None = None,
) -> Options:
    from nnrun.search.verbs import Options

    given: dict[str, Any] = {
        "in_process": False,
        "seconds": timeout,
        "target": target,
        "trial_timeout": trial_timeout,
        "trial_memory": trial_memory,
        "most_stacked": stack,
    }
    return Options(workers or os.cpu_count() or 1, **{key: value for key, value in given.items() if value is not None})


def _report(outcome: SearchOutcome, json: bool) -> None:
    """The result on stdout: the best trials, what mattered, what to type next."""
    run, record = outcome.run, outcome.record
    if json:
        json_result({**record, "id": run.id, "path": str(run.path), "records": outcome.records})
        return
    lines = [*_summary(run, record, outcome.records), "", f"search   {run.path}"]
    result(*lines, *(f"next     {shlex.join(['nnrun', *words])}" for words in _next_commands(run, record)))


def _next_commands(run: RunDir, record: dict[str, Any]) -> Iterator[list[str]]:
    """The best run, and going on: to the number of trials asked for, or from there to twice as many."""
    total = _plan(run)["totals"][-1]
    if record["best_trial"] is not None:
        yield ["diagnose", str(run.path)]
        yield ["show", str(run.path / "best")]
    if record["trials"] < total:
        yield ["resume", str(run.path)]
    elif record["best_trial"] is not None:
        yield ["resume", str(run.path), "--trials", str(2 * total)]


def _plan(run: RunDir) -> dict[str, Any]:
    import yaml

    plan: dict[str, Any] = yaml.safe_load(run.read("search.yaml"))
    return plan


def _summary(run: RunDir, record: dict[str, Any], records: list[Record]) -> list[str]:
    from nnrun.config.load import load_config
    from nnrun.search.space import Space
    from nnrun.search.telling import summary

    plan = _plan(run)
    optimizer = load_config(run.path / "resolved.yaml").config.optimizer.name
    return summary(record, records, Space.of(plan["space"]), plan["metric"], optimizer)


def page(run: RunDir, record: dict[str, Any], json: bool) -> None:
    """What `nnrun show` prints of a search."""
    from nnrun.search.ledger import Ledger
    from nnrun.search.space import Space
    from nnrun.search.telling import heading, progress, stage_lines

    records, _ = Ledger(run.path / "trials.jsonl").read()
    plan = _plan(run)
    if json:
        json_result({**record, "id": run.id, "path": str(run.path), "search": plan, "records": records})
        return
    if record["status"] != "running" and record.get("trials") == len(records):
        told = _summary(run, record, records)
    else:  # what stands in run.json is from before it was resumed
        told = progress(record["status"], records, plan["totals"][-1], plan["metric"])
    space = Space.of(plan["space"])
    result(*heading(run.id, plan, space), "", *told, *stage_lines(record.get("stages", [])))
