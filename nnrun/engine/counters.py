"""What early stopping counts, as plain numbers; it stands alone so that who reads it loads no NumPy."""

from __future__ import annotations

from typing import TypedDict


class Counters(TypedDict):
    """Of an EarlyStopping of one member."""

    reference: list[list[float | None]]  # the two scores to be bettered, `(1, 2)`; in JSON an infinite one is null
    waited: list[int]  # epochs since then, `(1,)`
