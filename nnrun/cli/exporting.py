"""The command export: a run's model as a file for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, explained
from nnrun.cli.signals import tidy_end
from nnrun.cli.streams import json_result, result


class Into(StrEnum):
    """The formats by name, known here so that --help loads none of them."""

    ONNX = "onnx"
    NUMPY = "numpy"


Format = Annotated[Into, typer.Option("--format", help="An ONNX graph, or one Python file that needs NumPy alone.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Left out: model.onnx or model.py here.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@explained
def export(
    run: RunArgument = "latest",
    format: Format = Into.ONNX,
    output: Output = None,
    force: Force = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the model as a file for other programs, and check it.

    Example:  nnrun export latest --format onnx -o model.onnx
    """
    from nnrun.export.table import FORMATS
    from nnrun.export.table import export as write
    from nnrun.prediction.model import load_model
    from nnrun.prediction.output import check_free
    from nnrun.rundir import find_run

    chosen = FORMATS[format.value]
    path = output or Path(f"model{chosen.suffix}")
    check_free(path, force)
    chosen.require()
    model = load_model(find_run(runs, run))
    with tidy_end():
        done = write(model, chosen, path)
    if json:
        facts = {"run": model.run.id, "format": format.value, "path": str(path), "bytes": path.stat().st_size}
        json_result({"schema_version": 1, **facts, "rows": done.rows, "largest_difference": done.difference})
        return
    result(
        f"run      {model.run.id}",
        f"file     {path}, {path.stat().st_size:,} bytes",
        f"checked  {done.rows:,} dev rows by {chosen.by}, largest difference {done.difference:.1e}",
    )
