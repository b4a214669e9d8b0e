"""A table in memory, read as the CSV file of its cells would be, so that new rows mean what those of training did."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from nnrun.data.files.content import Framed
from nnrun.data.files.csv_file import Piece, tables_of
from nnrun.data.files.reading import Header, Reading, name_columns
from nnrun.data.files.table import Table
from nnrun.data.files.typed_rows import Decimals
from nnrun.errors import DataError, UsageError
from nnrun.text import shown_name

if TYPE_CHECKING:
    import pandas as pd

_BOTH = "\r\n"


def read_frame(frame: pd.DataFrame, name: str, reading: Reading, columns: Collection[str]) -> Table:
    """The rows, numbered from 0 whatever their index, read as far as these columns go; others stay as they are.

    Columns are called what they would be in the file, so that of two of one name the second has a number.
    Numbers that are to be numbers mean themselves, unless some of them mean a missing value. Raises DataError for what
    cannot be read.
    """
    called = name_columns(_names(frame.columns), name)
    plain = frame.reset_index(drop=True).set_axis(called.names, axis="columns")
    table = Table(Framed(plain), name, notices=called.notices, repeated=called.repeated)
    types = zip(table.columns, table.frame.dtypes, strict=True)
    texts = [
        column
        for column, dtype in types
        if column in columns and (dtype.kind not in "iufb" or column in reading.text or reading.missing)
    ]
    if not texts or not len(table):
        return table
    dialect = Decimals(reading).dialect(reading)
    cells = StringIO(newline="")
    write_csv(table.frame[texts], cells, header=False, decimal=dialect.decimal)
    header = Header(texts, frozenset(), frozenset(), (), placed=False)
    indented = {column: _indented(table.frame[column]) for column in texts if column in reading.categories}
    try:
        piece = Piece(cells.getvalue().encode(), range(1, len(table) + 1), 0, indented=indented)
    except UnicodeEncodeError as error:
        raise half_a_character(name, error) from None
    read = next(tables_of(Path(name), header, dialect, iter([piece]), ()))
    whole = table.frame.assign(**{column: read.frame[column] for column in texts})
    notices = (*table.notices, *read.notices)
    dated = frozenset(column for column in texts if _has_dates(table.frame[column]))
    return replace(table, content=Framed(whole), notices=notices, units=read.units, decimal=read.decimal, dated=dated)


def half_a_character(name: str, error: UnicodeEncodeError) -> DataError:
    """Why a table is refused that has a text which no encoding can write."""
    half = ascii(error.object[error.start])
    return DataError(f"{name}: {half} in a text is only half of a character; write it anew")


def _indented(cells: pd.Series[Any]) -> dict[int, str]:
    """The texts that have spaces before them, by their place."""
    return {k: cell for k, cell in enumerate(cells.to_numpy(object)) if isinstance(cell, str) and cell.startswith(" ")}


def refuse_index(frame: pd.DataFrame, name: str, variable: str, columns: Collection[str | None]) -> None:
    """Raise DataError for an index that is called as one of the columns is, none of which is."""
    if lost := [one for one in frame.index.names if one is not None and one in columns and one not in frame]:
        what = f"{shown_name(str(lost[0]))} is the index of the DataFrame, which is left out"
        raise DataError(f"{name}: {what}; `{variable}.reset_index()` makes a column of it")


def refuse_foreign(table: Any, name: str) -> None:
    """Raise UsageError for a table of polars or Arrow, whose columns pandas.DataFrame(…) would not know."""
    if hasattr(table, "to_pandas"):
        kind = f"{type(table).__module__.partition('.')[0]}.{type(table).__name__}"
        raise UsageError(f"{name}: expected a DataFrame of pandas, got a {kind}; .to_pandas() makes one of it")


def refuse_cells(frame: pd.DataFrame, name: str) -> None:
    """Raise DataError for a column of which no text says what its cells hold: several values, or complex numbers."""
    import pandas as pd

    for column, cells in frame.items():
        several = cells if cells.dtype.kind in "OS" and not isinstance(cells.dtype, pd.StringDtype) else ()
        if cells.dtype.kind == "c":
            what, cure = "complex numbers", "write .real and .imag, or their absolute values and angles, as two columns"
        elif odd := next((type(cell) for cell in several if _is_several(cell)), None):
            what, cure = f"a {odd.__name__}", "unfold it into columns of its own, or drop it"
        else:
            continue
        raise DataError(f"{name}: column {str(column)!r} holds {what}; {cure}")


def _is_several(cell: object) -> bool:
    return not isinstance(cell, str) and isinstance(cell, Collection)


def _has_dates(series: pd.Series[Any]) -> bool:
    """Whether its values are dates, of pandas or of Python."""
    from pandas.api import types

    return series.dtype.kind == "M" or types.infer_dtype(series, skipna=True) in ("date", "datetime", "datetime64")


def write_csv(frame: pd.DataFrame, file: TextIO, header: bool = True, decimal: str = ".") -> None:
    """The cells without the index, in lines that end in a line feed.

    Those of float16 have all their digits, and durations are numbers of seconds.
    """
    written = frame.copy(deep=False)
    for place, dtype in enumerate(frame.dtypes):
        if dtype == np.float16:  # whose texts are short enough to mean another number
            written.isetitem(place, frame.iloc[:, place].to_numpy(np.float64))
        elif dtype.kind == "m":
            written.isetitem(place, frame.iloc[:, place].dt.total_seconds())
    rows: Any = _Rows(file)  # which pandas only writes to
    written.to_csv(rows, index=False, header=header, lineterminator=_BOTH, decimal=decimal)


@dataclass(frozen=True)
class _Rows:
    """Where rows are written that end in both, so that either is quoted in a cell; they get a line feed alone."""

    file: TextIO

    def write(self, row: str) -> int:
        return self.file.write(row.removesuffix(_BOTH) + "\n")


def numbered_categories(frame: pd.DataFrame) -> list[str]:
    """The columns, as its file calls them, whose type is that of categories which are numbers; cells are not read."""
    names = name_columns(_names(frame.columns), "").names
    return [name for name, dtype in zip(names, frame.dtypes, strict=True) if _values_of(dtype) in "iuf"]


def _values_of(dtype: Any) -> str:
    """Of which kind NumPy calls the values of a type of categories, pandas' or Arrow's; O for any other type."""
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        return str(dtype.categories.dtype.kind)
    if isinstance(dtype, pd.ArrowDtype) and str(dtype).startswith("dictionary<"):
        return pd.ArrowDtype(dtype.pyarrow_dtype.value_type).kind
    return "O"


def _names(columns: pd.Index[Any]) -> list[str]:
    """The names of columns as a CSV file has them, where a missing one is empty."""
    lacking = columns.to_flat_index().isna()
    return ["" if lacks else str(column).strip() for column, lacks in zip(columns, lacking, strict=True)]
