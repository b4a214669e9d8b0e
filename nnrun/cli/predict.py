"""The command predict: what a run says of new rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import (
    RUNS,
    STDOUT,
    Debug,
    FailOn,
    Force,
    Json,
    Quiet,
    RunArgument,
    Runs,
    TableFile,
    Threads,
    explained,
    table_file,
    tell_drift,
    write_table,
)
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import json_result, say

if TYPE_CHECKING:
    from nnrun.models.rows import Predictions


STDIN = "-"
IN, OUT = 0, 1  # the numbers of the streams

Rows = Annotated[
    str, typer.Argument(metavar="DATA", help="File with the columns that the run learned from; - is stdin.")
]
Identifiers = Annotated[
    list[str] | None,
    typer.Option(
        "--id", metavar="COLUMN", help="Column to stand before each prediction (may be repeated).", show_default=False
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(
        "--interval",
        metavar="SHARE",
        help="Bounds, or a set of classes, that hold the truth in such a share of rows, such as 90%.",
        show_default=False,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="PROBABILITY",
        help="Predict the second of two classes from this probability on, such as evaluate --cost finds.",
        show_default=False,
    ),
]
Members = Annotated[
    bool,
    typer.Option("--members", help="What each network, or each member of a body, says, and how far they disagree."),
]


@explained
def predict(
    run: RunArgument,
    data: Rows,
    output: TableFile = STDOUT,
    id: Identifiers = None,
    interval: Interval = None,
    members: Members = False,
    threshold: Threshold = None,
    fail_on: FailOn = None,
    force: Force = False,
    runs: Runs = RUNS,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict the target of new rows, each beside its identifiers.

    Example:  nnrun predict latest new.csv -o predictions.csv
    """
    from nnrun.models.drift.comparing import drift_of
    from nnrun.models.model import at_threshold, load_model
    from nnrun.models.output import check_spares
    from nnrun.models.rows import Predictions
    from nnrun.models.uncertainty import asked_for
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun

    path = table_file(output, force, json, "predictions", "predictions.csv")
    model = at_threshold(load_model(StoredRun(find_run(runs, run))), threshold)
    rows = IN if data == STDIN else Path(data)
    check_spares(path or OUT, [rows, *model.learned_from])
    found = Predictions(model, id or (), asked_for(model, interval, members), drift_of(model, bool(fail_on)))
    _write(found, data, path, force)
    if json:
        _print_json(found, path)
    else:
        say(*([] if quiet else _told(found, path)))
    tell_drift(found.drift, quiet or json, fail_on)


def _write(found: Predictions, data: str, path: Path | None, force: bool) -> None:
    with tidy_end(), closing(found.of_source(data)) as frames:
        write_table(path, frames, force)


def _told(found: Predictions, path: Path | None) -> Iterator[str]:
    from nnrun.text import counted, wrapped

    yield f"run      {found.model.run.name}"
    yield f"rows     {counted(found.rows, 'row')}, {_by(found)}"
    if path:
        yield f"file     {path}"
    for notice in found.notices():
        yield from wrapped(notice, "notice   ")


def _by(found: Predictions) -> str:
    if found.identifiers:
        return f"known by {', '.join(found.identifiers)}"
    return "numbered from 1, as no column identifies them; --id COLUMN names one"


def _print_json(found: Predictions, path: Path | None) -> None:
    json_result(
        {
            "schema_version": 1,
            "run": found.model.run.name,
            "path": str(path),
            "rows": found.rows,
            "identifiers": found.identifiers,
            "columns": found.columns,
            "interval": found.interval,
            "threshold": found.model.threshold,
            "notices": found.notices(),
            "drift": found.drift.document if found.drift else None,
        }
    )
