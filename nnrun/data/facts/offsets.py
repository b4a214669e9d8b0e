"""Times with an offset from UTC and times without one, which beside them are hours away from what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


_TIME = re.compile(r"[T ]\d\d", re.IGNORECASE)
_OFFSET = re.compile(r"(?:[+-]\d\d(?::?\d\d)?|Z)$", re.IGNORECASE)


def with_offset(texts: Iterable[str]) -> set[bool]:
    """Whether dates of ISO 8601 have one, both where some have."""
    return set(map(_has_offset, texts))


def _has_offset(text: str) -> bool:
    """Whether it ends in one behind a time of day; sought for apart, as together each begin is tried with each end."""
    offset = _OFFSET.search(text)
    return offset is not None and _TIME.search(text, 0, offset.start()) is not None


def offsets_in(series: pd.Series[Any]) -> set[bool]:
    """Whether dates of a column, text or stored, have an offset, both where some have; empty where there is no date."""
    present = series.dropna()
    if not len(present):
        return set()
    if present.dtype.kind == "M":
        return {getattr(present.dtype, "tz", None) is not None}
    return with_offset(map(str, present.unique()))


def mixed(column: str) -> str:
    """The notice on a column in which some have one."""
    return (
        f"column {column!r} holds times with an offset and times without one, which are taken for UTC; if they are "
        "local times, write them all alike"
    )


def unlike(column: str, found: set[bool], known: bool) -> str:
    """The notice on a column some of whose times are not as in training; empty where all are."""
    if not found - {known}:
        return ""
    has, had, taken = ("no", "one", "for") if known else ("an", "none", "in")
    return (
        f"times of column {column!r} have {has} offset, where those of training have {had}; they are taken {taken} UTC"
    )
