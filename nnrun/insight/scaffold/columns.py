"""What each column of a table holds, and which columns are better left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import LEAST_ROWS, is_identifier
from nnrun.data.facts.tallies import varies
from nnrun.data.files.table import Table
from nnrun.data.files.values import are_whole, kind_of
from nnrun.text import counted

if TYPE_CHECKING:
    import pandas as pd


Role = Literal["feature", "target", "left out", "splits"]
Verdict = tuple[str, str]  # what a column is, and why it is left out

WORDS_OF_TEXT = 3  # values with more words than this on average are sentences, not names
TEXT_DIFFERS = 0.5  # share of different values from which on sentences are free text
FEWEST_GROUPS, ROWS_A_GROUP = 5, 2

# Names that columns to predict often have.
USUAL_TARGETS = frozenset(
    {"target", "label", "labels", "class", "y", "outcome", "result", "response", "price", "saleprice", "quality",
     "rating", "score", "churn", "churned", "left", "diagnosis", "survived", "default", "income", "species"}
)  # fmt: skip

_CODE = re.compile(r"[A-Za-z]{0,4}[-_]?\d+")
_OWNER = re.compile(
    r"(^|[_\W])(id|uid|uuid|no|nr|group|customer|client|patient|user|driver|subject|person|session|device|household)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class JudgedColumn:
    """A column as `nnrun init` sees it; `why` says why it is left out."""

    name: str
    kind: str
    missing: int
    distinct: int
    role: Role
    why: str = ""


def whole(table: Table, found: ColumnFacts, target: str) -> JudgedColumn:
    """A column that is not left out, whatever it holds."""
    role: Role = "target" if found.name == target else "feature"
    distinct = int(table.frame[found.name].nunique())
    return JudgedColumn(found.name, found.meaning.kind, found.missing, distinct, role)


def judged(table: Table, found: ColumnFacts, target: str) -> JudgedColumn:
    """A column and whether it is better left out."""
    column, series = whole(table, found, target), table.frame[found.name]
    if what := table.unreadable.get(found.name):
        return replace(column, kind="unreadable", role="left out", why=what.partition(";")[0])
    verdict = next(filter(None, (rule(series, found) for rule in LEFT_OUT)), None)
    if column.role == "target" or verdict is None:
        return column
    return replace(column, kind=verdict[0], role="left out", why=verdict[1])


def _empty(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """No value at all."""
    return None if found.present else ("empty", "no value at all")


def _constant(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """One value in every row, but for rounding."""
    if found.meaning.kind == "number" and series.dtype.kind == "f" and not series.hasnans:
        same = not varies(series.to_numpy(dtype=np.float64))
    else:
        same = series.nunique(dropna=False) == 1
    return ("constant", "the same in every row") if same else None


def _text(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """Free text: sentences of more than three words on average, most of them different."""
    values = series.dropna()
    if found.meaning.kind != "category" or values.nunique() < TEXT_DIFFERS * len(values):
        return None
    words = float(np.mean([len(str(value).split()) for value in values]))
    return ("text", f"free text, {words:.0f} words on average") if words > WORDS_OF_TEXT else None


def _identifier(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """An identifier: text hardly ever repeated; whole numbers that all differ and rise, lie close or are called id."""
    if found.meaning.kind not in ("category", "number") or not is_identifier(series):
        return None
    return "identifier", f"an identifier: {series.nunique():,} values in {found.present:,} rows"


def _too_many(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """Categories so rare that none could be told from chance."""
    reason = found.reason_to_leave_out()
    return (found.meaning.kind, reason) if reason else None


def _nearly_empty(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """A value in fewer than 5 rows; of more, that one is missing may tell."""
    few = found.present < LEAST_ROWS
    return (found.meaning.kind, f"a value in {counted(found.present, 'row')} only") if few else None


LEFT_OUT: tuple[Callable[[pd.Series[Any], ColumnFacts], Verdict | None], ...] = (
    _empty,
    _constant,
    _text,
    _identifier,
    _too_many,
    _nearly_empty,
)


_NAME_OF_CODES = re.compile(
    r"(^|[_\W])(zip|zipcode|postcode|postal|plz|code|type|store|shop|branch|region|district|county|department|dept|"
    r"category|cat|brand)([_\W]|$)",
    re.IGNORECASE,
)
FEWEST_CODES = 3


def may_be_codes(series: pd.Series[Any], column: JudgedColumn) -> bool:
    """Whether whole numbers stand for things by their column's name, and come again; or begin with 0."""
    if column.role != "feature" or column.distinct < FEWEST_CODES:
        return False
    if column.kind == "category":
        return bool(series.dropna().astype(str).str.fullmatch("[0-9]+").all())
    if column.kind != "number" or not _NAME_OF_CODES.search(column.name):
        return False
    values = np.asarray(series.dropna(), float)
    return are_whole(values) and len(values) >= LEAST_ROWS * column.distinct


MANY_THINGS = 20  # values of a category from which on each is one of many things that come again


def stands_in_many_rows(series: pd.Series[Any], kind: str) -> bool:
    """Whether a category has many values with several rows each, such as countries in each of some years."""
    groups = int(series.nunique()) if kind == "category" else 0
    return groups >= MANY_THINGS and int(series.count()) >= ROWS_A_GROUP * groups


def may_group(series: pd.Series[Any], kind: str) -> bool:
    """Whether the column looks like the number or code of somebody who comes again: a customer, a patient, a device."""
    values = series.dropna()
    if kind not in ("category", "number") or not len(values):
        return False
    groups = int(values.nunique())
    named = _OWNER.search(str(series.name)) is not None
    coded = kind_of(series) == "category" and bool(values.astype(str).str.fullmatch(_CODE).all())
    return (named or coded) and groups >= FEWEST_GROUPS and len(values) >= ROWS_A_GROUP * groups


def likely_targets(table: Table) -> list[str]:
    """Columns that are often what is to be predicted: by their name, else the last one."""
    return [name for name in table.columns if name.strip().lower().strip("?!") in USUAL_TARGETS] or table.columns[-1:]
