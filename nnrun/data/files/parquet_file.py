"""Parquet files: typed columns, so that nothing has to be guessed."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nnrun.data.files.bombs import check_unpacked
from nnrun.data.files.cells import codes_notice
from nnrun.data.files.content import Framed
from nnrun.data.files.frame import read_frame
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table, stated_numbers
from nnrun.data.files.values import EXACT, kind_of, labels
from nnrun.errors import DataError, library_words
from nnrun.installation import lacking
from nnrun.machine.capacity import lacking_memory

_SAMPLE = 16  # rows by which the size of one is judged
_LONG = 1 << 13  # bytes of a cell; the same one again takes next to no place in the file
_BYTES_A_ROW = 30  # that stay in memory while rows are split
_MIDNIGHT = r" 00:00:00(\.0+)?Z?$"  # behind a date that is stored with a time
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # where pandas puts row numbers, of a filtered frame for one


def read_parquet(path: Path, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows; raises DataError for what is no Parquet file.

    Columns of other types than numbers, text and dates have no values, and the table says what they are.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: {lacking('Parquet files need', 'parquet')}") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield from _tables(path, file, reading, rows)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise DataError(f"{path}: not a usable Parquet file ({library_words(error)})") from None


def stated_categories(path: Path) -> list[str]:
    """The columns that were categories in the table which was written, such as Arrow's dictionaries.

    Parquet has such a type for text alone; of numbers only the notes tell that Arrow and pandas leave in the file.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names, notes = file.schema_arrow.names, file.metadata.metadata or {}
    stated = set()
    with suppress(KeyError, ValueError, pa.ArrowException):
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(notes[b"ARROW:schema"])))
        stated |= {field.name for field in schema if pa.types.is_dictionary(field.type)}
    with suppress(LookupError, ValueError, TypeError):  # whatever else stands in their place
        columns = json.loads(notes[b"pandas"])["columns"]
        stated |= {column["field_name"] for column in columns if column["pandas_type"] == "categorical"}
    return [name for name, count in Counter(names).items() if count == 1 and name in stated]


def _tables(path: Path, file: Any, reading: Reading, rows: int | None) -> Iterator[Table]:
    schema = file.schema_arrow
    kept = [place for place, name in enumerate(schema.names) if not _PANDAS_INDEX.fullmatch(name)]
    if not file.metadata.num_rows or not kept:
        raise DataError(f"{path}: no rows; at least one row and one column are needed")
    _check_size(path, file)
    header = name_columns([schema.names[place] for place in kept], path.name)
    start = 0
    for batch in _batches(file, rows):
        table = _table(path, header, batch.select(kept), reading, start)
        start += len(table)
        yield table


def _check_size(path: Path, file: Any) -> None:
    """Raise DataError for what unpacks to too much for its size, and for more rows than memory has room for."""
    found = file.metadata
    unpacked = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    check_unpacked(path, path.stat().st_size, unpacked, "if it is sound, write it anew without compression")
    for batch in islice(file.iter_batches(batch_size=_SAMPLE), 1):
        widths = [column.nbytes / max(1, len(batch)) for column in batch.columns]
        long = sum(width for width in widths if width > _LONG)
        check_unpacked(
            path, path.stat().st_size, round(long * found.num_rows), "its texts are too long, leave them out"
        )
    if told := lacking_memory(_BYTES_A_ROW * found.num_rows):
        raise DataError(f"{path}: its {found.num_rows:,} rows take {told}; write fewer rows")


def _batches(file: Any, rows: int | None) -> Iterator[Any]:
    """pyarrow's tables of just so many rows, the last one shorter; its own batches end where row groups do."""
    import pyarrow as pa

    if rows is None:
        yield file.read()
        return
    waiting: list[Any] = []
    for batch in file.iter_batches(batch_size=rows):
        waiting.append(batch)
        table = pa.Table.from_batches(waiting)
        while len(table) >= rows:
            yield table.slice(0, rows)
            table = table.slice(rows)
        waiting = table.to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


def _table(path: Path, header: Header, batch: Any, reading: Reading, start: int) -> Table:
    import pandas as pd
    import pyarrow as pa

    plain = batch.rename_columns(header.names)
    unreadable = {field.name: what for field in plain.schema if (what := _unreadable(field.type))}
    for name in unreadable:
        place = plain.schema.get_field_index(name)
        plain = plain.set_column(place, name, pa.nulls(len(plain), pa.float64()))
    plain, notices = plain.cast(_plain_schema(plain.schema)), list(header.notices)
    for place, name in enumerate(header.names):
        column, notice = _told_apart(name, _without(plain.column(place), reading.missing), reading)
        plain = plain.set_column(place, name, column)
        notices += [notice] if notice else []
    frame = plain.to_pandas(ignore_metadata=True, date_as_object=False)
    frame.index = pd.RangeIndex(start, start + len(frame))
    table = Table(
        Framed(frame),
        str(path),
        first_row=start,
        notices=tuple(notices),
        repeated=header.repeated,
        unreadable=unreadable,
    )
    return _numbers_in_text(table, reading).without_unnamed(header.unnamed)


