"""`nnrun nudge`: a run that is being trained goes on with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, Settings, explained
from nnrun.cli.terminal.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.runs.requests import Do
    from nnrun.runs.rundir import RunDir


@explained
def nudge(
    run: RunArgument = "latest",
    settings: Settings = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, to be kept beside the change.")] = None,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Change settings of a run while it trains.

    They hold from its next epoch on, and stand in its resolved.yaml, which trains it again to the same bits.

    Example:  nnrun nudge latest --set optimizer.learning_rate=3e-4
    """
    from nnrun.runs.finding import find_run

    ask_and_tell(find_run(runs, run), "change", json, settings or [], note)


def ask_and_tell(run: RunDir, do: Do, json: bool, settings: list[str] | None = None, note: str | None = None) -> None:
    """Ask who trains the run, wait a little for the answer, and print it; UsageError for a refusal."""
    from nnrun.runs.requests import answer_lines, ask, moment, taken_up

    name = ask(run, do, settings or [], note)
    answer = taken_up(run, name)
    if json:
        json_result({"schema_version": 1, "id": run.id, "path": str(run.path), "request": name, "answer": answer})
    elif answer is None:
        result(f"asked    this is taken up {moment(run)}, and its log will say so")
    else:
        result(*answer_lines(answer))
