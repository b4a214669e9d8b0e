"""Activations and their slopes over a stretch of numbers; the code is looked at once, not at every number."""

from __future__ import annotations

from typing import Any

from nnrun.compiled import codes
from nnrun.compiled.functions import LEAK, elu, gelu_bend, gelu_slope, inlined, sigmoid, tanh


@inlined
def activate(code: int, z: Any, y: Any) -> None:
    """y = f(z). A kinked function is z times its slope, so that NaN and −∞ do not turn into 0."""
    T = z.dtype.type
    if code == codes.RELU or code == codes.LEAKY_RELU:
        below = T(0) if code == codes.RELU else T(LEAK)
        for k in range(z.size):
            y[k] = z[k] * (T(1) if z[k] > T(0) else below)
    elif code == codes.TANH:
        for k in range(z.size):
            y[k] = tanh(z[k])
    elif code == codes.SIGMOID:
        for k in range(z.size):
            y[k] = sigmoid(z[k])
    elif code == codes.LINEAR:
        for k in range(z.size):  # to copy a whole array could raise
            y[k] = z[k]
    elif code == codes.ELU:
        for k in range(z.size):
            y[k] = elu(z[k])
    elif code == codes.GELU:
        for k in range(z.size):
            y[k] = T(0.5) * z[k] * (T(1) + gelu_bend(z[k]))
    elif code == codes.SILU:
        for k in range(z.size):
            y[k] = z[k] * sigmoid(z[k])


@inlined
def descend(code: int, z: Any, y: Any, d: Any) -> None:
    """d = d·f'(z)."""
    T = z.dtype.type
    if code == codes.RELU or code == codes.LEAKY_RELU:
        below = T(0) if code == codes.RELU else T(LEAK)
        for k in range(z.size):
            d[k] *= T(1) if z[k] > T(0) else below
    elif code == codes.TANH:
        for k in range(z.size):
            d[k] *= T(1) - y[k] * y[k]
    elif code == codes.SIGMOID:
        for k in range(z.size):
            d[k] *= y[k] * (T(1) - y[k])
    elif code == codes.ELU:
        for k in range(z.size):
            d[k] *= T(1) + (y[k] if y[k] < T(0) else T(0))
    elif code == codes.GELU:
        for k in range(z.size):
            d[k] *= gelu_slope(z[k])
    elif code == codes.SILU:
        for k in range(z.size):
            s = sigmoid(z[k])
            d[k] *= s + y[k] * (T(1) - s)
