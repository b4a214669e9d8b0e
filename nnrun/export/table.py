"""The formats a model is written in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nnrun.data.table import Table
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, UsageError
from nnrun.export import numpy_file, onnx_file
from nnrun.export.verify import check, dev_rows
from nnrun.files import replacing
from nnrun.prediction.model import Model


class Format(NamedTuple):
    """How a file is written, and how it is run again to see what it says."""

    suffix: str
    require: Callable[[], None]  # raises UsageError where a library is missing
    write: Callable[[Model, Path], None]
    run: Callable[[Model, Path, Table], Array]
    by: str  # what runs it


FORMATS = {
    "onnx": Format(".onnx", onnx_file.require, onnx_file.write, onnx_file.run, "onnxruntime"),
    "numpy": Format(".py", numpy_file.require, numpy_file.write, numpy_file.run, "python with NumPy alone"),
}


class Exported(NamedTuple):
    """How many rows the file was checked on and the largest difference there, or why it could not be checked."""

    rows: int
    difference: float | None
    unchecked: str | None = None


def export(model: Model, format: Format, path: Path) -> Exported:
    """Write the file, checked on the raw dev rows where the run's data is still there.

    Raises NnrunError where it says something else than the model; nothing is left then.
    """
    with replacing(path) as temporary:
        format.write(model, temporary)
        try:
            rows = dev_rows(model)
        except DataError as error:
            return Exported(0, None, str(error))
        return Exported(len(rows), check(model, model.predict(rows), format.run(model, temporary, rows)))


def format_for(name: str | None, path: Path | None) -> str:
    """The format that was asked for, else that of the file's name, else ONNX; UsageError where the two contradict."""
    by_suffix = {format.suffix: name for name, format in FORMATS.items()}
    named = by_suffix.get(path.suffix.lower()) if path else None
    if name and named and name != named:
        raise UsageError(f"{path}: a file of that name is of the format {named}, not {name}; name another file")
    return name or named or next(iter(FORMATS))
