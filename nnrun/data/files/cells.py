"""From the cells of a text file to values, and what cells mean that look like something else: codes, classes, units."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrun.data.files.dialect import MOST_CLASSES, Dialect
from nnrun.data.files.table import Table, reads_as_number
from nnrun.data.files.values import EXACT, are_whole, holds_integers, kind_of
from nnrun.errors import DataError
from nnrun.text import counted

if TYPE_CHECKING:
    import pandas as pd


class Told(NamedTuple):
    """What reading some rows told beside their values: notices, and the unit of each column of numbers that has one."""

    notices: list[str]
    units: dict[str, str]


# What usually means a missing value; whole cells, in this spelling.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null", "?", "-",
)  # fmt: skip

Missing = list[str] | dict[str, list[str]]  # the cells that mean a missing value, of all columns or by column


def read_cells(
    name: str, text: bytes, names: Sequence[str], dialect: Dialect, missing: Missing | None = None, **how: Any
) -> pd.DataFrame:
    """Rows without a header as pandas reads them; `how` are further arguments. Raises DataError if it cannot.

    `missing` is what means a missing value, None: what usually does.
    """
    import pandas as pd

    missing = _missing_cells(dialect, names) if missing is None else missing
    try:
        found: Any = pd.read_csv(
            io.BytesIO(text),  # a StringIO would take four bytes a character
            sep=dialect.delimiter,
            decimal=dialect.decimal,
            header=None,
            names=list(names),
            index_col=False,
            skipinitialspace=True,
            skip_blank_lines=False,  # those that are left are rows of a single column
            keep_default_na=False,
            na_values=missing,
            **how,
        )
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name}: pandas cannot read it ({error}); check the file") from None
    frame: pd.DataFrame = found
    if raw := _columns_without_gaps(frame, missing) if missing else []:
        cells = read_cells(name, text, names, dialect, usecols=raw, dtype=str)
        for column in raw:
            frame[column] = _whole_numbers(cells[column])
    return frame


def _columns_without_gaps(frame: pd.DataFrame, missing: Missing) -> list[str]:
    """Columns of text in which no missing cell was seen, though there are some.

    pandas forgets to look for them once a whole number of a column has no room in 64 bits.
    """
    by_column = missing if isinstance(missing, dict) else dict.fromkeys(map(str, frame.columns), missing)
    text = [str(name) for name, dtype in frame.dtypes.items() if dtype.kind == "O"]
    return [name for name in text if not frame[name].hasnans and frame[name].isin(by_column[name]).any()]


def _whole_numbers(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Cells `(m,)` as Python's integers, as pandas gives those beyond 64 bits, if all are; else as they are."""
    whole = cells.dropna().str.fullmatch(_WHOLE).all()
    return cells.astype(object).map(int, na_action="ignore") if whole else cells


def _missing_cells(dialect: Dialect, names: Sequence[str]) -> Missing:
    """What means a missing value, for pandas; by column where the target has classes that would mean one elsewhere."""
    reading = dialect.reading
    everywhere = [*(MISSING if reading.usual_missing else [""]), *reading.missing]
    if not (reading.classes and reading.target in names and reading.classes.intersection(everywhere)):
        return everywhere
    of_target = [cell for cell in everywhere if cell not in reading.classes]
    return {name: of_target if name == reading.target else everywhere for name in names}


AS_FREQUENT, FEWEST = 0.5, 5  # its rows over those of the rarest class, and at least so many


def classes_among_missing(table: Table, names: Sequence[str], dialect: Dialect, text: bytes) -> dict[str, int]:
    """Classes of the target, and the rows of each, that were taken for missing values."""
    reading = dialect.reading
    series = table.frame.get(reading.target)
    if series is None or reading.classes is not None or not reading.usual_missing or not series.hasnans:
        return {}
    if kind_of(series) == "number" and series.notna().any():
        return {}
    cells = read_cells(table.name, text, names, dialect, usecols=[reading.target], dtype=str, missing=[])
    return _among_missing(cells[reading.target].str.strip(), reading.missing)


def told_classes(target: str, kept: dict[str, int]) -> str:
    """The notice on them."""
    classes = ", ".join(f"{cell!r} ({counted(rows, 'row')})" for cell, rows in kept.items())
    are = "is a class" if len(kept) == 1 else "are classes"
    return f"in target column {target!r} {classes} {are}, not a missing value; data.format.missing names what is one"


