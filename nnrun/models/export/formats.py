"""The formats a model is written in, each run again after writing and compared with the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nnrun.data.files.table import Table
from nnrun.data.raw import as_spelled, read_parts
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, NnrunError, UsageError
from nnrun.files import replacing
from nnrun.models.export import numpy_file, onnx_file
from nnrun.models.model import Model
from nnrun.runs.moving import told_if_gone

TOLERANCE = 1e-5  # what float32 rounds comes to 4e-6 in four layers of 512 units, to less than 1e-6 in usual ones
MOST_ROWS = 10_000


def dev_rows(model: Model) -> Table:
    """Rows of the dev part of the first member as they stand in the source; raises DataError where that is gone."""
    with told_if_gone(model.run):
        dev = read_parts(model.members[0].config.data)["dev"]
    return dev.take(np.arange(min(len(dev), MOST_ROWS)))


def difference(model: Model, expected: Array, found: Array) -> float:
    """The largest difference of a probability, or of a value.

    A value's is in deviations of the target or, where that is more, in its own distance from the target's mean; where
    its logarithm was learned, of that.
    """
    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    expected, found = map(model.target.as_learned, (expected, found))
    apart = np.abs(expected.astype(np.float64) - found)
    if model.target.classes is None:
        apart /= np.maximum(model.target.deviation, np.abs(expected - model.target.mean))
    return float(apart.max(initial=0.0))


def check(model: Model, expected: Array, found: Array) -> float:
    """The difference; NnrunError where it is larger than it may be."""
    apart = difference(model, expected, found)
    if not apart <= TOLERANCE:
        raise NnrunError(
            f"the written model differs from {model.run.name} by {apart:.2g} on the same rows, where "
            f"{TOLERANCE:g} is allowed; nothing was kept. Please report it"
        )
    return apart


class Format(NamedTuple):
    """How a file is written, and how it is run again to see what it says."""

    suffix: str
    require: Callable[[], None]  # raises UsageError where a library is missing
    write: Callable[[Model, Path], None]
    run: Callable[[Model, Path, Table], Array]
    by: str  # what runs it
    command: Callable[[Model, Path, Table], Array] | None = None  # how it is run on the text of cells, if it takes any


FORMATS = {
    "onnx": Format(".onnx", onnx_file.require, onnx_file.write, onnx_file.run, "onnxruntime"),
    "numpy": Format(
        ".py", numpy_file.require, numpy_file.write, numpy_file.run, "python with NumPy alone", numpy_file.command
    ),
}


class Exported(NamedTuple):
    """How many rows the file was checked on and the largest difference there, or why it could not be checked.

    `notices` tell what of the run is not in the file.
    """

    rows: int
    difference: float | None
    notices: Sequence[str]
    unchecked: str | None = None


def export(model: Model, format: Format, path: Path) -> Exported:
    """Write the file, checked on the raw dev rows where the run's data is still there.

    A file that takes text is given the cells as they are spelled in the source, where they are text there. Raises
    NnrunError where it says something else than the model; nothing is left then.
    """
    with replacing(path) as temporary:
        format.write(model, temporary)
        try:
            rows = dev_rows(model)
        except DataError as error:
            return Exported(0, None, model.ignored, str(error))
        found = check(model, model.predict(rows), _said(model, format, temporary, rows))
        return Exported(len(rows), found, model.ignored)


def _said(model: Model, format: Format, path: Path, rows: Table) -> Array:
    if format.command is not None:
        cells = as_spelled(model.members[0].config.data, rows)
        if cells is not None:
            return format.command(model, path, cells)
    return format.run(model, path, rows)


def format_for(name: str | None, path: Path | None) -> str:
    """The format that was asked for, else that of the file's name, else ONNX; UsageError where the two contradict."""
    by_suffix = {format.suffix: name for name, format in FORMATS.items()}
    named = by_suffix.get(path.suffix.lower()) if path else None
    if name and named and name != named:
        raise UsageError(f"{path}: a file of that name is of the format {named}, not {name}; name another file")
    return name or named or next(iter(FORMATS))
