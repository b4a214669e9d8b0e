"""`nnrun clean`: the runs of a folder that fulfil conditions are removed, and prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import RUNS, Debug, Json, Runs, explained
from nnrun.cli.rm import Yes, carry_out

if TYPE_CHECKING:
    from nnrun.runs.stored import StoredRun

Statuses = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only runs that are failed, diverged, interrupted …; repeatable.",
        autocompletion=completing.statuses,
    ),
]

Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="WORD",
        help="Only runs with this tag; repeatable.",
        autocompletion=completing.tags,
    ),
]


@explained
def clean(
    older: Annotated[str | None, typer.Option(metavar="AGE", help="Only runs made so long ago: 30d, 12h, 4w.")] = None,
    statuses: Statuses = None,
    tags: Tags = None,
    keep_best: Annotated[
        int | None,
        typer.Option(metavar="N", help="Never the N runs with the lowest dev error on each data set.", min=0),
    ] = None,
    cache: Annotated[
        bool,
        typer.Option(
            "--cache",
            help="Prepared data too, which is made again when needed, and tables from Python that no run names; not "
            "compiled code, which is of no folder of runs.",
        ),
    ] = False,
    yes: Yes = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell which runs could go, what that frees, and with --yes do it.

    Runs go that fulfil all conditions, of several tags or states one. What is being trained stays.

    Example:  nnrun clean --older 30d --keep-best 5
    """
    from nnrun.errors import UsageError
    from nnrun.runs.removing import cached, planned, unused_frames

    asked = [*_with("--older", older), *_with("--status", statuses), *_with("--tag", tags)]
    asked += _with("--keep-best", keep_best)
    if not asked and not cache:
        raise UsageError(
            "which runs? --older 30d, --status failed, --tag WORD and --keep-best N say so; --cache is prepared data"
        )
    removals, reasons = planned(_which(runs, older, statuses, tags, keep_best) if asked else [])
    words = ["clean", *asked, *(["--cache"] if cache else [])]
    kept = [*cached(runs), *unused_frames(runs)] if cache else []
    carry_out(runs, removals, kept, reasons, yes, json, words)


def _which(
    runs: Path, older: str | None, statuses: list[str] | None, tags: list[str] | None, keep_best: int | None
) -> list[StoredRun]:
    """The runs that fulfil all conditions which are given."""
    from nnrun.insight.comparison.listing import Entry, kept_best, of_status, older_than, with_tag
    from nnrun.runs.finding import list_runs
    from nnrun.runs.stored import StoredRun

    entries = [Entry(StoredRun(run)) for run in list_runs(runs)]
    unjudged = [entry for entry in entries if entry.final and "dev_error" not in entry.final]  # as all rows train
    best = [*kept_best(entries, keep_best), *unjudged] if keep_best else []
    found = [entry for entry in entries if entry not in best]
    found = found if older is None else older_than(found, older)
    found = of_status(found, statuses) if statuses else found
    found = with_tag(found, tags) if tags else found
    return [entry.run for entry in found]


def _with(option: str, given: object) -> list[str]:
    values = given if isinstance(given, list) else [] if given is None else [given]
    return [word for value in values for word in (option, str(value))]
