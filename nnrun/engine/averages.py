"""Exponentially weighted averages, for curves that are too noisy to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def weighted_average(values: Sequence[float], beta: float = 0.9, correct: bool = True) -> NDArray[np.float64]:
    """v_t = β·v_{t−1} + (1 − β)·θ_t from v_0 = 0, over about 1/(1 − β) values; divided by 1 − β^t if `correct`.

    >>> weighted_average([40, 49, 45], 0.9, correct=False).round(3).tolist()
    [4.0, 8.5, 12.15]
    """
    averages = np.empty(len(values))
    v = 0.0
    for t, value in enumerate(values, start=1):
        v = beta * v + (1 - beta) * value
        averages[t - 1] = v / (1 - beta**t) if correct else v
    return averages
