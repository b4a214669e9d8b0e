"""The command list."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, Runs, explained
from nnrun.cli.terminal.streams import csv_result, json_result, result
from nnrun.installation import command, elsewhere

Sort = Annotated[
    str | None,
    typer.Option(
        metavar="KEY", help="created, seconds, dev_error or any other number of a run, or a key of the config."
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="CONDITION",
        help="Only runs with status=done, 'name=digits*', 'dev_error<5%', optimizer.name=adam …; repeatable.",
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="Highest or newest first.")]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Only the first N lines.", min=1)]
Csv = Annotated[bool, typer.Option("--csv", help="Print a row a run with all its numbers.")]


@explained
def list_(
    sort: Sort = None,
    reverse: Reverse = False,
    filters: Filters = None,
    limit: Limit = None,
    runs: Runs = RUNS,
    json: Json = False,
    csv: Csv = False,
    debug: Debug = False,
) -> None:
    """List the runs, oldest first; of a search its best trial.

    A run that is not over is told by its best epoch so far.

    Example:  nnrun list --sort dev_error --filter status=done --limit 10
    """
    from nnrun.errors import UsageError
    from nnrun.insight.comparison.listing import Entry, as_csv, plain, select, table
    from nnrun.runs.finding import list_runs
    from nnrun.runs.stored import StoredRun

    if runs.exists() and not runs.is_dir():
        raise UsageError(f"{runs}: not a folder")
    if json and csv:
        raise UsageError("--json and --csv: only one of them")
    entries = [Entry(StoredRun(run)) for run in list_runs(runs)]
    found = select(entries, filters or [], sort, reverse)[:limit]
    if json:
        json_result({"schema_version": 1, "runs": [plain(entry) for entry in found]})
    elif csv:
        csv_result(as_csv(found))
    elif found:
        ids = [entry.run.id for entry in entries]
        result(*table(found, ids, sort, shutil.get_terminal_size().columns, cut=sys.stdout.isatty()))
    else:
        making = command("train", *elsewhere(runs))
        result("no run fulfils that" if entries else f"no runs in {runs} yet; `{making}` makes one")
