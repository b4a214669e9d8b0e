"""A fixed sample of rows, where all of them would take too long."""

from __future__ import annotations

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream


def sample(examples: Examples, most: int) -> Examples:
    """A fixed random sample of at most so many rows, in their order."""
    return examples if len(examples) <= most else examples.take(sampled(len(examples), most))


def sampled(rows: int, most: int) -> Array:
    """The numbers `(k,)` of the rows in a sample of at most so many."""
    return np.sort(stream(0, "sample").choice(rows, min(rows, most), replace=False, shuffle=False))