def _numbers_in_text(table: Table, reading: Reading) -> Table:
    """Text in columns that are known to hold numbers as a CSV file's: of a type it is, but not of that one."""
    names = [name for name in table.columns if name in reading.numbers - reading.text]
    texts = [name for name in names if kind_of(table.column(name)) == "category"]
    if not texts:
        return table
    read = read_frame(table.frame[texts], table.name, reading, texts)
    columns = {name: read.frame[name].array for name in texts}
    notices = (*table.notices, *read.notices)
    content = Framed(table.frame.assign(**columns))
    return replace(table, content=content, notices=notices, units=read.units, decimal=read.decimal)


def _without(column: Any, missing: Sequence[str]) -> Any:
    """The column without what the configuration calls missing: numbers by value, dates as text files have them."""
    import pyarrow as pa
    from pyarrow import compute

    if not missing or pa.types.is_null(column.type):
        return column
    found = column
    if pa.types.is_decimal(found.type):
        stated = _stated_decimals(missing, found.type)
    elif pa.types.is_integer(found.type) or pa.types.is_floating(found.type):
        stated = pa.array(stated_numbers(missing, np.dtype(found.type.to_pandas_dtype())), found.type)
    else:
        found, stated = column.cast(pa.string()), pa.array(missing)
    if pa.types.is_temporal(column.type):
        found = compute.replace_substring_regex(found, _MIDNIGHT, "")
        stated = pa.array([re.sub(_MIDNIGHT, "", value) for value in missing])
    return compute.if_else(compute.is_in(found, stated), pa.scalar(None, column.type), column)


def _stated_decimals(missing: Sequence[str], type: Any) -> Any:
    """The texts that are numbers, as a column of decimals of this type holds them, exactly."""
    import pyarrow as pa

    stated = []
    for text in missing:
        with suppress(ArithmeticError, pa.ArrowInvalid):  # of what is no number, or none that fits
            stated.append(pa.scalar(Decimal(text), type).as_py())
    return pa.array(stated, type)


def _told_apart(name: str, column: Any, reading: Reading) -> tuple[Any, str]:
    """Whole numbers as text where that is wanted, and codes where float64 makes some equal, with a notice on these.

    Missing values need float64, and so do numbers beyond 64 bits. Decimals are whole numbers where all of them are.
    """
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = _plain_decimals(column)
        if pa.types.is_floating(column.type):
            return (pa.array(labels(column.to_pandas()), pa.string()) if name in reading.text else column), ""
    elif not pa.types.is_integer(column.type):
        return column, ""
    if name in reading.text:
        return column.cast(pa.string()), ""
    if name not in reading.numbers and _loses_digits(column):
        text = column.cast(pa.string())
        if notice := codes_notice(name, text.to_pandas()):
            return text, notice
    return column if pa.types.is_integer(column.type) else column.cast(pa.float64()), ""


def _plain_decimals(column: Any) -> Any:
    """Decimals as whole numbers where all of them are, as databases store codes so, else as float64."""
    import pyarrow as pa

    for type in (pa.int64(), pa.uint64(), pa.decimal256(76, 0)):
        with suppress(pa.ArrowInvalid):
            return column.cast(type)
    return column.cast(pa.float64())


def _loses_digits(column: Any) -> bool:
    """Whether NumPy would have to hold whole numbers as float64, and some are too large for it."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_decimal(column.type):
        return True  # beyond 64 bits
    ends = compute.min_max(column).as_py() if column.null_count else {}
    return max((abs(end) for end in ends.values() if end is not None), default=0) > EXACT


def _plain_schema(schema: Any) -> Any:
    """The types with dictionaries unfolded, halves as float32 and times in UTC.

    Not every machine knows a zone, and halves end where sums and limits begin.
    """
    import pyarrow as pa

    def plain(type: Any) -> Any:
        if pa.types.is_dictionary(type):
            return plain(type.value_type)
        if pa.types.is_timestamp(type) and type.tz:
            return pa.timestamp(type.unit, "UTC")
        if pa.types.is_float16(type):
            return pa.float32()
        return type

    return pa.schema([pa.field(field.name, plain(field.type)) for field in schema])


def _unreadable(type: Any) -> str:
    """What a column of this type is, and what to do, if it is neither numbers nor text nor dates."""
    from pyarrow import types

    type = type.value_type if types.is_dictionary(type) else type
    if types.is_nested(type):
        return f"nested ({type}); unfold it into columns of its own"
    plain = (
        types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string,
        types.is_string_view, types.is_date, types.is_timestamp, types.is_null,
    )  # fmt: skip
    return "" if any(test(type) for test in plain) else f"of type {type}; write it as numbers, text or dates"
