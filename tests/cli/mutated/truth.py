"""What stands in a file of a table, by readers of others, and whether nnrun has read just that."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from nnrun.data.files.cells import MISSING
from nnrun.data.files.dialect import find_dialect
from nnrun.data.files.layout import split_spaces
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table
from nnrun.data.files.text_file import open_text

Column = tuple[str, Sequence[Any]]


def differences(path: Path, table: Table) -> list[str]:
    """Where the table holds something else than the file."""
    name = path.name.removesuffix(".gz")
    if name.endswith((".csv", ".tsv", ".txt")):
        return list(islice(_in_text(path, table), 5))
    found = {".npy": _of_npy, ".npz": _of_npz, ".parquet": _of_parquet}[path.suffix](path)
    # A target that is none is not in the table of an archive: who only reads or predicts needs none.
    found = [(name, there) for name, there in found if name in table.columns or name not in table.unreadable]
    columns = [table.frame.iloc[:, at] for at in range(table.frame.shape[1])]
    if len(found) != len(columns):
        return [f"{len(columns)} columns where there are {len(found)}"]
    pairs = zip(found, columns, strict=True)
    return [f"column {name!r} is {list(mine)[:3]}, not {list(there)[:3]}" for (name, there), mine in pairs
            if len(mine) != len(there) or not all(map(_same, mine.tolist(), there))]  # fmt: skip


def _same(mine: Any, there: Any) -> bool:
    if _is_missing(mine) or _is_missing(there):
        return _is_missing(mine) and _is_missing(there)
    if isinstance(mine, pd.Timestamp):
        return bool(mine.to_datetime64() == there)
    if isinstance(mine, str) and isinstance(there, int):  # too long for float64, so kept with all digits
        return mine == str(there)
    if isinstance(mine, float):  # Arrow rounds decimals of thirty digits once more
        return math.isclose(mine, float(there), rel_tol=1e-15)
    return bool(mine == there)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _of_npy(path: Path) -> list[Column]:
    values = np.load(path, allow_pickle=False)
    if values.dtype.names:
        return [(name, [_plain(cell) for cell in values[name]]) for name in values.dtype.names]
    return [(str(at), column.tolist()) for at, column in enumerate(values.reshape(len(values), -1).T)]


def _plain(cell: Any) -> Any:
    return None if cell.dtype.kind == "M" and np.isnat(cell) else cell if cell.dtype.kind == "M" else cell.item()


def _of_npz(path: Path) -> list[Column]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    features = next((name for name in ("x", "X") if name in arrays), None) or next(n for n in arrays if n != "y")
    x = arrays[features].reshape(len(arrays[features]), -1)
    target = [("y", arrays["y"].reshape(-1).tolist())] if "y" in arrays else []
    return [*((f"x[{at}]", column.tolist()) for at, column in enumerate(x.T)), *target]


def _of_parquet(path: Path) -> list[Column]:
    """Dates as microseconds; columns of what nnrun cannot use without values, those without a name left out."""
    with parquet.ParquetFile(path) as file:
        table = file.read()
    pairs = zip(table.schema.names, table.columns, strict=True)
    return [(name, _cells(values)) for name, values in pairs if name and not name.startswith("__index_level_")]


def _cells(values: Any) -> list[Any]:
    type = values.type
    if pa.types.is_dictionary(type):
        return _cells(values.cast(type.value_type))
    if pa.types.is_date(type) or pa.types.is_timestamp(type):
        zone = getattr(type, "tz", None)
        numbers = values.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64()).to_pylist()
        return [None if number is None else np.datetime64(number, "us") for number in numbers]
    if pa.types.is_decimal(type):
        return [
            None if value is None else int(value) if int(value) == value else float(value)
            for value in values.to_pylist()
        ]
    if pa.types.is_nested(type) or pa.types.is_time(type) or pa.types.is_duration(type) or "binary" in str(type):
        return [None] * len(values)
    return list(values.to_pylist())


def _in_text(path: Path, table: Table) -> Iterator[str]:
    """Fields as the csv module splits them; numbers as Python reads them, where it does."""
    dialect = find_dialect(path, Reading())
    with open_text(path, dialect.encoding) as handle:
        lines: Iterator[str] = islice(handle, dialect.layout.above, None)
        if dialect.layout.delimiter == " ":
            lines = map(split_spaces, lines)
        rows = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=True)
        records = [row for row in rows if row and (len(row) > 1 or row[0].strip())]
    _, *cells = records
    if len(cells) != len(table):
        yield f"{len(table)} rows where there are {len(cells)}"
        return
    for at, name in enumerate(table.frame.columns):
        field = table.fields[name] - 1
        for row, mine in enumerate(table.frame.iloc[:, at].tolist()):
            if not _read_as(mine, cells[row][field].strip(), dialect.decimal):
                yield f"row {row + 1} of {name!r} is {mine!r}, not {cells[row][field][:60]!r}"


WORDS = ("n.a.", "--", "n.a", "---")


def _read_as(mine: Any, cell: str, decimal: str) -> bool:
    """Whether a value is what a cell means."""
    if _is_missing(mine):
        return cell in (*MISSING, *WORDS)
    if isinstance(mine, bool):
        return cell.lower() == str(mine).lower()
    if isinstance(mine, str):
        return mine.strip() == cell
    try:
        return bool(float(cell.replace(decimal, ".")) == mine)
    except ValueError:  # grouped, or with a unit: its digits at least stand there
        digits = "".join(letter for letter in cell if letter.isdigit()).strip("0")
        return digits == "".join(letter for letter in str(mine).partition("e")[0] if letter.isdigit()).strip("0")
