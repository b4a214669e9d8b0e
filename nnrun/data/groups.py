"""Rows that come in groups, such as all visits of one patient."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnrun.data.files.values import Array, Indices


def numbered(groups: Array) -> Indices:
    """The group of each row `(rows,)` as a number from 0 on, none of which is left out, in the order of the groups."""
    return np.unique(groups, return_inverse=True)[1]


def joined_rows(pieces: Iterable[Array | None]) -> Array | None:
    """What the rows of several pieces have, such as groups, as one array `(rows,)`; None where no piece has it."""
    known = [piece for piece in pieces if piece is not None]
    return np.concatenate(known) if known else None
