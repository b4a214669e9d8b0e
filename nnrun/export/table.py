"""The formats a model is written in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nnrun.data.table import Table
from nnrun.engine.parameters import Array
from nnrun.export import numpy_file, onnx_file
from nnrun.export.verify import check, dev_rows
from nnrun.files import TEMPORARY
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
    """The rows that the file was checked on, and the largest difference there."""

    rows: int
    difference: float


def export(model: Model, format: Format, path: Path) -> Exported:
    """Write the file under a temporary name, check it on the raw dev rows, and rename it.

    Raises NnrunError where it says something else than the model, DataError where the run's data is gone.
    """
    rows = dev_rows(model)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}{TEMPORARY}{format.suffix}")
    try:
        format.write(model, temporary)
        apart = check(model, model.predict(rows), format.run(model, temporary, rows))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Exported(len(rows), apart)
