"""The command export: a run's model as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Force, Json, RunArgument, Runs, explained
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import json_result, result


def _known(format: str) -> str:
    """The name itself, if it is in the table; looked up when it is typed, so that --help loads nothing."""
    from nnrun.models.export.formats import FORMATS

    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is not one of {', '.join(map(repr, FORMATS))}.")
    return format


Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        parser=_known,
        metavar="<onnx|numpy>",
        help="An ONNX graph, or one Python file for NumPy alone; left out: by the file's name.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Left out: model.onnx or model.py here.")
]


@explained
def export(
    run: RunArgument = "latest",
    format: Format = None,
    output: Output = None,
    force: Force = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the model as a file for other programs, and check it.

    Example:  nnrun export latest --format onnx -o model.onnx
    """
    from nnrun.models.export.formats import FORMATS, format_for
    from nnrun.models.export.formats import export as write
    from nnrun.models.model import load_model
    from nnrun.models.output import check_free, check_spares
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun
    from nnrun.text import wrapped

    name = format_for(format, output)
    chosen = FORMATS[name]
    path = output or Path(f"model{chosen.suffix}")
    check_free(path, force)
    chosen.require()
    model = load_model(StoredRun(find_run(runs, run)))
    check_spares(path, model.learned_from)
    with tidy_end():
        done = write(model, chosen, path)
    size, networks = path.stat().st_size, len(model.shares)
    if json:
        facts = {"run": model.run.name, "format": name, "path": str(path), "bytes": size, "networks": networks}
        checked = {"rows": done.rows, "largest_difference": done.difference, "unchecked": done.unchecked}
        json_result({"schema_version": 1, **facts, **checked})
        return
    told = f"{done.rows:,} dev rows by {chosen.by}, largest difference {done.difference or 0:.1e}"
    if done.unchecked:
        told = f"no: the file could not be compared with the run on its data ({done.unchecked})"
    several = f", {networks} networks" if networks > 1 else ""
    result(f"run      {model.run.name}{several}", f"file     {path}, {size:,} bytes", *wrapped(told, "checked  "))
