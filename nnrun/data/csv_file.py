"""CSV files: their shape is checked record by record, their values are parsed by pandas."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.data.table import Table
from nnrun.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

    import pandas as pd

_ADVICE = {
    "few": "add the missing fields (an unknown value is an empty field between commas)",
    "many": "put quotes around a value that contains a comma",
}


@dataclass(frozen=True)
class Shape:
    """Column names, their line, and the line on which each row starts; lines are counted from 1."""

    header: list[str]
    header_line: int
    lines: Sequence[int]


def read_csv(path: Path, sha256: str) -> Table:
    """Read a comma-separated UTF-8 file with a header; raise DataError with the line of whatever is malformed."""
    shape = _scan(path)
    frame = _parse(path, shape.header)
    if len(frame) != len(shape.lines):
        raise DataError(
            f"{path}: {len(shape.lines)} rows were counted but {len(frame)} could be read; "
            "check its quotes and empty lines"
        )
    fields = {name: number for number, name in enumerate(shape.header, 1)}
    return Table(frame, str(path), sha256, shape.lines, fields, shape.header_line)


def _scan(path: Path) -> Shape:
    """Walk through all records once; pandas would fill a short record silently."""
    _refuse_binary(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, strict=True, skipinitialspace=True)
            try:
                return _shape(path, reader)
            except csv.Error as error:
                place = f"{path}:{reader.line_num}"
                raise DataError(f"{place}: {error}; check the quotes on this line and before it") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}:{_undecodable_line(path)}: not UTF-8 text; save the file as UTF-8") from None


def _refuse_binary(path: Path) -> None:
    with path.open("rb") as handle:
        if b"\0" in handle.read(1 << 16):
            raise DataError(f"{path}: not a text file; save the table as comma-separated UTF-8 text")


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _shape(path: Path, reader: Reader) -> Shape:
    header, header_line = _header(path, reader)
    lines, start, width = array("q"), reader.line_num + 1, len(header)
    for record in reader:
        if not _is_blank(record):
            if len(record) != width:
                raise DataError(_ragged(path, start, len(record), width))
            lines.append(start)
        start = reader.line_num + 1
    if not lines:
        raise DataError(f"{path}:{header_line}: a header but no rows; add the data below it")
    return Shape(header, header_line, lines)


def _header(path: Path, reader: Reader) -> tuple[list[str], int]:
    start = 1
    for record in reader:
        if not _is_blank(record):
            names = [name.strip() for name in record]
            _check_names(f"{path}:{start}", names)
            return names, start
        start = reader.line_num + 1
    raise DataError(f"{path}: the file is empty; a line of column names and at least one row are needed")


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())


def _ragged(path: Path, line: int, fields: int, width: int) -> str:
    unit = "field" if fields == 1 else "fields"
    advice = _ADVICE["few" if fields < width else "many"]
    return f"{path}:{line}:{min(fields, width) + 1}: {fields} {unit} where the header has {width}; {advice}"


def _check_names(place: str, names: list[str]) -> None:
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"{place}:{number}: column {number} has no name; name it, or leave it out if it only counts the rows "
                "(pandas: to_csv(…, index=False))"
            )
        if name in seen:
            raise DataError(f"{place}:{number}: columns {seen[name]} and {number} are both {name!r}; rename one")
        seen[name] = number


def _parse(path: Path, header: list[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(
            path,
            header=0,
            names=header,
            index_col=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: pandas cannot read it ({error}); check the file") from None
    objects = [name for name, dtype in frame.dtypes.items() if dtype.kind == "O"]
    for name in objects:
        frame[name] = _without_big_integers(frame[name])
    return frame


def _without_big_integers(series: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers beyond 64 bits arrive as Python objects; they become float64."""
    from pandas.api import types

    return series.astype("float64") if types.infer_dtype(series, skipna=True) == "integer" else series
