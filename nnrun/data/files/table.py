"""A table in memory that still knows where each of its cells stands in its file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.files.content import Content
from nnrun.data.files.content import joined as joined_content
from nnrun.data.files.numerals import NO_NUMBER, odd_among
from nnrun.data.files.spelling import composed_otherwise, in_code_points
from nnrun.data.files.values import Array, Floats, Indices, Values, kind_of, missing_of
from nnrun.errors import DataError
from nnrun.text import MANY, closest, listed, shown

if TYPE_CHECKING:
    import pandas as pd


# A text column with at least this share of numbers is a column of numbers with slips in it, not a set of categories.
MOSTLY_NUMBERS = 0.9
FEW_VALUES = 20
CORRECT = "correct it, or leave the field empty if the value is unknown"


@dataclass(frozen=True)
class Table:
    """Rows of one source.

    `lines` are those that the rows start on, from row `first_row` of the source on. `repeated` are names that several
    columns had, `names_doubted` says that they look like a row, `image` is the shape (height, width, channels) of what
    the features of a row together are. `units` are those that the numbers of columns were read without, `known_units`
    those of the run that new rows are for, None if that is not known. Of `notices`, how it was read, `doubts` are no
    part: what new rows hold otherwise than training. `dated` are columns of text some cells of which were dates.
    `unreadable` columns stand here without all of their values, each with what it is. `beside` tells, in brackets, of
    sheets of a workbook that are not read.
    """

    content: Content
    name: str
    sha256: str = ""
    lines: Sequence[int] | None = None
    fields: Mapping[str, int] = field(default_factory=dict)
    header_line: int = 1
    first_row: int = 0
    notices: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    known_units: Mapping[str, str] | None = None
    dated: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()
    decimal: str = "."
    image: tuple[int, int, int] | None = None
    names_doubted: bool = False
    unreadable: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""

    def __len__(self) -> int:
        return len(self.content)

    def __contains__(self, column: object) -> bool:
        """Whether there is such a column; looked up, where `columns` would be made and walked through for each name."""
        return column in self.content

    @property
    def frame(self) -> pd.DataFrame:
        """All cells as pandas has them; the index is the row number in the source."""
        return self.content.frame

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the source."""
        return self.content.names

    def column(self, name: str) -> Values:
        """The values `(m,)` of a column, those that are NumPy's own numbers or truths without pandas."""
        return self.content.column(name)

    def row(self, position: int) -> int:
        """Row number in the source, from 0, of the row at a position here."""
        return self.content.row(position)

    def take(self, rows: Indices) -> Table:
        """The rows at these positions `(m,)`."""
        return replace(self, content=self.content.take(rows))

    def slice(self, start: int, stop: int) -> Table:
        """The rows from one position up to another, not copied."""
        return replace(self, content=self.content.take(slice(start, stop)))

    def only(self, columns: Sequence[str]) -> Table:
        """The rows with these columns alone, in this order."""
        return replace(self, content=self.content.only(columns))

    def without_unnamed(self, columns: Collection[str]) -> Table:
        """Without these columns; raises DataError if one that is not the first of the source holds a value."""
        if not columns:
            return self
        for name in self.columns[1:]:
            present = ~missing_of(self.column(name))
            if name in columns and present.any():
                place = self.at_cell(self.first(present), name)
                raise DataError(f"{place}: a value in a column without a name; name the column, or remove it")
        return self.only([name for name in self.columns if name not in columns])

    def at_header(self) -> str:
        """Where the column names stand: `FILE:LINE`, or the source alone if no line has them."""
        return f"{self.name}:{self.header_line}" if self.fields else self.name

    def at_column(self, column: str) -> str:
        """Where the column's name stands: `FILE:LINE:FIELD`, or the source alone."""
        return f"{self.at_header()}:{self.fields[column]}" if self.fields else self.name

    def at_cell(self, row: int, column: str) -> str:
        """Where a cell stands, by row number in the source: `FILE:LINE:FIELD`, or `SOURCE: row N` counted from 1.

        `FILE:LINE` where a line has names of its own.
        """
        found = self.at_row(row)
        return f"{found}:{self.fields[column]}" if self.fields and self.lines is not None else found

    def at_row(self, row: int) -> str:
        """Where a row stands, by its number in the source: `FILE:LINE`, or `SOURCE: row N` counted from 1."""
        if self.lines is None:
            return f"{self.name}: row {row + 1}"
        return f"{self.name}:{self.lines[row - self.first_row]}"

    def first(self, mask: npt.NDArray[np.bool_]) -> int:
        """Row number in the source of the first true entry of a mask `(m,)` over the rows."""
        return self.row(int(np.argmax(mask)))


def joined(tables: Sequence[Table]) -> Table:
    """Pieces of one source put together; they no longer know their lines."""
    if len(tables) == 1:
        return tables[0]
    return replace(tables[0], content=joined_content([table.content for table in tables]), lines=None, fields={})


def suggest(name: str, options: Iterable[str]) -> str:
    """`; did you mean 'x'?` if one option is close to the name, else nothing."""
    known = {option.lower(): option for option in options}
    if twins := composed_otherwise(known.values(), [name]):
        return f"; did you mean {in_code_points(twins[0])}, which has other code points?"
    close = closest(name.lower(), known)
    return f"; did you mean {known[close]!r}?" if close else ""


