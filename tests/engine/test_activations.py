from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.layers import Activate, Mode
from nnrun.engine.parameters import Buffers

# f(−2), f(0), f(3), by hand or from `math`.
VALUES = {
    "relu": [0, 0, 3],
    "leaky_relu": [-0.02, 0, 3],
    "tanh": [math.tanh(-2), 0, math.tanh(3)],
    "sigmoid": [1 / (1 + math.e**2), 0.5, math.e**3 / (1 + math.e**3)],
    "linear": [-2, 0, 3],
    "elu": [math.exp(-2) - 1, 0, 3],
    "gelu": [-0.04540231, 0, 2.99636261],  # the tanh form; the exact one gives −0.0455003, 2.9959503
    "silu": [-2 / (1 + math.e**2), 0, 3 / (1 + math.e**-3)],
}
# Slopes that need no formula: far out they are those of the asymptotes.
FAR = {
    "relu": (0, 1),
    "leaky_relu": (0.01, 1),
    "tanh": (0, 0),
    "sigmoid": (0, 0),
    "linear": (1, 1),
    "elu": (0, 1),
    "gelu": (0, 1),
    "silu": (0, 1),
}


def both(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    function = ACTIVATIONS[name]
    y, _ = Activate(name).forward({}, {}, x, Mode(train=False, buffers=Buffers(x.dtype)))
    return y, function.slope(x, y, np.empty_like(x))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values(name: str) -> None:
    np.testing.assert_allclose(both(name, np.array([-2.0, 0, 3]))[0], VALUES[name], rtol=1e-7, atol=1e-12)


def test_how_far_gelu_lies_from_the_exact_one() -> None:
    """docs/techniques.md says how far."""
    x = np.linspace(-6, 6, 12_001)
    exact = np.array([0.5 * value * math.erfc(-value / math.sqrt(2)) for value in x])
    apart = np.abs(both("gelu", x)[0] - exact).max()
    assert 0.00045 < apart < 0.0005
    assert "up to 0.0005 from the exact one" in (Path(__file__).parents[2] / "docs/techniques.md").read_text()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_those_of_the_values(name: str) -> None:
    x, h = np.linspace(-4, 4, 82), 1e-6  # no point at 0, where some have a kink
    slope = both(name, x)[1]
    np.testing.assert_allclose(slope, (both(name, x + h)[0] - both(name, x - h)[0]) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_thousands_do_not_overflow(name: str, dtype: str) -> None:
    y, slope = both(name, np.array([-1000, 1000], dtype))  # a warning would be an error
    assert y.dtype == slope.dtype == dtype
    assert np.isfinite(y).all()
    np.testing.assert_allclose(slope, FAR[name], atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_input_is_left_alone(name: str) -> None:
    x = np.linspace(-3, 3, 7)
    before = x.copy()
    both(name, x)
    assert (x == before).all()


def gelu_exact(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def test_gelu_is_near_the_gaussian_it_stands_for() -> None:
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(both("gelu", x)[0], [gelu_exact(v) for v in x], atol=5e-4)


@pytest.mark.parametrize(("name", "kinked"), [("relu", True), ("leaky_relu", True), ("elu", False), ("tanh", False)])
def test_kinked_says_whether_the_slope_jumps_at_zero(name: str, kinked: bool) -> None:
    below, above = both(name, np.array([-1e-9, 1e-9]))[1]
    assert (abs(above - below) > 0.5) == kinked == ACTIVATIONS[name].kinked


@pytest.mark.parametrize("name", ["relu", "linear", "leaky_relu"])
def test_gain_keeps_the_scale_of_the_signal(name: str) -> None:
    # z ~ N(0, gain·E[a²]) with a = f(z) of the layer before: gain·E[f(z)²] = 1 for z ~ N(0, 1).
    z = np.random.default_rng(0).standard_normal(1_000_000)
    assert ACTIVATIONS[name].gain * np.square(both(name, z)[0]).mean() == pytest.approx(1, abs=0.01)
