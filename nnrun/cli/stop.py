"""`nnrun stop`: what trains comes to an end from which it can be resumed."""

from __future__ import annotations

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, explained
from nnrun.cli.nudge import ask_and_tell


@explained
def stop(run: RunArgument = "latest", runs: Runs = RUNS, json: Json = False, debug: Debug = False) -> None:
    """End a run or a search so that it can be resumed.

    It ends its epoch, or the trials in flight, before.

    Example:  nnrun stop latest
    """
    from nnrun.runs.finding import find_run

    ask_and_tell(find_run(runs, run), "stop", json)
