"""The rows to predict: a file, or standard input, table by table."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnrun.data.sources import read_chunks
from nnrun.data.table import Table
from nnrun.errors import DataError

STDIN = "-"
_NAME = "<stdin>"

# First bytes of a file; anything else is read as text.
_SUFFIXES = {b"PAR1": ".parquet", b"PK\x03\x04": ".npz", b"\x93NUM": ".npy", b"\x1f\x8b": ".csv.gz"}


def read_rows(source: str, rows: int, info: Mapping[str, Any]) -> Generator[Table, None, None]:
    """Tables of at most so many rows; `-` is standard input, which is put on the disk first.

    Raises DataError for whatever cannot be read.
    """
    if source != STDIN:
        yield from read_chunks(Path(source), rows, like=info)
        return
    with tempfile.TemporaryDirectory(prefix="nnrun-") as folder:
        path = _spooled(Path(folder))
        try:
            for table in read_chunks(path, rows, like=info):
                notices = tuple(notice.replace(path.name, _NAME) for notice in table.notices)
                yield replace(table, name=_NAME, notices=notices)
        except DataError as error:
            raise DataError(str(error).replace(str(path), _NAME)) from None


def _spooled(folder: Path) -> Path:
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with path.open("rb") as file:
        start = file.read(4)
    suffix = next((suffix for first, suffix in _SUFFIXES.items() if start.startswith(first)), ".csv")
    return path.rename(path.with_suffix(suffix))
