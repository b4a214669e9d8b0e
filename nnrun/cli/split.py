"""The command split: which row went into which part of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Force, Json, Quiet, RunArgument, Runs, explained
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import content_result, json_result, say

STDOUT = "-"

Output = Annotated[
    str, typer.Option("-o", "--output", metavar="FILE", help="A .csv or .parquet file; left out, CSV on stdout.")
]


@explained
def split(
    run: RunArgument = "latest",
    output: Output = STDOUT,
    force: Force = False,
    runs: Runs = RUNS,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write which row of the data went to train, dev or test.

    Example:  nnrun split latest -o parts.csv
    """
    from nnrun.errors import UsageError
    from nnrun.models.output import check_output, check_spares, write_file, write_text
    from nnrun.models.partition import Partition
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun

    path = None if output == STDOUT else Path(output)
    if json and path is None:
        raise UsageError("--json prints one document on stdout, so the rows need a file: -o parts.csv")
    if path:
        check_output(path, force)
    found = Partition(StoredRun(find_run(runs, run)))
    if path:
        check_spares(path, found.files)
    with tidy_end():
        if path:
            write_file(path, found)
        else:
            write_text(content_result, found)
    if json:
        document = {"run": found.run.name, "path": str(path), "rows": found.counts}
        json_result({"schema_version": 1, **document})
    elif not quiet:
        told = ", ".join(f"{rows:,} {part.replace('_', '-')}" for part, rows in found.counts.items())
        say(f"run      {found.run.name}", f"rows     {told}", *([f"file     {path}"] if path else []))
