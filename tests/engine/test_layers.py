from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import pytest

from nnrun.engine.embedding import Embed, Embedding
from nnrun.engine.evaluation import logits_in_chunks
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.layers import BatchNorm, Dense, Dropout, Mode
from nnrun.engine.network import MLP
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.randomness import stream
from nnrun.engine.trainer import Trainer


def mode(rows: int, train: bool = True, seeds: tuple[int, ...] = (0,), depth: int = 1, dtype: str = "float64") -> Mode:
    buffers = Buffers(np.dtype(dtype))
    buffers.rewind(rows)
    return Mode(train, buffers, {depth: [stream(seed, "dropout", depth, epoch=1) for seed in seeds]})


def norm(n: int, gamma: Array | float = 1.0, beta: Array | float = 0.0) -> tuple[dict[str, Array], dict[str, Array]]:
    p = {"gamma": np.full((1, n), 1.0) * gamma, "beta": np.zeros((1, n)) + beta}
    return p, {"mean": np.zeros((1, n)), "variance": np.ones((1, n))}


# ---- dense


def test_dense_by_hand() -> None:
    # (1, 2) @ [[1, 0, −1], [2, 3, 1]] + (0.5, 0, 0) = (1 + 4 + 0.5, 6, −1 + 2); dy = (1, 10, 100).
    p = {"W": np.array([[1.0, 0, -1], [2, 3, 1]]), "b": np.array([[0.5, 0, 0]])}
    g = {"W": np.empty((2, 3)), "b": np.empty((1, 3))}
    y, backward = Dense(3).forward(p, {}, np.array([[1.0, 2]]), mode(1))
    assert y.tolist() == [[5.5, 6, 1]]
    dx = backward(np.array([[1.0, 10, 100]]), g)
    assert g["W"].tolist() == [[1, 10, 100], [2, 20, 200]]
    assert g["b"].tolist() == [[1, 10, 100]]
    assert dx is not None and dx.tolist() == [[1 - 100, 2 + 30 + 100]]


def test_dense_gives_no_input_gradient_where_nobody_wants_it() -> None:
    p, g = {"W": np.ones((2, 3))}, {"W": np.empty((2, 3))}
    _, backward = Dense(3, bias=False, input_gradient=False).forward(p, {}, np.ones((4, 2)), mode(4))
    assert backward(np.ones((4, 3)), g) is None
    assert (g["W"] == 4).all()


# ---- batch norm


def test_batch_norm_against_the_statistics_module() -> None:
    x = np.random.default_rng(0).normal(3, 5, (17, 4))
    p, s = norm(4, gamma=np.array([1, 2, -1, 0.5]), beta=np.array([0, 10, 0, 1]))
    y, _ = BatchNorm().forward(p, s, x, mode(17))
    for j, (gamma, beta) in enumerate([(1, 0), (2, 10), (-1, 0), (0.5, 1)]):
        unit = x[:, j].tolist()
        normal = statistics.NormalDist(statistics.fmean(unit), (statistics.pvariance(unit) + 1e-5) ** 0.5)
        assert y[:, j].tolist() == pytest.approx([gamma * normal.zscore(v) + beta for v in unit], abs=1e-12)
        # From 0 and 1: a tenth of the way to the mean and to the unbiased variance.
        assert s["mean"][0, j] == pytest.approx(statistics.fmean(unit) / 10)
        assert s["variance"][0, j] == pytest.approx(0.9 + statistics.variance(unit) / 10)


def test_running_statistics_over_three_batches() -> None:
    # One unit, batches (0, 2), (4, 4), (1, 5): means 1, 4, 3; unbiased variances 2, 0, 8.
    # mean: 0.1 → 0.09 + 0.4 = 0.49 → 0.441 + 0.3 = 0.741
    # variance: 0.9 + 0.2 = 1.1 → 0.99 → 0.891 + 0.8 = 1.691
    p, s = norm(1)
    for batch in ([0.0, 2], [4, 4], [1, 5]):
        BatchNorm().forward(p, s, np.array(batch)[:, None], mode(2))
    assert s["mean"].item() == pytest.approx(0.741)
    assert s["variance"].item() == pytest.approx(1.691)


def test_outside_training_running_statistics_are_used_and_left_alone() -> None:
    # (7 − 3)/√(4 − 1e-5 + 1e-5) = 2; γ 5, β 1 → 11.
    p, s = norm(1, gamma=5.0, beta=1.0)
    s["mean"][...], s["variance"][...] = 3, 4 - 1e-5
    y, _ = BatchNorm().forward(p, s, np.array([[7.0]]), mode(1, train=False))
    assert y.item() == pytest.approx(11)
    assert (s["mean"].item(), s["variance"].item()) == (3, 4 - 1e-5)


