"""The command export: a run's model as a file for other programs, or the course of runs for other tools."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import A_RUN, RUNS, STDOUT, Debug, Force, Json, Runs, explained
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import content_result, json_result, refuse_nowhere, result, say
from nnrun.errors import NnrunError, UsageError, without_password
from nnrun.installation import expanded
from nnrun.machine.posix import stand_back
from nnrun.text import counted, one_of, wrapped

if TYPE_CHECKING:
    from nnrun.models.export.formats import Exported
    from nnrun.models.export.formats import Format as Kind
    from nnrun.models.model import Model
    from nnrun.runs.rundir import RunDir

PATIENCE = 600.0  # seconds, with a tool that takes in the end of a run


def _known(format: str) -> str:
    """The name itself, if it is in a table; looked up when it is typed, so that --help loads nothing."""
    from nnrun.tracking.trackers import TRACKERS

    if format not in TRACKERS:
        from nnrun.models.export.formats import FORMATS

        if format not in FORMATS:
            raise typer.BadParameter(f"{format!r} is not one of {', '.join(map(repr, [*FORMATS, *TRACKERS]))}.")
    return format


Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        parser=_known,
        metavar="<onnx|numpy|tensorboard|mlflow>",
        help="The model as an ONNX graph, or as one Python file for NumPy alone; left out: by the file's name. Or the "
        "course of runs and searches for TensorBoard or MLflow.",
        autocompletion=completing.export_formats,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Left out: model.onnx or model.py here; - prints the file. For TensorBoard a folder, for MLflow a file or "
        "an address; left out: beside the runs, or as MLFLOW_TRACKING_URI says.",
        parser=expanded,
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", help="For TensorBoard or MLflow: go on until the run, which trains, is over.")
]


@explained
def export(
    runs_: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...", help=f"{A_RUN.rstrip('.')}; left out: latest.", autocompletion=completing.runs
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
    force: Force = False,
    follow: Follow = False,
    runs: Runs = RUNS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model, or the course of runs, for other programs.

    Of TensorBoard and MLflow several runs can be named, and a search brings its trials.

    Example:  nnrun export latest --format onnx -o model.onnx
    """
    from nnrun.runs.finding import find_run
    from nnrun.tracking.trackers import TRACKERS

    named = runs_ or ["latest"]
    if format in TRACKERS:
        if output == STDOUT:
            raise UsageError(f"-o -: what {format} reads is no stream; name where it is to go, or leave -o out")
        found = [find_run(runs, name) for name in named]
        return _follow(format, found, output) if follow else _tell(format, found, output, json)
    if follow:
        raise UsageError(f"--follow is for --format {one_of(TRACKERS)}")
    if len(named) > 1:
        raise UsageError(f"{len(named)} runs have as many models; name one, or --format {one_of(TRACKERS)}")
    return _model(find_run(runs, named[0]), format, output, force, json)


def _tell(format: str, found: list[RunDir], output: str | None, json: bool) -> None:
    """The course of runs for another tool."""
    from nnrun.runs.finding import name_of
    from nnrun.tracking.trackers import TRACKERS
    from nnrun.tracking.verbs import write

    tool = TRACKERS[format]
    tool.require()
    where = output or tool.usual(found[0].path.parent)
    with tidy_end():
        tracker = tool.open(where)
        written = {name_of(run): write(run, tracker, say) for run in found}
    told = without_password(where)
    if json:
        return json_result({"schema_version": 1, "format": format, "path": told, "runs": written})
    for name, count in written.items():
        result(f"run      {name}" + (f", {counted(count - 1, 'run')} in it" if count > 1 else ""))
    return result(f"written  {told}", f"look     {tool.look(where)}")


def _follow(format: str, found: list[RunDir], output: str | None) -> None:
    """Quietly, as nobody may be there to read it."""
    from nnrun.tracking.trackers import TRACKERS
    from nnrun.tracking.verbs import follow

    if len(found) > 1:
        raise UsageError("--follow goes on with one run")
    tool, run = TRACKERS[format], found[0]
    tool.require()
    stand_back()
    threading.Thread(target=_end_in_time, args=(run,), daemon=True).start()
    with tidy_end():
        follow(run, tool.open(output or tool.usual(run.path.parent)), say)


def _end_in_time(run: RunDir) -> None:
    """A server that never answers keeps nobody here for ever, once the run is over."""
    from nnrun.runs.records import TRAINED

    with suppress(NnrunError, OSError):  # it was removed
        while run.status in TRAINED:
            time.sleep(PATIENCE / 100)
    time.sleep(PATIENCE)
    os._exit(1)


def _model(found: RunDir, format: str | None, output: str | None, force: bool, json: bool) -> None:
    from nnrun.models.export.formats import FORMATS, format_for
    from nnrun.models.export.formats import export as write
    from nnrun.models.model import load_model
    from nnrun.models.output import check_free, check_spares
    from nnrun.runs.stored import StoredRun

    name = format_for(format, Path(output) if output else None)
    chosen = FORMATS[name]
    path, streamed = Path(output or f"model{chosen.suffix}"), output == STDOUT
    if json and streamed:
        raise UsageError(f"--json prints one document on stdout, so the model needs a file: -o model{chosen.suffix}")
    if streamed:
        refuse_nowhere()
    else:
        check_free(path, force)
    chosen.require()
    model = load_model(StoredRun(found))
    if streamed:
        return _stream(model, chosen)
    check_spares(path, model.learned_from)
    with tidy_end():
        done = write(model, chosen, path)
    size = path.stat().st_size
    if json:
        facts = {"run": model.run.name, "format": name, "path": str(path), "bytes": size, "networks": len(model.shares)}
        checked = {"rows": done.rows, "largest_difference": done.difference, "unchecked": done.unchecked}
        return json_result({"schema_version": 1, **facts, **checked, "notices": done.notices})
    first, *rest = _about(model, chosen, done)
    return result(first, f"file     {path}, {size:,} bytes", *rest)


def _stream(model: Model, chosen: Kind) -> None:
    """The file itself on stdout, once it is checked; what is told of it goes to stderr."""
    from nnrun.models.export.formats import export as write

    with tidy_end(), TemporaryDirectory() as folder:
        path = Path(folder, f"model{chosen.suffix}")
        done = write(model, chosen, path)
        content_result(path.read_bytes())
    say(*_about(model, chosen, done))


def _about(model: Model, chosen: Kind, done: Exported) -> Iterator[str]:
    """Which run it is of, how it was checked, and what of the run is not in it."""
    several = f", {len(model.shares)} networks" if len(model.shares) > 1 else ""
    yield f"run      {model.run.name}{several}"
    told = f"{done.rows:,} dev rows by {chosen.by}, largest difference {done.difference or 0:.1e}"
    if done.unchecked:
        told = f"no: the file could not be compared with the run on its data ({done.unchecked})"
    yield from wrapped(told, "checked  ")
    for notice in done.notices:
        yield from wrapped(notice, "notice   ")
