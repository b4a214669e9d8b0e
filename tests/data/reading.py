"""Files read by what they are, or with a `data.format`, without a config that says more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.data_section import Data
from nnrun.config.text_format import Format
from nnrun.data.files import sources
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table
from nnrun.errors import DataError

ANYHOW = Reading()  # all is found out from the file


def read_table(path: Path, reading: Reading = ANYHOW) -> Table:
    """All rows."""
    return sources.File(path, reading).table()


def read_chunks(path: Path, rows: int, reading: Reading = ANYHOW) -> Iterator[Table]:
    """Tables of at most so many rows each, each with the types of its own values where no reading gives them."""
    return sources.read_chunks(path, rows, reading)


def fault(path: Path, **reading: Any) -> str:
    """Why a file is refused, without its path."""
    with pytest.raises(DataError) as caught:
        read_table(path, Reading(**reading))
    return str(caught.value).removeprefix(str(path))


def read(path: Path, **format: Any) -> Table:
    """All rows of a file whose `data.format` is given."""
    return sources.read_source(Data(source=str(path), format=Format.model_validate(format)))["all"]
