"""The command split: which row went into which part of a run."""

from __future__ import annotations

from nnrun.cli.common import (
    RUNS,
    STDOUT,
    Debug,
    Force,
    Json,
    Quiet,
    RunArgument,
    Runs,
    TableFile,
    explained,
    table_file,
    write_table,
)
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import json_result, say


@explained
def split(
    run: RunArgument = "latest",
    output: TableFile = STDOUT,
    force: Force = False,
    runs: Runs = RUNS,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write which row of the data went to train, dev or test.

    Example:  nnrun split latest -o parts.csv
    """
    from nnrun.models.output import check_spares
    from nnrun.models.partition import Partition
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun

    path = table_file(output, force, json, "rows", "parts.csv")
    found = Partition(StoredRun(find_run(runs, run)))
    if path:
        check_spares(path, found.files)
    with tidy_end():
        write_table(path, found, force)
    if json:
        document = {"run": found.run.name, "path": str(path), "rows": found.counts}
        json_result({"schema_version": 1, **document})
    elif not quiet:
        told = ", ".join(f"{rows:,} {part.replace('_', '-')}" for part, rows in found.counts.items())
        say(f"run      {found.run.name}", f"rows     {told}", *([f"file     {path}"] if path else []))
