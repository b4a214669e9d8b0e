"""Initial weights: each entry gives the standard deviation of the normal distribution that W is drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from nnrun.engine.hyperparameters import option


class Initializer(Protocol):
    """Frozen hyperparameters and one function."""

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """Standard deviation of the weights `(n_in, n_out)` of a layer with `n_in` inputs and `n_out` units.

        `activation_gain` is what the activation after the layer asks for: the variance that keeps its
        output's scale, times `n_in`.
        """


@dataclass(frozen=True)
class Auto:
    """He for the ReLU family, Xavier for the others."""

    gain: float = option(1.0, "multiplies the standard deviation", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """√(activation gain / n_in)."""
        return self.gain * math.sqrt(activation_gain / n_in)


@dataclass(frozen=True)
class Zeros:
    """All weights zero: every unit of a layer stays the same for ever."""

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """0."""
        return 0.0


@dataclass(frozen=True)
class Normal:
    """N(0, scale²), whatever the layer's size."""

    scale: float = option(0.01, "standard deviation of the weights", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """The scale itself."""
        return self.scale


@dataclass(frozen=True)
class He:
    """N(0, 2 / n_in) (He et al. 2015)."""

    gain: float = option(1.0, "multiplies the standard deviation", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """√(2 / n_in)."""
        return self.gain * math.sqrt(2 / n_in)


@dataclass(frozen=True)
class Xavier:
    """N(0, 1 / n_in).

    LeCun et al. (1998); Glorot & Bengio (2010) for layers of one width.
    """

    gain: float = option(1.0, "multiplies the standard deviation", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """√(1 / n_in)."""
        return self.gain * math.sqrt(1 / n_in)


@dataclass(frozen=True)
class Glorot:
    """N(0, 2 / (n_in + n_out)) (Glorot & Bengio 2010)."""

    gain: float = option(1.0, "multiplies the standard deviation", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """√(2 / (n_in + n_out))."""
        return self.gain * math.sqrt(2 / (n_in + n_out))


INITIALIZERS: dict[str, type[Initializer]] = {
    "auto": Auto,
    "zeros": Zeros,
    "normal": Normal,
    "he": He,
    "xavier": Xavier,
    "glorot": Glorot,
}
