"""Values that stand for many rows, kept in a few bytes a row."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


class Coded:
    """Values as whole numbers from 0, in the order in which they first occur; missing ones are −1."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self._pieces: list[npt.NDArray[np.int32]] = []

    def see(self, series: pd.Series[Any]) -> None:
        """Take in the next rows."""
        codes, values = series.factorize()
        known = [self.index.setdefault(value, len(self.index)) for value in values.tolist()]
        self._pieces.append(np.array([*known, -1], np.int32)[codes])

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """The number of each row, `(rows,)`."""
        self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]


class Distinct:
    """How many different texts there are and how often the most frequent one occurs, by a hash of 64 bits each."""

    def __init__(self) -> None:
        self._known = np.empty(0, np.uint64), np.empty(0, np.int64)  # hashes, ascending, and how often each occurs
        self._new: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]] = []

    def see(self, texts: pd.Series[Any]) -> None:
        """Take in some."""
        import pandas as pd

        hashes = pd.util.hash_array(texts.to_numpy(dtype=object))
        self._new.append(np.unique(hashes, return_counts=True))
        if sum(len(hashes) for hashes, _ in self._new) > len(self._known[0]):  # so that each is sorted a few times only
            self._merge()

    def __len__(self) -> int:
        self._merge()
        return len(self._known[0])

    @property
    def most(self) -> int:
        """Rows of the most frequent text."""
        self._merge()
        return int(self._known[1].max(initial=0))

    def _merge(self) -> None:
        if self._new:
            hashes, counts = (np.concatenate(pieces) for pieces in zip(self._known, *self._new, strict=True))
            known, place = np.unique(hashes, return_inverse=True)
            self._known = known, np.bincount(place, weights=counts).astype(np.int64)
            self._new = []
