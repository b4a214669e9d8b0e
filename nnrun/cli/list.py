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
        help="Only runs with status=done, 'name=digits*', 'dev_error<5%', tag=WORD, optimizer.name=adam …; repeatable.",
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="The other way round; with --sort highest or newest first.")]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Only the first N lines; with --json or --csv the newest N, unless --sort or --tree is given.",
        min=1,
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print a row a run with all its numbers.")]
Tree = Annotated[
    bool,
    typer.Option(
        "--tree",
        help="Children under their parents, with the epoch they left at and what they changed; in JSON in that order, "
        "each with its parent, depth and changed.",
    ),
]


@explained
def list_(
    sort: Sort = None,
    reverse: Reverse = False,
    filters: Filters = None,
    limit: Limit = None,
    tree: Tree = False,
    runs: Runs = RUNS,
    json: Json = False,
    csv: Csv = False,
    debug: Debug = False,
) -> None:
    """List the runs, newest first; of a search its best trial.

    With --tree, --json or --csv they come oldest first, as a family reads and as scripts expect.
    A run that is not over is told by its best epoch so far. Behind a dev error *3 means that 3 changes were made while
    watching it. Children in a tree are those of `nnrun rewind` and `nnrun resume --set`. In JSON and CSV, `error_kind`
    says whether a run's errors are balanced or weighted, `target_transform` whether they are of the logarithm; only
    those of one kind compare.

    Example:  nnrun list --sort dev_error --filter status=done --limit 10
    """
    from nnrun.errors import UsageError
    from nnrun.insight.comparison.lines import as_csv, families, plain, plain_member, table, tree_table
    from nnrun.insight.comparison.listing import Entry, select
    from nnrun.runs.finding import list_runs
    from nnrun.runs.stored import StoredRun

    if runs.exists() and not runs.is_dir():
        raise UsageError(f"{runs}: not a folder")
    if csv and (json or tree):
        raise UsageError(f"--{'json' if json else 'tree'} and --csv: only one of them")
    entries = [Entry(StoredRun(run)) for run in list_runs(runs)]
    newest = not (sort or tree or json or csv)
    found = select(entries, filters or [], sort, reverse is not newest)
    members = families(found, entries)[:limit] if tree else []
    oldest_first = (json or csv) and not (sort or tree or reverse)
    found = found[-limit:] if limit and oldest_first else found[:limit]
    ids = [entry.run.id for entry in entries]
    width, cut = shutil.get_terminal_size().columns, sys.stdout.isatty()
    if json:
        listed = [plain_member(member) for member in members] if tree else [plain(entry) for entry in found]
        json_result({"schema_version": 1, "runs": listed})
    elif csv:
        csv_result(as_csv(found))
    elif found:
        result(*(tree_table(members, ids, sort, width, cut) if tree else table(found, ids, sort, width, cut)))
    else:
        making = command("train", *elsewhere(runs))
        result("no run fulfils that" if entries else f"no runs in {runs} yet; `{making}` makes one")
