"""What each column of a table holds, and which columns are better left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import is_identifier
from nnrun.data.files.table import Table
from nnrun.text import percent

if TYPE_CHECKING:
    import pandas as pd


Role = Literal["feature", "target", "left out"]
Verdict = tuple[str, str]  # what a column is, and why it is left out

MOSTLY_MISSING = 0.9  # share of gaps from which on even the mark "is missing" says little
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
    """The same in every row."""
    return ("constant", "the same in every row") if series.nunique(dropna=False) == 1 else None


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
    reason = found.reason_to_leave_out
    return (found.meaning.kind, reason) if reason else None


def _mostly_missing(series: pd.Series[Any], found: ColumnFacts) -> Verdict | None:
    """Missing in more than 90% of the rows."""
    share = found.missing / len(series)
    return (found.meaning.kind, f"{percent(share)} of the values are missing") if share > MOSTLY_MISSING else None


LEFT_OUT: tuple[Callable[[pd.Series[Any], ColumnFacts], Verdict | None], ...] = (
    _empty,
    _constant,
    _text,
    _identifier,
    _too_many,
    _mostly_missing,
)


def may_group(series: pd.Series[Any], kind: str) -> bool:
    """Whether the column looks like the number or code of somebody who comes again: a customer, a patient, a device."""
    values = series.dropna()
    if kind not in ("category", "number") or not len(values):
        return False
    groups = int(values.nunique())
    named = _OWNER.search(str(series.name)) is not None
    coded = kind == "category" and bool(values.astype(str).str.fullmatch(_CODE).all())
    return (named or coded) and groups >= FEWEST_GROUPS and len(values) >= ROWS_A_GROUP * groups


def likely_targets(table: Table) -> list[str]:
    """Columns that are often what is to be predicted: by their name, else the last one."""
    return [name for name in table.columns if name.strip().lower().strip("?!") in USUAL_TARGETS] or table.columns[-1:]
