"""Files read by what they are alone, without a config that says how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nnrun.data.files import sources
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table

ANYHOW = Reading()  # all is found out from the file


def read_table(path: Path, reading: Reading = ANYHOW) -> Table:
    """All rows."""
    return sources.File(path, reading).table()


def read_chunks(path: Path, rows: int, reading: Reading = ANYHOW) -> Iterator[Table]:
    """Tables of at most so many rows each, each with the types of its own values where no reading gives them."""
    return sources.read_chunks(path, rows, reading)
