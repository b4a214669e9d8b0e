from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nnrun.engine.initializers import INITIALIZERS, Initializer
from nnrun.engine.layers import BatchNorm, Dense
from nnrun.engine.network import MLP, Network
from nnrun.engine.trainer import Trainer


def drawn(initializer: Initializer, gain: float = 1.0, seed: int = 0) -> np.ndarray:
    """One million weights of a layer with 2,000 inputs and 500 units."""
    network = Network([("dense1", Dense(500))], n_in=2000)
    theta = np.empty(network.theta.size)
    network.draw(theta, np.empty(0), seed, initializer, {"dense1": gain})
    views = network.theta.views(theta)
    assert not views["dense1.b"].any()
    return views["dense1.W"]


@pytest.mark.parametrize(
    ("name", "options", "gain", "variance"),
    [
        ("he", {}, 1.0, 1e-3),  # 2 / 2000
        ("he", {"gain": 3.0}, 1.0, 9e-3),  # 3² · 2 / 2000
        ("xavier", {}, 2.0, 5e-4),  # 1 / 2000, whatever the activation asks for
        ("xavier", {"gain": 2.0}, 1.0, 2e-3),
        ("glorot", {}, 1.0, 8e-4),  # 2 / (2000 + 500)
        ("glorot", {"gain": 0.5}, 1.0, 2e-4),
        ("normal", {}, 1.0, 1e-4),  # 0.01²
        ("normal", {"scale": 0.3}, 2.0, 0.09),
        ("auto", {}, 2.0, 1e-3),  # as He
        ("auto", {}, 1.0, 5e-4),  # as Xavier
        ("auto", {"gain": 2.0}, 1.0, 2e-3),
    ],
)
def test_variance_over_a_million_draws(name: str, options: dict[str, float], gain: float, variance: float) -> None:
    W = drawn(INITIALIZERS[name](**options), gain)
    # The variance of 1e6 normal draws is itself uncertain by √(2/1e6) = 0.14%.
    assert W.var() == pytest.approx(variance, rel=0.01)
    assert W.mean() == pytest.approx(0, abs=5e-3 * variance**0.5)
    # Normal, not uniform: 68.27% within one deviation (uniform: 57.7%).
    assert (abs(W) < variance**0.5).mean() == pytest.approx(0.6827, abs=0.003)


def test_zeros() -> None:
    assert not drawn(INITIALIZERS["zeros"]()).any()


@pytest.mark.parametrize(
    ("activation", "like"),
    [("relu", 2), ("leaky_relu", 2), ("elu", 2), ("gelu", 2), ("silu", 2), ("tanh", 1), ("sigmoid", 1), ("linear", 1)],
)
def test_auto_is_he_for_the_relu_family_and_xavier_for_the_rest(activation: str, like: int) -> None:
    mlp = MLP(n_in=400, hidden=[500, 600], n_out=300, activation=activation)
    network = mlp.network()
    theta = np.empty(network.theta.size)
    network.draw(theta, np.empty(0), 1, INITIALIZERS["auto"](), mlp.gains())
    W = network.theta.views(theta)
    assert W["dense1.W"].var() * 400 == pytest.approx(like, rel=0.03)
    assert W["dense2.W"].var() * 500 == pytest.approx(like, rel=0.03)
    assert W["output.W"].var() * 600 == pytest.approx(1, rel=0.03), "no activation behind the output"


def test_layers_and_seeds_draw_different_weights() -> None:
    mlp = MLP(n_in=5, hidden=[5, 5], n_out=5)
    network = mlp.network()
    thetas = np.empty((2, network.theta.size))
    for theta, seed in zip(thetas, (1, 2), strict=True):
        network.draw(theta, np.empty(0), seed, INITIALIZERS["normal"](), mlp.gains())
    views = network.theta.views(thetas)
    weights = [views[f"{layer}.W"][member] for layer in ("dense1", "dense2", "output") for member in (0, 1)]
    assert len({W.tobytes() for W in weights}) == 6


def test_numbers_that_are_not_weights() -> None:
    network = Network([("dense1", Dense(4, bias=False)), ("norm1", BatchNorm())], n_in=3)
    theta, state = np.full(network.theta.size, 7.0), np.full(network.state.size, 7.0)
    network.draw(theta, state, 0, INITIALIZERS["he"](), {"dense1": 1.0})
    p, s = network.theta.views(theta), network.state.views(state)
    assert (p["norm1.gamma"] == 1).all() and (s["norm1.variance"] == 1).all()
    assert not p["norm1.beta"].any() and not s["norm1.mean"].any()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_zeros_never_break_symmetry(make_trainer: Callable[..., Trainer], activation: str) -> None:
    settings = {"activation": activation, "hidden": (6,), "optimizer": "adam", "learning_rate": 0.05}
    equal, random = (make_trainer(init=INITIALIZERS[name](), **settings) for name in ("zeros", "auto"))
    for trainer in (equal, random):
        list(trainer.epochs(10))
    views = equal.network.theta.views(equal.theta[0])
    assert views["output.b"].any(), "it did learn something"
    np.testing.assert_allclose(views["dense1.W"], views["dense1.W"][:, :1] * np.ones(6), atol=1e-10)
    np.testing.assert_allclose(views["output.W"], views["output.W"][:1] * np.ones((6, 1)), atol=1e-10)
    units = random.network.theta.views(random.theta[0])["dense1.W"]
    assert min(abs(units[:, i] - units[:, j]).max() for i in range(6) for j in range(i)) > 0.1
