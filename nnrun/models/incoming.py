"""Where new rows come from: a file, standard input, or memory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.offsets import offsets_in, unlike
from nnrun.data.files.array_file import of_array, of_arrays
from nnrun.data.files.frame import read_frame, refuse_foreign, refuse_index
from nnrun.data.files.sources import read_chunks
from nnrun.data.files.table import Table
from nnrun.data.files.unnamed import suffix_of
from nnrun.data.files.values import kind_of, missing_of
from nnrun.errors import DataError, UsageError
from nnrun.models.model import Model
from nnrun.text import shown

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.data.files.reading import Reading
    from nnrun.engine.parameters import Array

    InMemory = pd.DataFrame | Array | dict[str, Array]  # a table, an array of its rows, or one of features and another


IN_MEMORY = "the rows"  # what a table without a file is called
STDIN = "-"
_NAME = "<stdin>"


def read_rows(source: str, rows: int, reading: Reading) -> Generator[Table, None, None]:
    """Tables of at most so many rows; `-` is standard input, which is put on the disk first.

    Raises DataError for whatever cannot be read, and for numbers of another unit than the run has.
    """
    if source != STDIN:
        _refuse_stream(Path(source))
        yield from _in_units(Path(source), rows, reading)
        return
    with tempfile.TemporaryDirectory(prefix="nnrun-") as folder:
        path = _spooled(Path(folder))
        try:
            for table in _in_units(path, rows, reading):
                notices = tuple(notice.replace(path.name, _NAME) for notice in table.notices)
                yield replace(table, name=_NAME, notices=notices)
        except DataError as error:
            raise DataError(str(error).replace(str(path), _NAME)) from None


def _refuse_stream(path: Path) -> None:
    """DataError for a pipe, and for what a shell names one by, as none of them can be read twice."""
    with suppress(OSError):
        if path.is_fifo() or path.is_char_device() or path == Path("/dev/stdin") or path.parent == Path("/dev/fd"):
            raise DataError(f"{path}: not a file; pipe the rows into the command, and write {STDIN} in its place")


def _spooled(folder: Path) -> Path:
    if sys.stdin is None:  # closed by whoever started the process
        raise DataError(f"{_NAME}: stdin is closed; pipe the rows into the command, or name a file in place of {STDIN}")
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path.rename(path.with_suffix(suffix_of(path)))


def in_memory(model: Model, rows: InMemory, target: bool = False) -> Table:
    """Rows in memory: the cells of a frame, whatever its index, mean what those of a CSV file would mean to the run.

    Arrays are what a file of NumPy's with them would be. Raises DataError for what cannot be read, and for a frame with
    a column that is wanted, such as the `target`, as its index.
    """
    reading = model.fitted.reading
    if isinstance(rows, np.ndarray):
        return next(of_array(Path(IN_MEMORY), rows, reading))
    if isinstance(rows, dict):
        return next(of_arrays(Path(IN_MEMORY), rows, reading))
    wanted = {column.name for column in model.columns}
    known = {*wanted, model.target.name}
    refuse_index(rows, IN_MEMORY, "data", known if target else wanted)
    return in_units(read_frame(rows, IN_MEMORY, reading, known), reading)


def _in_units(path: Path, rows: int, reading: Reading) -> Iterator[Table]:
    return (in_units(table, reading) for table in read_chunks(path, rows, reading))


def in_units(table: Table, reading: Reading) -> Table:
    """The rows, with doubts on numbers that lack the unit of training, or are truths; DataError for another unit.

    A number without `%` is refused, too: it may be a fraction. Early runs do not know their units. Times with an offset
    where those of training have none, or the other way round, are a doubt.
    """
    names = sorted(reading.numbers.intersection(table.columns))
    told = [
        f"column {name!r} holds true and false, where training had numbers; they are taken for 1 and 0"
        for name in names
        if kind_of(table.column(name)) == "boolean"
    ]
    for name in names if reading.units is not None else ():
        found, known = table.units.get(name, ""), (reading.units or {}).get(name, "")
        cells = table.column(name)
        if found == known or kind_of(cells) != "number" or missing_of(cells).all():
            continue  # what is no number is refused where it is read as one
        if found or known == "%":
            raise DataError(f"{table.at_column(name)}: {_other_unit(name, found, known)}")
        told.append(f"the numbers of column {name!r} have no unit; they are taken for {known}, as in training")
    for name, had in (reading.offsets or {}).items():
        if name in table.columns and (notice := unlike(name, offsets_in(table.frame[name]), had)):
            told.append(notice)
    return replace(table, doubts=tuple(sorted(told)), known_units=reading.units)


def _other_unit(name: str, found: str, known: str) -> str:
    if not found:
        return (
            f"column {name!r} has numbers without {known}, and was trained on numbers with it; write 5.5% as the text "
            "5.5%, not as 5.5 or as 0.055, which a workbook stores where it shows 5.5%"
        )
    trained, cure = (f"in {known}", f"convert them to {known}") if known else ("without a unit", "write them so")
    return f"column {name!r} has numbers in {found}, and was trained on numbers {trained}; {cure}"


def rows_of(data: Any) -> str | InMemory:
    """A file's path as text, arrays as they are, and what pandas makes a frame of as one; UsageError for all else."""
    import pandas as pd

    if isinstance(data, (str, Path)):
        return str(data)
    refuse_foreign(data, "data")
    try:
        if isinstance(data, Mapping) and any(np.ndim(values) > 1 for values in data.values()):
            return {str(name): _array(values) for name, values in data.items()}
        if isinstance(data, (list, tuple)) and any(isinstance(row, np.ndarray) and row.ndim > 1 for row in data):
            return np.stack(data)
        if isinstance(data, np.ma.MaskedArray):
            return np.asarray(np.ma.filled(data.astype(np.float64), np.nan))
        if data is not None:
            return data if isinstance(data, np.ndarray) and data.ndim > 1 else pd.DataFrame(data)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError) as error:
        why = f": {error}"
    else:
        why = ""
    wanted = "a file's path, a DataFrame, an array, or what pandas makes a DataFrame of"
    raise UsageError(f"data: expected {wanted}, got {shown(data)}{why}")


def _array(values: Any) -> Array:
    """Texts, which a column of pandas holds as objects, as NumPy has them."""
    found = np.asarray(values)
    return np.array(found.tolist()) if found.dtype == object else found
