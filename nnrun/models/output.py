"""Frames written one after the other, to a file or to standard output."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nnrun.data.files.frame import write_csv
from nnrun.errors import UsageError
from nnrun.files import is_closed, replacing
from nnrun.installation import require_extra
from nnrun.runs.finding import is_record

if TYPE_CHECKING:
    import pandas as pd

    Frames = Iterable[pd.DataFrame]


def check_output(path: Path, overwrite: bool) -> None:
    """Raise UsageError where the file could not, or must not, be written."""
    if (format := FORMATS.get(path.suffix.lower())) is None:
        raise UsageError(f"{path}: rows are written to {' or '.join(FORMATS)}; name a file that ends so")
    check_free(path, overwrite)
    format.require()


def check_free(path: Path, overwrite: bool) -> None:
    """Raise UsageError where there is something already, or no folder that can be written to."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: not a regular file; name one that is not there yet")
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise UsageError(f"{path} exists; choose another name, or --force to replace it")
    if path.exists() and is_record(path):
        raise UsageError(f"{path}: is a file of a run, which would be damaged; choose another name")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder; make it first")
    if is_closed(path.parent):
        raise UsageError(f"{path.parent}: nothing can be written there; choose another folder")


def check_spares(output: Path | int, read: Iterable[Path | int]) -> None:
    """Raise UsageError where what is written would take the place of a file that is read.

    Whatever name it goes by, and also where it is named by a stream's number, as a shell has opened it.
    """
    for file in read:
        with suppress(OSError):  # one that is not there is not lost
            if os.path.samefile(output, file) and stat.S_ISREG(os.stat(output).st_mode):  # noqa: PTH116, PTH121  or a number
                raise UsageError(f"{_named(output, file)}: is read here and would be lost; write to another file")


def _named(output: Path | int, file: Path | int) -> str:
    return str(next((one for one in (output, file) if isinstance(one, Path)), "standard output"))


def write_file(path: Path, frames: Frames, overwrite: bool) -> None:
    """Write all of them, or leave nothing behind; UsageError for a file that another process has written meanwhile."""
    try:
        with replacing(path, overwrite) as temporary:
            FORMATS[path.suffix.lower()].write(temporary, frames)
    except FileExistsError:
        check_free(path, overwrite)
        raise


def write_text(write: Callable[[str], object], frames: Frames) -> None:
    """CSV: the shortest digits that give the same number back, lines that end in a line feed."""
    for i, frame in enumerate(frames):
        text = StringIO(newline="")
        write_csv(frame, text, header=i == 0)
        write(text.getvalue())


def _write_csv(path: Path, frames: Frames) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        write_text(file.write, frames)


def _write_parquet(path: Path, frames: Frames) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writer = schema = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
            schema = table.schema
            writer = writer or ParquetWriter(path, schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


class Format(NamedTuple):
    """How a file is written, and what raises UsageError where a library for it is missing."""

    write: Callable[[Path, Frames], None]
    require: Callable[[], None] = lambda: None


FORMATS = {
    ".csv": Format(_write_csv),
    ".parquet": Format(_write_parquet, partial(require_extra, "Parquet files need", "parquet", "pyarrow")),
}
