"""`nnrun nudge`: a run that is being trained goes on with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, Settings, explained
from nnrun.cli.terminal.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.runs.records import Event
    from nnrun.runs.requests import Do
    from nnrun.runs.rundir import RunDir

PATIENCE = 3.0  # seconds that a command waits for an answer; it holds all the same if that comes later


@explained
def nudge(
    run: RunArgument = "latest",
    settings: Settings = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, to be kept beside the change.")] = None,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Change settings of a run while it trains, from its next epoch on.

    Example:  nnrun nudge latest --set optimizer.learning_rate=3e-4
    """
    from nnrun.runs.finding import find_run

    ask_and_tell(find_run(runs, run), "change", json, settings or [], note)


def ask_and_tell(run: RunDir, do: Do, json: bool, settings: list[str] | None = None, note: str | None = None) -> None:
    """Ask who trains the run, wait a little for the answer, and print it; UsageError for a refusal."""
    from nnrun.runs.requests import answer_to, ask

    name = ask(run, do, settings or [], note)
    answer = answer_to(run, name, PATIENCE)
    if json:
        json_result({"id": run.id, "request": name, "answer": answer})
    elif answer is None:
        result("asked    an epoch is being trained; this is taken up at its end, and the run's log will say so")
    else:
        result(*map(_line, _unless_refused(answer)))


def _unless_refused(answer: list[Event]) -> list[Event]:
    from nnrun.errors import UsageError

    for event in answer:
        if event["event"] == "refused":
            raise UsageError(f"refused: {event['why']}")
    return answer


def _line(event: Event) -> str:
    from nnrun.config.dump import one_line

    if event["event"] != "changed":
        after = "" if event["epoch"] is None else f" after epoch {event['epoch']}"
        return f"{event['event']}{after}"
    change = f"{one_line(event['old'])} → {one_line(event['new'])}"
    return f"change   from epoch {event['epoch']}: {event['key']} {change}"
