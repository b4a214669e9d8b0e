from __future__ import annotations

import numpy as np
import pytest

from nnrun.engine.embedding import Embedding
from nnrun.engine.layers import Mode
from nnrun.engine.network import MLP
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.randomness import PURPOSES, stream


def test_layers_in_their_order() -> None:
    mlp = MLP(
        3, [4, 5], 2, activation="tanh", batch_norm=True, dropout=[np.array(0.5)] * 2, input_dropout=np.array(0.1)
    )
    network = mlp.network()
    assert [name for name, _ in network.layers] == [
        *("dropout0", "dense1", "norm1", "tanh1", "dropout1", "dense2", "norm2", "tanh2", "dropout2", "output")
    ]
    assert network.width == 2


def test_weights_come_first_in_theta() -> None:
    network = MLP(3, [4], 2, batch_norm=True).network()
    assert list(network.theta.shapes.items()) == [
        ("dense1.W", (3, 4)),
        ("output.W", (4, 2)),
        ("norm1.gamma", (1, 4)),
        ("norm1.beta", (1, 4)),
        ("output.b", (1, 2)),
    ]
    assert network.n_weights == 3 * 4 + 4 * 2
    assert network.theta.size == 20 + 4 + 4 + 2
    assert network.state.shapes == {"norm1.mean": (1, 4), "norm1.variance": (1, 4)}


def test_parameters_by_hand() -> None:
    codes = [Embedding(0, 5, 3)]  # 3 features of which one becomes 3 numbers: 5 in all
    assert MLP(3, [4], 2, batch_norm=True).parameters == 3 * 4 + 2 * 4 + (4 * 2 + 2)
    assert MLP(3, [4], 2, embeddings=codes).parameters == 5 * 3 + (5 * 4 + 4) + (4 * 2 + 2)
    assert MLP(3, [4], 2, embeddings=codes, members=6).parameters == 5 * 3 + 6 * 5 + (5 * 4 + 4) + 6 * (4 * 2 + 2)
    assert MLP(3, [], 2, embeddings=codes).parameters == 5 * 3 + (5 * 2 + 2)


def test_members_share_all_but_their_scales_and_heads() -> None:
    network = MLP(3, [4], 2, members=5).network()
    assert [name for name, _ in network.layers] == ["scales", "dense1", "relu1", "output"]
    assert list(network.theta.shapes.items()) == [
        ("dense1.W", (3, 4)),
        ("output.W", (5, 4, 2)),
        ("scales.R", (5, 3)),
        ("dense1.b", (1, 4)),
        ("output.b", (5, 1, 2)),
    ]
    assert network.n_weights == 3 * 4 + 5 * 4 * 2


def test_forward_by_hand() -> None:
    # x = (1, −2); dense1 W = [[1, 2], [3, −1]], b = (0, 1): z = (1 − 6, 2 + 2 + 1) = (−5, 5) → relu (0, 5)
    # output W = [[7], [0.5]], b = −1: 2.5 − 1 = 1.5
    network = MLP(2, [2], 1).network()
    theta = np.array([[1, 2, 3, -1, 7, 0.5, 0, 1, -1]], float)
    bound = network.bind(theta, np.empty((1, 0)), np.empty_like(theta))
    logits, _ = network.forward(bound, np.array([[[1.0, -2]]]), Mode(False, Buffers(theta.dtype)))
    assert logits.tolist() == [[[1.5]]]


def test_what_an_observer_sees() -> None:
    network = MLP(2, [3], 1).network()
    theta = np.ones((1, network.theta.size))
    bound = network.bind(theta, np.empty((1, 0)), np.empty_like(theta))
    seen: list[tuple[str, str, tuple[int, ...]]] = []

    def see(name: str, kind: str, array: Array) -> None:
        seen.append((name, kind, array.shape))

    logits, backward = network.forward(bound, np.ones((1, 4, 2)), Mode(True, Buffers(theta.dtype)), see)
    backward(np.ones_like(logits))
    assert seen == [
        ("dense1", "output", (1, 4, 3)),
        ("relu1", "output", (1, 4, 3)),
        ("output", "output", (1, 4, 1)),
        ("output", "gradient", (1, 4, 1)),
        ("relu1", "gradient", (1, 4, 3)),
        ("dense1", "gradient", (1, 4, 3)),
    ]


def test_streams_are_keyed_by_everything_that_names_them() -> None:
    keys = [
        (seed, purpose, layer, epoch) for seed in (0, 1) for purpose in PURPOSES for layer in (0, 1) for epoch in (0, 1)
    ]
    firsts = [stream(*key).random() for key in keys]
    assert len(set(firsts)) == len(keys)
    assert [stream(*key).random() for key in keys] == firsts


@pytest.mark.parametrize("seed", [0, 2**31, 2**63])
def test_any_seed_that_is_not_negative(seed: int) -> None:
    assert 0 <= stream(seed, "init").random() < 1
