"""What is taken from a date."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.kinds import dates
from nnrun.data.files.table import Table
from nnrun.data.files.values import Floats

# A part of a date from what it counts since 1 January 1970, a Thursday; Monday is weekday 0.
DATE_PARTS: dict[str, tuple[str, Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]]] = {
    "year": ("Y", lambda years: years + 1970),
    "month": ("M", lambda months: months % 12 + 1),
    "weekday": ("D", lambda days: (days + 3) % 7),
    "hour": ("h", lambda hours: hours % 24),
    "minute": ("m", lambda minutes: minutes % 60),
}
INSTANT = "instant"  # beside these, as what is known of a column, not a feature


def date_parts(table: Table, column: str, format: str) -> dict[str, Floats]:
    """Each part `(m,)` of the dates, and the instant in seconds since 1970, missing = NaN.

    Raises DataError at the first value that is no date of the format.
    """
    found = dates(table, column, format)
    missing = np.isnat(found)
    counts = {
        part: part_of(found.astype(f"M8[{unit}]").astype(np.int64)) for part, (unit, part_of) in DATE_PARTS.items()
    }
    counts[INSTANT] = found.astype("M8[s]").astype(np.int64)
    return {part: np.where(missing, np.nan, values) for part, values in counts.items()}