def require_column(table: Table, name: str, key: str | None = None) -> None:
    """Raise DataError unless the column is there and could be read; `key` is the setting of data that asked for it."""
    at = ("data", key) if key else ()
    if (what := table.unreadable.get(name)) and key not in ("drop", "kinds"):  # of a kind may be that it is dropped
        role, advice = (f"{key} ", "") if key else ("", ", or name it in data.drop")
        raise DataError(f"{table.name}: {role}column {name!r} is {what}{advice}", at)
    if name not in table:
        hint = _one_of_many(name, table) or suggest(name, table.columns) or _there(table.columns, key)
        raise DataError(f"{table.at_header()}: no column {name!r}{hint}{_header_hint(table)}", at)


def _one_of_many(name: str, table: Table) -> str:
    """Where the only column has this name and others in its own, with what is not known to stand between fields."""
    only, *others = table.columns or [""]
    if others or name == only or not re.search(rf"(?:^|[^\w ]){re.escape(name)}(?:[^\w ]|$)", only):
        return ""
    return f"; the only column is {only!r}; if it is several, write commas, semicolons, tabs or bars between fields"


def _there(columns: Sequence[str], key: str | None) -> str:
    """What there is instead; a target mostly stands last."""
    if key == "target" and len(columns) > MANY:
        return f"; the last columns are {', '.join(columns[-MANY:])}"
    return f"; the columns are {listed(columns, MANY)}"


def require_single(table: Table, name: str, key: str) -> None:
    """Raise DataError unless there is one column of that name, and only one."""
    require_column(table, name, key)
    if name in table.repeated:
        raise DataError(
            f"{table.at_column(name)}: several columns are called {name!r}, but data.{key} must name one; rename them",
            ("data", key),
        )


def _header_hint(table: Table) -> str:
    if table.beside or not table.fields:
        return table.beside
    if table.names_doubted:
        return " (the first line looks like a row: if it is one, set data.format.header to false)"
    if all(reads_as_number(name) for name in table.columns):
        return (
            " (the first line holds numbers only: is the line with the column names missing? Then set "
            "data.format.header to false)"
        )
    return ""


def reads_as_number(text: str) -> bool:
    """Whether Python takes the text for a number, nan and infinity among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def stated_numbers(texts: Iterable[str], dtype: np.dtype[Any]) -> Array:
    """The texts that are numbers, `(k,)`, as a column of this type of NumPy's numbers holds them."""
    stated = [text for text in texts if reads_as_number(text)]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.array([float(text) for text in stated], dtype)
    limits = np.iinfo(dtype)
    exact = [int(text) if text.lstrip("+-").isdecimal() else float(text) for text in stated]  # a code may be long
    return np.array([int(value) for value in exact if limits.min <= value <= limits.max and value == int(value)], dtype)


def numbers(table: Table, column: str) -> Floats:
    """A column as float64 `(m,)`, missing = NaN; raise DataError at the first cell that is no finite number."""
    found = table.column(column)
    if kind_of(found) not in ("number", "boolean"):
        check_numeric(table, column, CORRECT)
    values = _parsed(table, found)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"{table.at_cell(table.first(infinite), column)}: the value in column {column!r} is infinite; {CORRECT}"
        )
    return values


def check_numeric(table: Table, column: str, advice: str) -> None:
    """Raise DataError, ending with the advice, at the first text cell that keeps the column from being numbers."""
    wrong, what = odd_of(table, column)
    refuse_first(table, column, wrong, f"{what}; {advice}")


def refuse_first(table: Table, column: str, wrong: npt.NDArray[np.bool_], what: str) -> None:
    """Raise DataError, with its place and what it is, at the first cell of the column that the mask `(m,)` marks."""
    if wrong.any():
        row = table.first(wrong)
        cell = table.frame[column][row]
        value = shown(cell.item() if isinstance(cell, np.generic) else cell)
        raise DataError(f"{table.at_cell(row, column)}: {value} in column {column!r} {what}")


def check_fits(table: Table, values: npt.NDArray[Any], columns: Sequence[str]) -> None:
    """Raise DataError at the first of the values `(m, n)` that overflowed; `columns` names the source of each."""
    finite = np.isfinite(values)
    if finite.all():
        return
    row, position = np.argwhere(~finite)[0]
    name = columns[position]
    raise DataError(
        f"{table.at_cell(table.row(int(row)), name)}: the value in column {name!r} is too large for "
        f"{values.dtype}; correct it, or scale the column down"
    )


def slips_of(table: Table, column: str) -> npt.NDArray[np.bool_]:
    """Which values `(m,)` of a column are there but are no numbers."""
    values = table.column(column)
    return np.isnan(_parsed(table, values)) & ~missing_of(values)


def odd_of(table: Table, column: str) -> tuple[npt.NDArray[np.bool_], str]:
    """Which values `(m,)` keep a column from being one of numbers, and what the first of them is.

    Of numbers that all have a unit none is a slip but the one that has another.
    """
    slips, known = slips_of(table, column), table.known_units
    odd = None
    if slips.any():
        texts = table.frame[column].astype(str)
        places, different = texts[~missing_of(table.column(column))].factorize()
        rows = dict(zip(different, np.bincount(places).tolist(), strict=True))
        odd = odd_among(rows, table.decimal, None if known is None else known.get(column, ""))
    return (slips, NO_NUMBER) if odd is None else ((texts == odd[0]).to_numpy(dtype=bool), odd[1])


def _parsed(table: Table, values: Values) -> Floats:
    """The values `(m,)` of a column as float64, NaN where one is missing or no number."""
    if kind_of(values) in ("number", "boolean"):
        return np.asarray(values, dtype=np.float64)
    import pandas as pd

    text = pd.Series(values).astype(str).str.replace(table.decimal, ".", regex=False)
    return np.asarray(pd.to_numeric(text, errors="coerce"), dtype=np.float64)
