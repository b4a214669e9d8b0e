"""Parquet files: typed columns, so that nothing has to be guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table
from nnrun.errors import DataError
from nnrun.installation import lacking

_PANDAS_INDEX = "__index_level_0__"


def read_parquet(path: Path, reading: Reading, rows: int | None = None) -> Iterator[Table]:
    """Tables of at most so many rows; raises DataError for nested columns and for what is no Parquet file."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: {lacking('Parquet files need', 'parquet')}") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield from _tables(path, file, rows)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise DataError(f"{path}: not a usable Parquet file ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["it is damaged"])[0].rstrip(".")


def _tables(path: Path, file: Any, rows: int | None) -> Iterator[Table]:
    schema = file.schema_arrow
    for field in schema:
        _check_type(path, field)
    if not file.metadata.num_rows or not len(schema):
        raise DataError(f"{path}: no rows; at least one row and one column are needed")
    header = name_columns(["" if name == _PANDAS_INDEX else name for name in schema.names], path.name)
    start = 0
    for batch in _batches(file, rows):
        table = _table(path, header, batch, start)
        start += len(table)
        yield table


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


def _table(path: Path, header: Header, batch: Any, start: int) -> Table:
    import pandas as pd

    plain = batch.rename_columns(header.names).cast(_plain_schema(batch.schema, header.names))
    frame = plain.to_pandas(ignore_metadata=True, date_as_object=False)
    frame.index = pd.RangeIndex(start, start + len(frame))
    table = Table(frame, str(path), first_row=start, notices=header.notices, repeated=header.repeated)
    return table.without_unnamed(header.unnamed)


def _plain_schema(schema: Any, names: list[str]) -> Any:
    """The types with dictionaries unfolded and decimals as float64."""
    import pyarrow as pa

    def plain(type: Any) -> Any:
        if pa.types.is_dictionary(type):
            return plain(type.value_type)
        return pa.float64() if pa.types.is_decimal(type) else type

    return pa.schema([pa.field(name, plain(field.type)) for name, field in zip(names, schema, strict=True)])


def _check_type(path: Path, field: Any) -> None:
    from pyarrow import types

    type = field.type.value_type if types.is_dictionary(field.type) else field.type
    if types.is_nested(type):
        raise DataError(
            f"{path}: column {field.name!r} is nested ({type}); unfold it into columns of its own, or leave it out"
        )
    plain = (
        types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string,
        types.is_string_view, types.is_date, types.is_timestamp, types.is_null,
    )  # fmt: skip
    if not any(test(type) for test in plain):
        raise DataError(f"{path}: column {field.name!r} is of type {type}; write it as numbers, text or dates")
