"""Functions of known shape on the unit cube, for search_quality.py; what their rows are was fixed before any tuning.

A function takes offsets from its best point `(…, d)`, in parts of each parameter's range, and gives values `(…)`, 0 at
best. Every seed moves the best point, anywhere but the outermost tenth of each range, and permutes and mirrors the
axes, so that nothing is gained by looking in the middle or along one axis. Branin's window is fixed by its definition,
so it is only permuted and mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PROBLEM = 1  # keeps these streams apart from those of a strategy of the same seed
BRANIN_BEST = np.array([np.pi, 2.275])  # the one of its three best points that lies farthest from the ends
BRANIN_LOW = np.array([-5.0, 0.0])


def sphere(offset: Array) -> Any:
    """Equally steep in all directions."""
    return (offset**2).sum(-1)


def ellipsoid(offset: Array) -> Any:
    """100 times as steep along the last axis as along the first."""
    return (np.logspace(0, 2, offset.shape[-1]) * offset**2).sum(-1)


def rosenbrock(offset: Array) -> Any:
    """A narrow, curved valley; ranges 4 wide."""
    z = 1 + 4 * offset
    return (100 * (z[..., 1:] - z[..., :-1] ** 2) ** 2 + (1 - z[..., :-1]) ** 2).sum(-1)


def branin(offset: Array) -> Any:
    """Three best points; ranges 15 wide."""
    a, b = np.moveaxis(BRANIN_BEST + 15 * offset, -1, 0)
    valley = (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2
    return valley + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10 - 0.397887


def rastrigin(offset: Array) -> Any:
    """A bowl with about ten deep ripples along each axis; ranges 10.24 wide."""
    z = 10.24 * offset
    return (z**2 - 10 * np.cos(2 * np.pi * z) + 10).sum(-1)


def ackley(offset: Array) -> Any:
    """A funnel in a rippled plain; ranges 65.536 wide."""
    z = 65.536 * offset
    funnel = 20 * np.exp(-0.2 * np.sqrt((z**2).mean(-1)))
    return 20 + np.e - funnel - np.exp(np.cos(2 * np.pi * z).mean(-1))


def rippled_bowl(offset: Array) -> Any:
    """A bowl with six shallow ripples along each axis."""
    return (offset**2 + 0.05 * (1 - np.cos(12 * np.pi * offset))).sum(-1)


def two_matter(offset: Array) -> Any:
    """All but two of the parameters change nothing."""
    return sphere(offset[..., :2])


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    function: Callable[[Array], Any]
    dimensions: int
    noise: float  # standard deviation, in interquartile ranges of the function over the space

    @property
    def name(self) -> str:
        """As printed."""
        return self.function.__name__.replace("_", " ")


SHAPES: list[tuple[Callable[[Array], Any], tuple[int, ...]]] = [
    (sphere, (2, 4, 8)),
    (ellipsoid, (2, 4, 8)),
    (rosenbrock, (2, 4, 8)),
    (branin, (2,)),
    (rastrigin, (2, 4, 8)),
    (ackley, (2, 4, 8)),
    (rippled_bowl, (2, 4, 8)),
    (two_matter, (8,)),
]
ROWS = [Row(function, d, noise) for function, dimensions in SHAPES for d in dimensions for noise in (0.0, 0.1)]


@dataclass(frozen=True)
class Problem:
    """A row's function as a seed places it."""

    row: Row
    seed: int

    @cached_property
    def _placed(self) -> tuple[NDArray[np.int64], Array, Array]:
        """The order of the axes, their directions, and the best point along them."""
        rng = np.random.default_rng([self.seed, self.row.dimensions, PROBLEM])
        best = rng.uniform(0.1, 0.9, self.row.dimensions)
        order, direction = rng.permutation(self.row.dimensions), rng.choice([-1.0, 1.0], self.row.dimensions)
        return order, direction, (BRANIN_BEST - BRANIN_LOW) / 15 if self.row.function is branin else best

    def __call__(self, points: Array) -> Array:
        """True values `(…)` at points of the unit cube `(…, d)`."""
        order, direction, best = self._placed
        turned = 0.5 + direction * (points[..., order] - 0.5)
        return np.asarray(self.row.function(turned - best))

    @cached_property
    def noise(self) -> float:
        """The standard deviation of what a trial reports."""
        if not self.row.noise:
            return 0.0
        points = np.random.default_rng([self.seed, PROBLEM]).random((2000, self.row.dimensions))
        low, high = np.quantile(self(points), [0.25, 0.75])
        return float(self.row.noise * (high - low))