def test_batch_norm_can_be_the_identity() -> None:
    x = np.random.default_rng(1).normal(-2, 3, (12, 3))
    p, s = norm(3, gamma=np.sqrt(np.var(x, axis=0) + 1e-5), beta=x.mean(axis=0))
    np.testing.assert_allclose(BatchNorm().forward(p, s, x, mode(12))[0], x, atol=1e-12)


def test_batch_norm_gradient_by_differences() -> None:
    rng = np.random.default_rng(2)
    x, dy = rng.normal(1, 2, (6, 2)), rng.standard_normal((6, 2))
    p, _ = norm(2, gamma=np.array([2.0, -0.5]), beta=np.array([1.0, 3]))

    def value(x: Array, gamma: Array, beta: Array) -> float:
        p, s = norm(2, gamma, beta)
        return float((BatchNorm().forward(p, s, x, mode(6))[0] * dy).sum())

    g = {"gamma": np.empty((1, 2)), "beta": np.empty((1, 2))}
    dx = BatchNorm().forward(p, norm(2)[1], x, mode(6))[1](dy.copy(), g)
    arguments = [x, p["gamma"], p["beta"]]
    for which, analytic in enumerate([dx, g["gamma"], g["beta"]]):
        assert analytic is not None
        for place in np.ndindex(analytic.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [a.copy() for a in arguments]
                moved[which][place] += step
                ends.append(value(*moved))
            assert analytic[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_example_predicts_the_same_as_in_a_batch(make_trainer: Callable[..., Trainer], dtype: str) -> None:
    trainer = make_trainer(batch_norm=True, optimizer="adam", learning_rate=0.01, dtype=dtype)
    list(trainer.epochs(5))
    x = trainer.on_dev.examples.x
    ((_, together),) = logits_in_chunks(trainer.network, trainer.bound, x, trainer.recipe.loss)
    parts = [next(logits_in_chunks(trainer.network, trainer.bound, row[None], trainer.recipe.loss)) for row in x]
    one_by_one = [logits[0, 0] for _, logits in parts]
    np.testing.assert_allclose(one_by_one, together[0], atol=1e-5)


def test_layer_before_batch_norm_has_no_b() -> None:
    names = MLP(n_in=3, hidden=[4, 5], n_out=2, batch_norm=True).network().theta.shapes
    assert {"norm1.gamma", "norm1.beta", "norm2.gamma", "norm2.beta", "output.b"} < set(names)
    assert not {"dense1.b", "dense2.b"} & set(names)


# ---- dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_expectation_is_kept(rate: float) -> None:
    x = np.full((1000, 1000), 3.0)
    y, _ = Dropout(np.array(rate), depth=1).forward({}, {}, x, mode(1000))
    # Share kept 1 − rate ± √(0.25/1e6) = 0.0005; those are 3/(1 − rate), so that the mean stays 3.
    assert (y != 0).mean() == pytest.approx(1 - rate, abs=3e-3)
    assert set(np.unique(y).round(9)) == {0, round(3 / (1 - rate), 9)}
    assert y.mean() == pytest.approx(3, rel=0.02)


def test_same_mask_and_scale_in_both_directions() -> None:
    # At a rate of 0.2 a unit is 0 or 1.25 times itself; so is its gradient.
    x = np.random.default_rng(3).uniform(1, 2, (40, 6))
    y, backward = Dropout(np.array(0.2), depth=1).forward({}, {}, x, mode(40))
    dx = backward(np.ones((40, 6)), {})
    assert dx is not None
    np.testing.assert_allclose(y, x * dx, rtol=1e-15)
    assert set(np.unique(dx)) == {0, 1.25}


def test_nothing_happens_without_a_stream() -> None:
    x = np.ones((5, 4))
    y, backward = Dropout(np.array(0.5), depth=1).forward({}, {}, x, Mode(True, Buffers(x.dtype)))
    assert y is x
    assert (backward(np.full((5, 4), 3.0), {}) == 3).all()


def test_members_drop_by_their_own_rate_and_seed() -> None:
    rates = np.array([0.0, 0.5, 0.5]).reshape(3, 1, 1)
    y, _ = Dropout(rates, depth=1).forward({}, {}, np.ones((1, 200, 20)), mode(200, seeds=(1, 2, 3)))
    assert (y[0] == 1).all()
    assert [(member == 0).mean() for member in y[1:]] == pytest.approx([0.5, 0.5], abs=0.05)
    assert (y[1] != y[2]).any()
    alone, _ = Dropout(rates[2:], depth=1).forward({}, {}, np.ones((1, 200, 20)), mode(200, seeds=(3,)))
    assert (alone[0] == y[2]).all()


def test_rate_of_zero_leaves_the_layer_out() -> None:
    names = [name for name, _ in MLP(4, [3, 3], 2, dropout=[np.zeros(()), np.array(0.5)]).network().layers]
    assert "dropout1" not in names and "dropout2" in names
    both = [name for name, _ in MLP(4, [3], 2, dropout=[np.array(0.1)], input_dropout=np.array(0.1)).network().layers]
    assert both == ["dropout0", "dense1", "relu1", "dropout1", "output"]


def test_a_layer_that_drops_nothing_shifts_no_other(make_trainer: Callable[..., Trainer]) -> None:
    """The second layer's masks, seen through the zeros in its output, with and without dropout before it."""
    seen: list[list[Array]] = []
    for input_dropout in (0.0, 1e-9):
        trainer = make_trainer(dropout=0.5, input_dropout=input_dropout)
        zeros: list[Array] = []

        def see(name: str, kind: str, array: Array, zeros: list[Array] = zeros) -> None:
            if (name, kind) == ("dropout2", "output"):
                zeros.append(array == 0)

        list(trainer.steps(see))
        seen.append(zeros)
    assert len(seen[0]) == 4
    assert all((a == b).all() for a, b in zip(*seen, strict=True))


def test_masks_are_new_for_each_step_epoch_layer_and_member(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer([1, 2], hidden=(30, 30), activation="sigmoid", dropout=0.5, batch_size=10)
    masks: list[bytes] = []

    def see(name: str, kind: str, array: Array) -> None:
        if name in ("dropout1", "dropout2") and kind == "output":
            masks.extend((member == 0).tobytes() for member in array)

    for _ in range(3):
        list(trainer.steps(see))
    assert len(masks) == 3 * 5 * 2 * 2
    assert len(set(masks)) == len(masks)


# ---- embeddings


def test_embed_by_hand() -> None:
    # Features 0 and 2 are numbers, 1 is a code: they stand first, then the row of the code.
    layer = Embed(3, (Embedding(1, 3, 2),))
    E = np.array([[0.0, 0], [10, 11], [20, 21]])
    x = np.array([[1.0, 2, 3], [4, 0, 6], [7, 2, 9]])
    g = {"E0": np.full((3, 2), np.nan)}
    y, backward = layer.forward({"E0": E}, {}, x, mode(3))
    assert y.tolist() == [[1, 3, 20, 21], [4, 6, 0, 0], [7, 9, 20, 21]]
    assert backward(np.arange(12.0).reshape(3, 4), g) is None
    # Row 2 is there twice, 2 + 10 and 3 + 11; nothing has code 1.
    assert g["E0"].tolist() == [[6, 7], [0, 0], [12, 14]]


def test_embed_serves_members_with_one_batch_or_one_each() -> None:
    layer, random = Embed(2, (Embedding(0, 5, 3), Embedding(1, 4, 2))), np.random.default_rng(0)
    p = {"E0": random.normal(size=(2, 5, 3)), "E1": random.normal(size=(2, 4, 2))}
    x, dy = random.integers(4, size=(2, 6, 2)).astype(float), random.normal(size=(2, 6, 5))
    for batch in (x, x[:1]):
        g = {name: np.empty_like(E) for name, E in p.items()}
        y, backward = layer.forward(p, {}, batch, mode(6))
        backward(dy, g)
        for k in range(2):
            own = {name: np.empty_like(E[k]) for name, E in p.items()}
            alone, back = layer.forward({name: E[k] for name, E in p.items()}, {}, batch[k % len(batch)], mode(6))
            back(dy[k], own)
            assert np.array_equal(y[k], alone)
            assert all(np.array_equal(g[name][k], own[name]) for name in own)


def test_embeddings_are_drawn_by_the_seed_and_unseen_values_begin_at_0() -> None:
    network = MLP(3, [4], 1, embeddings=(Embedding(1, 500, 4),)).network()
    theta, state = np.empty(network.theta.size), np.empty(network.state.size)
    network.draw(theta, state, 7, INITIALIZERS["auto"](), {"dense1": 1.0, "output": 1.0})
    E = network.theta.views(theta)["embed.E0"]
    assert (E[0] == 0).all()
    assert E[1:].std() == pytest.approx(0.01, rel=0.1)
    assert network.n_weights == 6 * 4 + 4
