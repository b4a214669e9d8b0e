"""`nnrun tag`: words by which a run is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import RUNS, Debug, Json, Runs, WhichRun, explained
from nnrun.cli.terminal.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.runs.labels import Labels
    from nnrun.runs.rundir import RunDir


@explained
def tag(
    run: WhichRun,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD...",
            help="Tags; without any, those it has are printed.",
            autocompletion=completing.tags,
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags away.")] = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Put words on a run, by which it is found again.

    `nnrun list --filter tag=WORD` lists those that have one, and `nnrun clean --tag WORD` removes them. Both look at
    whole runs: what a trial or a member has, `nnrun show` of that tells, as `nnrun show SEARCH/trials/0001`.

    Example:  nnrun tag latest baseline
    """
    from nnrun.errors import UsageError
    from nnrun.runs.finding import find_run
    from nnrun.runs.labels import labels_of
    from nnrun.runs.labels import tag as tag_run

    found = find_run(runs, run)
    if remove and not words:
        raise UsageError("--remove takes the words to be removed, as in `nnrun tag latest --remove baseline`")
    tell(found, tag_run(found, words, remove) if words else labels_of(found), json)


def tell(run: RunDir, labels: Labels, json: bool) -> None:
    """What is written on a run."""
    from nnrun.runs.labels import label_lines, where_found

    if json:
        json_result({"schema_version": 1, "id": run.id, "path": str(run.path), **labels})
    else:
        lines = label_lines(labels)
        result(f"run      {run.path}", *lines, *(where_found(run) if lines else ()))
