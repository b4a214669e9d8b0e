"""Layers: frozen hyperparameters with a forward pass that returns its own backward pass.

Features are the last axis, examples the one before it, and whatever stands in front is members: the same
code serves one network, `(m, n)`, and K networks of one shape, `(K, m, n)`. `W` is `(n_in, n_out)`, so
`z = x @ W + b`; a course that keeps examples in columns writes the transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.parameters import Array, Buffers, Shape, Views
from nnrun.engine.randomness import CHANCES, chances
from nnrun.machine.lazily import cached_property

MOMENTUM = 0.9  # share of batch norm's running averages that stays at each step
EPSILON = 1e-5  # of batch norm

# (dL/dy, views of the gradient to fill) -> dL/dx; may overwrite dL/dy. None where nobody wants dL/dx.
Backward = Callable[[Array, Views], Array | None]


@dataclass
class Mode:
    """How a pass goes through the layers: training or not, with which random streams, in which buffers."""

    train: bool  # whether batch norm uses and tracks the batch's own statistics
    buffers: Buffers  # where outputs and gradients lie until the next pass
    streams: Mapping[int, Sequence[Generator]] = field(default_factory=dict)  # depth of a dropout -> one a member


class Layer(Protocol):
    """What a network is made of. Trained numbers live in slices of theta, tracked ones in slices of the state."""

    def width(self, n_in: int) -> int:
        """Units that go out when `n_in` come in."""

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """Shapes of the trained arrays; those called W are weights, which penalties act on."""

    def state(self, n_in: int) -> dict[str, Shape]:
        """Shapes of the tracked arrays."""

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """`x (..., m, n_in)` → `y (..., m, width)` and the function that turns dL/dy into dL/dx.

        `p` and `s` are the layer's views of theta and of the state, `(..., *shape)` by the names that `parameters` and
        `state` give; the function fills such views of the gradient.
        """


class _SameWidth:
    """A layer that changes values, not their number, and learns nothing."""

    def width(self, n_in: int) -> int:
        """As many as come in."""
        return n_in

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}

    def state(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}


@dataclass(frozen=True)
class Dense:
    """y = x @ W + b; without b where batch norm follows, without dL/dx where nothing before it learns."""

    units: int
    bias: bool = True
    input_gradient: bool = True  # whether dL/dx is worked out

    def width(self, n_in: int) -> int:
        """The layer's units."""
        return self.units

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """W `(n_in, units)` and b `(1, units)`."""
        shapes: dict[str, Shape] = {"W": (n_in, self.units)}
        return shapes | {"b": (1, self.units)} if self.bias else shapes

    def state(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """Members come from W, so one batch `(1, m, n_in)` may serve all of them."""
        W = p["W"]
        y = np.matmul(x, W, out=mode.buffers.take((*W.shape[:-2], x.shape[-2], self.units)))
        if self.bias:
            y += p["b"]

        def backward(dy: Array, g: Views) -> Array | None:
            np.matmul(x.mT, dy, out=g["W"])
            if self.bias:
                mode.buffers.sum_rows(dy, g["b"])
            if not self.input_gradient:
                return None
            return np.matmul(dy, W.mT, out=mode.buffers.take((*dy.shape[:-1], x.shape[-1])))

        return y, backward


@dataclass(frozen=True)
class BatchNorm:
    """γ·(x − μ)/√(σ² + ε) + β over the batch; running averages of μ and σ² outside training (Ioffe & Szegedy 2015)."""

    def width(self, n_in: int) -> int:
        """As many as come in."""
        return n_in

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """gamma and beta, `(1, n_in)`."""
        return {"gamma": (1, n_in), "beta": (1, n_in)}

    def state(self, n_in: int) -> dict[str, Shape]:
        """Running mean and variance, `(1, n_in)`."""
        return {"mean": (1, n_in), "variance": (1, n_in)}

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """Training updates the running averages; the variance tracked is the unbiased estimate."""
        take, sum_rows, m = mode.buffers.take, mode.buffers.sum_rows, x.shape[-2]
        x_hat, y = take(x.shape), take(x.shape)
        if mode.train:
            mean = sum_rows(x, take(s["mean"].shape))
            mean /= m
            np.subtract(x, mean, out=x_hat)
            variance = sum_rows(np.multiply(x_hat, x_hat, out=y), take(mean.shape))
            variance /= m
            self._track(s["mean"], mean)
            self._track(s["variance"], variance * (m / max(1, m - 1)))
        else:
            variance = s["variance"]
            np.subtract(x, s["mean"], out=x_hat)
        inverse = 1 / np.sqrt(variance + EPSILON)
        x_hat *= inverse
        np.multiply(x_hat, p["gamma"], out=y)
        y += p["beta"]

        def backward(dy: Array, g: Views) -> Array:
            """dx = γ/√(σ²+ε) · (dy − mean(dy) − x̂·mean(dy·x̂)), the means over the batch."""
            scratch = np.multiply(dy, x_hat, out=take(x.shape))
            sum_rows(scratch, g["gamma"])
            sum_rows(dy, g["beta"])
            np.multiply(x_hat, g["gamma"] / m, out=scratch)
            scratch += g["beta"] / m
            dy -= scratch
            dy *= p["gamma"] * inverse
            return dy

        return y, backward

    def _track(self, average: Array, value: Array) -> None:
        average *= MOMENTUM
        average += (1 - MOMENTUM) * value


@dataclass(frozen=True)
class Activate(_SameWidth):
    """The activation of a layer, by its name in the table."""

    name: str  # of ACTIVATIONS

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """y = f(x); dx = dy·f'(x).

        The slope of a kinked function, which backward needs anyway, gives its value too: 4% of a whole step
        at 64-32-10.
        """
        function, take = ACTIVATIONS[self.name], mode.buffers.take
        if function.value is None:
            slope = function.slope(x, x, take(x.shape))
            return np.multiply(x, slope, out=take(x.shape)), lambda dy, g: np.multiply(dy, slope, out=dy)
        y = function.value(x, take(x.shape))

        def backward(dy: Array, g: Views) -> Array:
            dy *= function.slope(x, y, take(x.shape))
            return dy

        return y, backward


@dataclass(frozen=True, eq=False)
class Dropout(_SameWidth):
    """Inverted dropout (Srivastava et al. 2014): in training a unit is kept with chance 1 − rate and divided by it.

    The chance is exact to 1/CHANCES.
    """

    rate: Array  # chance to be left out, (members, 1, 1), or () for one network without a members axis
    depth: int  # which random stream; 0 is the input

    def rate_of(self, member: int) -> float:
        """The rate of one network."""
        return float(self.rate.reshape(-1)[member if self.rate.ndim else 0])

    @cached_property
    def least(self) -> NDArray[np.uint16]:
        """Of `chances`, the least with which a unit is kept, `(members,)`."""
        return np.minimum(np.round(self.rate.reshape(-1) * CHANCES), CHANCES - 1).astype(np.uint16)

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """One mask and scale for both directions; nothing is done where the mode has no stream for the layer."""
        if self.depth not in mode.streams:
            return x, _pass_through
        members = self.rate.shape[:-2]
        mask = mode.buffers.take((*members, *x.shape[-2:]))
        (m, units), streams = x.shape[-2:], mode.streams[self.depth]
        for member, stream, least in zip(mask.reshape(-1, m, units), streams, self.least, strict=True):
            np.greater_equal(chances(stream, m, units)[:, :units], least, out=member)
        mask *= 1 / (1 - self.rate)

        def backward(dy: Array, g: Views) -> Array:
            dy *= mask
            return dy

        return np.multiply(x, mask, out=mode.buffers.take(mask.shape)), backward


def _pass_through(dy: Array, g: Views) -> Array:
    return dy
