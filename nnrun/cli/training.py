"""Commands that train: train and resume."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, Quiet, Runs, Settings, Verbose, explained, say

if TYPE_CHECKING:
    from nnrun.session import Outcome

CONFIGS = ("nnrun.yaml", "config.yaml")  # looked for in the current directory
EXIT_CODES = {"done": 0, "diverged": 5}


@explained
def train(
    config: Annotated[
        Path | None,
        typer.Argument(help="YAML file; default: ./nnrun.yaml, ./config.yaml, else the bundled digits example."),
    ] = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train the network that a config describes, in a new run directory.

    Example:  nnrun train config.yaml --set optimizer.learning_rate=0.01
    """
    from nnrun.cli.console import console
    from nnrun.cli.signals import stop_request
    from nnrun.config.load import load_config
    from nnrun.experiment import train as train_run

    loaded = load_config(config or _default_config(), settings or [])
    with stop_request() as stop, console(quiet or json, verbose) as screen:
        outcome = train_run(loaded, runs, screen, stop, sys.argv)
    _report(outcome, json, config)
    raise typer.Exit(EXIT_CODES.get(outcome.status, stop.exit_code))


@explained
def resume(
    run: Annotated[str, typer.Argument(help="Path, id, unique prefix, or latest.")] = "latest",
    epochs: Annotated[int | None, typer.Option(help="The new total number of epochs.", min=1)] = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Continue a run in place; with --set as a child run that starts where it stands.

    Example:  nnrun resume latest --epochs 100
    """
    from nnrun.cli.console import console
    from nnrun.cli.signals import stop_request
    from nnrun.experiment import resume as resume_run
    from nnrun.rundir import find_run

    found = find_run(runs, run)
    with stop_request() as stop, console(quiet or json, verbose) as screen:
        outcome = resume_run(found, epochs, settings or [], screen, stop, sys.argv)
    _report(outcome, json, None)
    raise typer.Exit(EXIT_CODES.get(outcome.status, stop.exit_code))


def _default_config() -> Path:
    """A config in the current directory, else the bundled one; says which."""
    found = next((Path(name) for name in CONFIGS if Path(name).is_file()), None)
    if found is None:
        package = Path(__file__).parents[1]
        found = next(p for p in (package / "configs/digits.yaml", package.parent / "configs/digits.yaml") if p.exists())
        say("no nnrun.yaml or config.yaml here: training the bundled example, configs/digits.yaml")
    else:
        say(f"config   {found}")
    return found


def _report(outcome: Outcome, json: bool, config: Path | None) -> None:
    """The result on stdout: where the run lies, what it came to, what to type next."""
    from nnrun.config.load import load_config
    from nnrun.files import to_json
    from nnrun.narration import summary

    run, record = outcome.run, outcome.record
    if json:
        print(to_json({"id": run.id, "path": str(run.path), **record}, indent=2))
        return
    values = load_config(run.path / "resolved.yaml").config.resolved()
    print(*summary(record, values, outcome.status), sep="\n")
    print(f"\nrun   {run.path}")
    for command in _next_commands(outcome, config):
        print(f"next  {shlex.join(command)}")


def _next_commands(outcome: Outcome, config: Path | None) -> list[list[str]]:
    run, record = outcome.run, outcome.record
    name = str(run.path) if run.path.parent != RUNS else run.id
    if outcome.status == "interrupted":
        return [["nnrun", "resume", name]]
    again = ["nnrun", "train", *([str(config)] if config else [])]
    if outcome.status == "diverged":
        rate = _learning_rate(outcome) / 10
        return [[*again, "--set", f"optimizer.learning_rate={rate:g}"]]
    return [
        ["nnrun", "show", name],
        ["nnrun", "resume", name, "--epochs", str(2 * record["epochs"])],
        [*again, "--set", f"seed={record['seed'] + 1}"],
    ]


def _learning_rate(outcome: Outcome) -> float:
    from nnrun.config.load import load_config

    return load_config(outcome.run.path / "resolved.yaml").config.optimizer.learning_rate
