"""A written file is only worth having if it says what the run says of the same raw rows."""

from __future__ import annotations

import numpy as np

from nnrun.data.prepare import read_parts
from nnrun.data.table import Table
from nnrun.engine.parameters import Array
from nnrun.errors import NnrunError
from nnrun.prediction.model import Model
from nnrun.rundir import name_of

TOLERANCE = 1e-5
MOST_ROWS = 10_000


def dev_rows(model: Model) -> Table:
    """Rows of the dev part as they stand in the source; raises DataError where that is gone."""
    dev = read_parts(model.config.data)["dev"]
    return dev.take(np.arange(min(len(dev), MOST_ROWS)))


def difference(model: Model, expected: Array, found: Array) -> float:
    """The largest difference of a probability, or of a value.

    A value's is in deviations of the target or, where that is more, in its own distance from the target's mean.
    """
    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    apart = np.abs(expected.astype(np.float64) - found)
    if model.target.classes is None:
        apart /= np.maximum(model.target.deviation, np.abs(expected - model.target.mean))
    return float(apart.max(initial=0.0))


def check(model: Model, expected: Array, found: Array) -> float:
    """The difference; NnrunError where it is larger than it may be."""
    apart = difference(model, expected, found)
    if not apart <= TOLERANCE:
        raise NnrunError(
            f"the written model differs from {name_of(model.run)} by {apart:.2g} on the same rows, where "
            f"{TOLERANCE:g} is allowed; nothing was kept. Please report it"
        )
    return apart
