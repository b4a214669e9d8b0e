"""What each column of a table holds, and which columns are better left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnrun.data.kinds import Meaning, meaning_of, reason_to_leave_out
from nnrun.data.table import Table
from nnrun.narration import percent
from nnrun.preflight.columns import is_identifier

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
class ColumnFacts:
    """A column as `nnrun init` sees it; `why` says why it is left out."""

    name: str
    kind: str
    missing: int
    distinct: int
    role: Role
    why: str = ""


def whole(table: Table, name: str, target: str) -> ColumnFacts:
    """A column that is not left out, whatever it holds."""
    series = table.frame[name]
    role: Role = "target" if name == target else "feature"
    return ColumnFacts(name, meaning_of(series).kind, int(series.isna().sum()), int(series.nunique()), role)


def judged(table: Table, name: str, target: str) -> ColumnFacts:
    """A column and whether it is better left out."""
    column = whole(table, name, target)
    series = table.frame[name]
    meaning = meaning_of(series)
    found = next(filter(None, (rule(series, meaning) for rule in LEFT_OUT)), None)
    if column.role == "target" or found is None:
        return column
    return replace(column, kind=found[0], role="left out", why=found[1])


def _empty(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """No value at all."""
    return None if series.notna().any() else ("empty", "no value at all")


def _constant(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """The same in every row."""
    return ("constant", "the same in every row") if series.nunique(dropna=False) == 1 else None


def _text(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """Free text: sentences of more than three words on average, most of them different."""
    values = series.dropna()
    if meaning.kind != "category" or values.nunique() < TEXT_DIFFERS * len(values):
        return None
    words = float(np.mean([len(str(value).split()) for value in values]))
    return ("text", f"free text, {words:.0f} words on average") if words > WORDS_OF_TEXT else None


def _identifier(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """An identifier: text hardly ever repeated; whole numbers that all differ and rise, lie close or are called id."""
    if meaning.kind not in ("category", "number") or not is_identifier(series):
        return None
    return "identifier", f"an identifier: {series.nunique():,} values in {series.notna().sum():,} rows"


def _too_many(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """Categories so rare that none could be told from chance."""
    reason = reason_to_leave_out(series, meaning)
    return (meaning.kind, reason) if reason else None


def _mostly_missing(series: pd.Series[Any], meaning: Meaning) -> Verdict | None:
    """Missing in more than 90% of the rows."""
    share = float(series.isna().mean())
    return (meaning.kind, f"{percent(share)} of the values are missing") if share > MOSTLY_MISSING else None


LEFT_OUT: tuple[Callable[[pd.Series[Any], Meaning], Verdict | None], ...] = (
    _empty,
    _constant,
    _text,
    _identifier,
    _too_many,
    _mostly_missing,
)


def may_group(series: pd.Series[Any]) -> bool:
    """Whether the column looks like the number or code of somebody who comes again: a customer, a patient, a device."""
    values, kind = series.dropna(), meaning_of(series).kind
    if kind not in ("category", "number") or not len(values):
        return False
    groups = int(values.nunique())
    named = _OWNER.search(str(series.name)) is not None
    coded = kind == "category" and bool(values.astype(str).str.fullmatch(_CODE).all())
    return (named or coded) and groups >= FEWEST_GROUPS and len(values) >= ROWS_A_GROUP * groups


def likely_targets(table: Table) -> list[str]:
    """Columns that are often what is to be predicted: by their name, else the last one."""
    return [name for name in table.columns if name.strip().lower().strip("?!") in USUAL_TARGETS] or table.columns[-1:]
