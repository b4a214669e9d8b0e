"""Years of two digits: 69 to 99 are of the last century and 00 to 68 of this one, as POSIX has it for strptime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CENTURY = np.datetime64("2000-01-01")


class ShortYears:
    """The first and the last date of a column whose years have two digits, taken in piece by piece."""

    def __init__(self) -> None:
        self._ends: npt.NDArray[np.datetime64] = np.array([], "M8[D]")

    def see(self, dates: npt.NDArray[np.datetime64]) -> None:
        """Take in some, all of them dates."""
        days = np.concatenate([self._ends, dates.astype("M8[D]")])
        self._ends = np.array([days.min(), days.max()])

    def notice(self, column: str) -> str:
        """What is told where some are to come beside others of the last century; else nothing."""
        if not len(self._ends) or not self._ends[0] < _CENTURY or not self._ends[1] > np.datetime64("now"):
            return ""
        first, last = self._ends
        return (
            f"column {column!r} has years of two digits, read as 1969 to 2068: it reaches from {first} to {last}, "
            "which is to come; if it is past, write years with four digits"
        )
