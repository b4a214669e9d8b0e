"""`nnrun pause`: what trains waits until it is resumed."""

from __future__ import annotations

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, explained
from nnrun.cli.nudge import ask_and_tell


@explained
def pause(run: RunArgument = "latest", runs: Runs = RUNS, json: Json = False, debug: Debug = False) -> None:
    """Let a run or a search wait until it is resumed.

    It ends its epoch, or the trials in flight, before.

    Example:  nnrun pause latest
    """
    from nnrun.runs.finding import find_run

    ask_and_tell(find_run(runs, run), "pause", json)