def _among_missing(target: pd.Series[Any], stated: Sequence[str]) -> dict[str, int]:
    """The cells of a target `(m,)`, as they stand in the file, that would mean a missing value but name a class.

    That is the case where the others are words, and these are half as frequent as the rarest of them at least, or
    where there is only one other. `stated` are those that the configuration lists. Gives the rows of each.
    """
    rows = target.value_counts()
    doubtful = {cell: int(count) for cell, count in rows.items() if cell in MISSING and cell and cell not in stated}
    others = [count for cell, count in rows.items() if cell not in MISSING and cell not in stated]
    words = [cell for cell in rows.index if cell not in MISSING and not reads_as_number(str(cell))]
    if not doubtful or len(words) < len(others) or len(others) > MOST_CLASSES:
        return {}
    least = max(FEWEST, AS_FREQUENT * min(others) if len(others) > 1 else max(doubtful.values()))
    return {str(cell): count for cell, count in doubtful.items() if count >= least}


_BLOCK = 1 << 18  # bytes that are looked at together
_DIGITS = re.compile(r"[0-9]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LONG = re.compile(r"[+-]?[0-9]{16,}")
MOSTLY = 0.5  # of the values that must be long for a column of whole numbers to be one of codes


def keep_codes(frame: pd.DataFrame, name: str, text: bytes, dialect: Dialect) -> dict[str, str]:
    """Turn columns of numbers that are codes back into text, in place; gives a notice on each of them."""
    names, notices = [str(column) for column in frame.columns], {}
    doubtful = _may_be_codes(frame, text, dialect)
    cells = read_cells(name, text, names, dialect, usecols=doubtful, dtype=str) if doubtful else frame
    for column in doubtful:
        if notice := codes_notice(column, cells[column]):
            frame[column], notices[column] = cells[column], notice
    return notices


def codes_notice(column: str, cells: pd.Series[Any]) -> str:
    """Why cells `(m,)` that are whole numbers are read as text; empty where they are amounts."""
    why = _are_codes(cells)
    told = f"column {column!r} holds {why}; it is read as text (data.kinds: {{{column}: number}} makes it numbers)"
    return told if why else ""


def _may_be_codes(frame: pd.DataFrame, text: bytes, dialect: Dialect) -> list[str]:
    """Columns of numbers in which zeros may have stood before a number, or whole numbers too long for float64."""
    known = dialect.reading.text | dialect.reading.numbers
    names = [str(name) for name in frame.columns if name not in known]
    whole = [name for name in names if _is_whole(frame[name])]
    padded = whole if whole and _has_padded(text, dialect.delimiter) else []
    return [name for name in names if name in padded or _is_long(frame[name])]


def _has_padded(text: bytes, delimiter: str) -> bool:
    """Whether any field, or a word in it, begins with 0 and another digit."""
    before = '\n\r" ' + delimiter
    if not delimiter.isascii():
        return re.search(f"(?:^|[{re.escape(before)}])0[0-9]", text.decode()) is not None
    marks = [ord(mark) for mark in before]
    first = text[:1] == b"0" and text[1:2].isdigit()
    blocks = (np.frombuffer(text[at : at + _BLOCK + 2], np.uint8) for at in range(0, len(text), _BLOCK))
    return first or any(_padded(block, marks) for block in blocks)


def _padded(cells: npt.NDArray[np.uint8], marks: Sequence[int]) -> bool:
    found = (cells[1:-1] == ord("0")) & (cells[2:] - ord("0") < 10)  # what is less than "0" becomes large
    if not found.any():
        return False
    begins = np.zeros(len(found), bool)
    for mark in marks:
        begins |= cells[:-2] == mark
    return bool((begins & found).any())


def _is_whole(series: pd.Series[Any]) -> bool:
    if series.dtype.kind in "iu":
        return True
    return series.dtype.kind == "f" and are_whole(series.dropna().to_numpy())


def _is_long(series: pd.Series[Any]) -> bool:
    """Whether pandas gave up on 64 bits, or lost digits because a value is missing."""
    if series.dtype.kind == "f":
        return bool(series.hasnans and np.nanmax(np.abs(series.to_numpy()), initial=0) > EXACT)
    return holds_integers(series)


def _are_codes(cells: pd.Series[Any]) -> str:
    """Why cells `(m,)` that are whole numbers are codes rather than amounts; nothing if they are amounts."""
    present = cells.dropna()
    different = [str(cell).strip() for cell in present.unique()]
    if any(len(cell) > 1 and cell[0] == "0" for cell in different) and all(map(_DIGITS.fullmatch, different)):
        return "numbers that begin with 0"
    long = sum(1 for cell in different if _LONG.fullmatch(cell))
    return "whole numbers of more digits than a number keeps" if long > MOSTLY * len(different) else ""
