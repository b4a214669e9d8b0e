"""Activation functions: the value, and the slope that the backward pass multiplies by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnrun.engine.parameters import Array

LEAK = 0.01
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


class Activation(NamedTuple):
    """An elementwise function y = f(x) and its derivative; both write into `out` of the same shape and return it."""

    slope: Callable[[Array, Array, Array], Array]  # (x, y, out) -> f'(x)
    gain: float  # n_in · variance of W that keeps the scale of the signal
    saturates: bool = False  # whether the slope goes to 0 on both sides
    value: Callable[[Array, Array], Array] | None = None  # (x, out) -> y; None: f(x) = x·f'(x), with a kink at 0

    @property
    def kinked(self) -> bool:
        """Whether the function is linear on both sides of 0 and its slope jumps there."""
        return self.value is None


def relu_slope(x: Array, y: Array, out: Array) -> Array:
    """1 where x > 0, else 0."""
    return np.greater(x, 0, out=out)


def leaky_relu_slope(x: Array, y: Array, out: Array) -> Array:
    """1 where x > 0, else 0.01."""
    np.greater(x, 0, out=out)
    out *= 1 - LEAK
    out += LEAK
    return out


def tanh(x: Array, out: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x, out=out)


def tanh_slope(x: Array, y: Array, out: Array) -> Array:
    """1 − y²."""
    np.multiply(y, y, out=out)
    return np.subtract(1, out, out=out)


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + e^−x), as (1 + tanh(x/2)) / 2, which never overflows."""
    y = np.multiply(x, 0.5, out=out)
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5
    return y


def sigmoid_slope(x: Array, y: Array, out: Array) -> Array:
    """y·(1 − y)."""
    np.subtract(1, y, out=out)
    out *= y
    return out


def linear(x: Array, out: Array) -> Array:
    """X itself."""
    np.copyto(out, x)
    return out


def linear_slope(x: Array, y: Array, out: Array) -> Array:
    """1."""
    out.fill(1)
    return out


def elu(x: Array, out: Array) -> Array:
    """x, or e^x − 1 below 0 (Clevert et al. 2016)."""
    np.expm1(np.minimum(x, 0, out=out), out=out)
    return np.maximum(x, out, out=out)


def elu_slope(x: Array, y: Array, out: Array) -> Array:
    """1, or e^x = y + 1 below 0."""
    np.minimum(y, 0, out=out)
    out += 1
    return out


def _gelu_tanh(x: Array, out: Array) -> Array:
    """tanh(√(2/π)·(x + 0.044715·x³)), the bend inside GELU."""
    np.multiply(x, x, out=out)
    out *= GELU_CUBIC
    out += 1
    out *= x
    out *= GELU_SCALE
    return np.tanh(out, out=out)


def gelu(x: Array, out: Array) -> Array:
    """Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016)."""
    _gelu_tanh(x, out)
    out += 1
    out *= x
    out *= 0.5
    return out


def gelu_slope(x: Array, y: Array, out: Array) -> Array:
    """(1 + t)/2 + x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)/2 with t the tanh inside."""
    t = _gelu_tanh(x, out)
    bend = 0.5 * GELU_SCALE * x * (1 + 3 * GELU_CUBIC * x * x) * (1 - t * t)
    out += 1
    out *= 0.5
    out += bend
    return out


def silu(x: Array, out: Array) -> Array:
    """x·sigmoid(x) (Elfwing et al. 2018)."""
    sigmoid(x, out)
    out *= x
    return out


def silu_slope(x: Array, y: Array, out: Array) -> Array:
    """s + y·(1 − s) with s = sigmoid(x)."""
    s = sigmoid(x, out)
    rest = y * (1 - s)
    out += rest
    return out


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(relu_slope, gain=2.0),
    "leaky_relu": Activation(leaky_relu_slope, gain=2.0),
    "tanh": Activation(tanh_slope, gain=1.0, saturates=True, value=tanh),
    "sigmoid": Activation(sigmoid_slope, gain=1.0, saturates=True, value=sigmoid),
    "linear": Activation(linear_slope, gain=1.0, value=linear),
    "elu": Activation(elu_slope, gain=2.0, value=elu),
    "gelu": Activation(gelu_slope, gain=2.0, value=gelu),
    "silu": Activation(silu_slope, gain=2.0, value=silu),
}
