"""Rows that come in groups, such as all visits of one patient."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import numpy.typing as npt

from nnrun.data.files.spelling import DIFFER, spelled_apart
from nnrun.data.files.values import Array, Indices
from nnrun.text import listed


def numbered(groups: Array) -> Indices:
    """The group of each row `(rows,)` as a number from 0 on, none of which is left out, in the order of the groups."""
    return np.unique(groups, return_inverse=True)[1]


def ranked(values: Array) -> npt.NDArray[np.int32]:
    """The place of each row `(rows,)` in the order of the values; equal ones stay in their order."""
    places = np.empty(len(values), np.int32)
    places[np.argsort(values, kind="stable")] = np.arange(len(values))
    return places


def joined_rows(pieces: Iterable[Array | None]) -> Array | None:
    """What the rows of several pieces have, such as groups, as one array `(rows,)`; None where no piece has it."""
    known = [piece for piece in pieces if piece is not None]
    return np.concatenate(known) if known else None


def may_be_one(column: str, groups: Iterable[Hashable]) -> list[str]:
    """The notice on groups told apart by blanks, case or code points alone: one may stand in several parts."""
    if not (alike := spelled_apart(groups)):
        return []
    told = f"groups of column {column!r} {DIFFER}: {listed(alike)}"
    return [f"{told}; if they are one, write them in one way, or it stands in several parts"]
