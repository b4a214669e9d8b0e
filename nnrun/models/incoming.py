"""Where new rows come from: a file, standard input, or memory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnrun.data.files.frame import read_frame
from nnrun.data.files.sources import read_chunks
from nnrun.data.files.table import Table
from nnrun.data.files.unnamed import suffix_of
from nnrun.errors import DataError
from nnrun.models.model import Model

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.data.files.reading import Reading


IN_MEMORY = "the rows"  # what a table without a file is called
STDIN = "-"
_NAME = "<stdin>"


def read_rows(source: str, rows: int, reading: Reading) -> Generator[Table, None, None]:
    """Tables of at most so many rows; `-` is standard input, which is put on the disk first.

    Raises DataError for whatever cannot be read.
    """
    if source != STDIN:
        yield from read_chunks(Path(source), rows, reading)
        return
    with tempfile.TemporaryDirectory(prefix="nnrun-") as folder:
        path = _spooled(Path(folder))
        try:
            for table in read_chunks(path, rows, reading):
                notices = tuple(notice.replace(path.name, _NAME) for notice in table.notices)
                yield replace(table, name=_NAME, notices=notices)
        except DataError as error:
            raise DataError(str(error).replace(str(path), _NAME)) from None


def _spooled(folder: Path) -> Path:
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path.rename(path.with_suffix(suffix_of(path)))


def in_memory(model: Model, frame: pd.DataFrame) -> Table:
    """Rows in memory, whatever their index, whose cells mean what those of a CSV file would mean to the run."""
    known = {column.name for column in model.columns} | {model.target.name}
    return read_frame(frame, IN_MEMORY, model.fitted.reading, known)
