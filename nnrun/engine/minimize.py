"""The optimizers of training on any function: a bowl, a saddle, a parabola."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.optimizers import hyperparameters
from nnrun.engine.update import Optimizer

Vector = NDArray[np.float64]


class Minimum(NamedTuple):
    """Where the search ended, the value there, and every point on the way, `(steps + 1, n)`."""

    w: Vector
    value: float
    path: Vector


def minimize(
    f: Callable[[Vector], tuple[float, Vector]],
    start: Sequence[float],
    optimizer: str = "adam",
    steps: int = 1000,
    **values: Any,
) -> Minimum:
    """Follow the gradient of `f(w (n,)) -> (value, gradient (n,))` from `start` for so many steps.

    `optimizer` is a name of the optimizer table, `values` its hyperparameters (learning_rate, beta1, …), as usual
    where not given; but no weight decay, which would move the minimum.
    Raises TypeError for a hyperparameter that does not exist, KeyError for an optimizer that does not.

    >>> minimum = minimize(lambda w: (w[0] ** 2 - 10 * w[0] + 25, 2 * w - 10), [0.0], "sgd", 200, learning_rate=0.1)
    >>> round(float(minimum.w[0]), 6)
    5.0
    """
    w = np.array([start], float)
    g = np.zeros_like(w)
    moves = Optimizer(
        optimizer, hyperparameters(optimizer, **{"weight_decay": 0.0, **values}), w, g, n_weights=w.shape[1]
    )
    moves.plan(np.arange(1, steps + 1), np.ones(steps), np.ones(steps, int))
    path = [w[0].copy()]
    for index in range(steps):
        g[0] = f(w[0].copy())[1]
        moves.step(index)
        path.append(w[0].copy())
    return Minimum(w[0], float(f(w[0].copy())[0]), np.array(path))
