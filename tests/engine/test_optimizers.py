"""Steps of every optimizer against arithmetic by hand, with the gradients 2, −1 and 4 from w = 1 at α = 0.1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.update import BLOCK_BYTES, Optimizer, Vector, clip_by_norm, minimize, penalty


def three_steps(optimizer: str, **values: Any) -> list[float]:
    gradients = iter([2.0, -1.0, 4.0, 0.0])
    settings = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99} | values
    path = minimize(lambda w: (0.0, np.array([next(gradients)])), [1.0], optimizer, steps=3, **settings).path
    return [float(w[0]) for w in path[1:]]


PLAIN, WHOLE = {"bias_correction": False}, {"bias_correction": False, "dampening": False}
CORRECTED = {"bias_correction": True}
BY_HAND = [
    # 1 − 0.2, + 0.1, − 0.4
    ("sgd", {}, [0.8, 0.9, 0.5]),
    # v = 0.1·2 = 0.2; 0.18 − 0.1 = 0.08; 0.072 + 0.4 = 0.472
    ("momentum", PLAIN, [0.98, 0.972, 0.9248]),
    # without (1 − β): v = 2; 1.8 − 1 = 0.8; 0.72 + 4 = 4.72
    ("momentum", WHOLE, [0.8, 0.72, 0.248]),
    # v/(1 − β^t) = 0.2/0.1 = 2; 0.08/0.19 = 0.42105; 0.472/0.271 = 1.74170
    ("momentum", CORRECTED, [0.8, 0.7578947, 0.5837250]),
    # βv + (1 − β)g = 0.18 + 0.2 = 0.38; 0.072 − 0.1 = −0.028; 0.4248 + 0.4 = 0.8248
    ("nesterov", PLAIN, [0.962, 0.9648, 0.88232]),
    # βv + g = 1.8 + 2 = 3.8; 0.72 − 1 = −0.28; 4.248 + 4 = 8.248
    ("nesterov", WHOLE, [0.62, 0.648, -0.1768]),
    # the same over 1 − β^(t+1): 0.38/0.19 = 2; −0.028/0.271 = −0.10332; 0.8248/0.3439 = 2.39837
    ("nesterov", CORRECTED, [0.8, 0.8103321, 0.5704949]),
    # S = 0.01·4 = 0.04; 0.0396 + 0.01 = 0.0496; 0.049104 + 0.16 = 0.209104; ε = 1 shows that it is outside the root:
    # 2/(0.2 + 1) = 1.66667; −1/(0.22271 + 1) = −0.81786; 4/(0.45728 + 1) = 2.74484
    ("rmsprop", PLAIN | {"epsilon": 1.0}, [0.8333333, 0.9151188, 0.6406346]),
    # S/(1 − 0.99^t) = 0.04/0.01 = 4; 0.0496/0.0199 = 2.49246; 0.209104/0.029701 = 7.04030:
    # 2/(2 + 1) = 0.66667; −1/(1.57875 + 1) = −0.38778; 4/(2.65336 + 1) = 1.09488
    ("rmsprop", CORRECTED | {"epsilon": 1.0}, [0.9333333, 0.9721118, 0.8626234]),
    # v̂ as in momentum, Ŝ as in RMSprop: 2/2 = 1; 0.42105/1.57875 = 0.26670; 1.74170/2.65336 = 0.65641
    ("adam", {}, [0.9, 0.8733301, 0.8076888]),
    # 2/3 = 0.66667; 0.42105/2.57875 = 0.16328; 1.74170/3.65336 = 0.47674
    ("adam", {"epsilon": 1.0}, [0.9333333, 0.9170056, 0.8693317]),
    # 0.2/0.2 = 1; 0.08/0.22271 = 0.35921; 0.472/0.45728 = 1.03219
    ("adam", PLAIN, [0.9, 0.8640789, 0.7608596]),
    ("adamw", {}, [0.9, 0.8733301, 0.8076888]),
    # decoupled decay, before each of Adam's steps: w·(1 − 0.1·0.5) = 0.95w:
    # 0.95 − 0.1 = 0.85; 0.8075 − 0.02667 = 0.78083; 0.74179 − 0.06564 = 0.67615
    ("adamw", {"weight_decay": 0.5}, [0.85, 0.7808301, 0.6761473]),
    # 0.95 − 0.2; 0.7125 + 0.1; 0.771875 − 0.4
    ("sgd", {"weight_decay": 0.5}, [0.75, 0.8125, 0.371875]),
]


@pytest.mark.parametrize(("name", "values", "expected"), BY_HAND)
def test_three_steps_by_hand(name: str, values: dict[str, Any], expected: list[float]) -> None:
    assert three_steps(name, **values) == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hyperparameter_is_unused_where_it_changes_no_step(name: str) -> None:
    flag = OPTIMIZERS[name].usual.get("bias_correction", False)
    others = {"beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "bias_correction": not flag, "dampening": False}
    before = three_steps(name)
    vain = [key for key, value in others.items() if three_steps(name, **{key: value}) == before]
    assert vain == OPTIMIZERS[name].unused


def test_every_optimizer_of_the_table_has_a_worked_example() -> None:
    assert {name for name, _, _ in BY_HAND} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "rmsprop", "adam"])
def test_corrected_averages_of_a_constant_are_that_constant(name: str) -> None:
    """For g = 3 at every step: v̂ = 3 and √Ŝ = 3 from the first step on."""
    settings = CORRECTED | {"learning_rate": 0.1, "epsilon": 1e-12}
    path = minimize(lambda w: (0.0, np.array([3.0])), [0.0], name, steps=6, **settings).path
    step = 0.3 if name in ("momentum", "nesterov") else 0.1
    assert -np.diff(path[:, 0]) == pytest.approx(step, rel=1e-9)


def test_l2_is_weight_decay_under_plain_gradient_descent() -> None:
    # (1 − αλ/m)·W − α·dW with α 0.1, λ 0.5, m 1: 0.95 − 0.2; 0.7125 + 0.1; 0.771875 − 0.4
    assert three_steps("sgd", l2=0.5) == pytest.approx([0.75, 0.8125, 0.371875])
    # but not under Adam, which rescales 2 + 0.5·1 = 2.5 to 1
    assert three_steps("adam", l2=0.5)[0] == pytest.approx(0.9)


def moved(h: Hyperparameters, theta: list[list[float]], gradient: Any = 0.0, dtype: str = "float64") -> np.ndarray:
    """theta `(members, 3)`, two weights and one b, after an epoch of batches of 64, 64 and 20 examples under sgd."""
    numbers = np.array(theta, dtype)
    g = np.zeros_like(numbers)
    optimizer = Optimizer("sgd", h, numbers, g, n_weights=2)
    optimizer.plan(np.arange(1, 4), np.ones(3), np.array([64, 64, 20]))
    for index in range(3):
        g[...] = gradient
        optimizer.step(index)
    return numbers


def test_l2_uses_the_examples_of_each_batch_and_weights_only() -> None:
    # α 0.2, λ 3: factors 1 − 0.6/64 = 0.990625 twice and 1 − 0.6/20 = 0.97: 0.981337890625·0.97 = 0.95189775390625
    h = Hyperparameters.of(learning_rate=0.2, l2=3.0)
    assert moved(h, [[1, -2, 1]]).tolist() == [pytest.approx([0.95189775390625, -1.9037955078125, 1])]


def test_l1_uses_the_examples_of_each_batch_and_weights_only() -> None:
    # α 0.2, λ 3: 0.6/(2·64) = 0.0046875 twice and 0.6/(2·20) = 0.015: 1 − 0.024375; zero has no sign
    h = Hyperparameters.of(learning_rate=0.2, l1=3.0)
    assert moved(h, [[1, -2, 1]]).tolist() == [pytest.approx([0.975625, -1.975625, 1])]
    assert moved(h, [[0, 0, 0]]).tolist() == [[0, 0, 0]]


def test_decoupled_decay_acts_on_weights_only() -> None:
    # α 0.2, decay 0.5: 0.9³ = 0.729; b moves by the gradient alone: 1 − 3·0.2·0.1
    h = Hyperparameters.of(learning_rate=0.2, weight_decay=0.5)
    # W: 0.9·1 − 0.02 = 0.88; 0.772; 0.6748
    assert moved(h, [[1, 0, 1]], 0.1).tolist() == [pytest.approx([0.6748, -0.02 * 2.71, 0.94])]


def test_every_member_has_its_own_numbers() -> None:
    h = Hyperparameters.of(3, learning_rate=[0.1, 0.2, 0.3], l2=[0, 3, 0])
    alone = [
        moved(Hyperparameters.of(learning_rate=a, l2=b), [[1, 2, 3]], 1.0) for a, b in [(0.1, 0), (0.2, 3), (0.3, 0)]
    ]
    assert (moved(h, [[1, 2, 3]] * 3, 1.0) == np.concatenate(alone)).all()
    assert alone[0][0] == pytest.approx([0.7, 1.7, 2.7])


def test_schedule_factors_scale_the_rate() -> None:
    theta, g = np.zeros((1, 1)), np.zeros((1, 1))
    optimizer = Optimizer("sgd", Hyperparameters.of(learning_rate=0.5), theta, g, n_weights=1)
    optimizer.plan(np.arange(1, 4), np.array([1, 0.5, 0]), np.ones(3, int))
    path = []
    for index in range(3):
        g[...] = 1
        optimizer.step(index)
        path.append(theta.item())
    assert path == [-0.5, -0.75, -0.75]


@pytest.mark.parametrize("members", [1, 3])
def test_blocks_change_nothing(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One large block, several in a member, and several members in a block; weights end inside a block."""
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((members, 50)), rng.standard_normal((4, members, 50))
    h = Hyperparameters.of(members, learning_rate=0.1, l1=0.3, l2=0.2, weight_decay=0.1, clip_norm=3.0)
    ends = []
    for block_bytes in (BLOCK_BYTES, 8 * 7, 8 * 100):
        monkeypatch.setattr("nnrun.engine.update.BLOCK_BYTES", block_bytes)
        theta, g = start.copy(), np.zeros_like(start)
        optimizer = Optimizer("adam", h, theta, g, n_weights=33)
        optimizer.plan(np.arange(1, 5), np.ones(4), np.full(4, 8))
        for index in range(4):
            g[...] = gradients[index]
            optimizer.step(index)
        ends.append(theta)
    assert (ends[0] == ends[1]).all()
    assert (ends[0] == ends[2]).all()
    assert (ends[0] != start).all()


# ---- clipping


def test_norm_after_clipping() -> None:
    # (3, 4) has norm 5: clipped to 1 it is (0.6, 0.8); to 10 or without a limit it stays.
    g = np.array([[3.0, 4], [3, 4], [3, 4], [0, 0]])
    clip_by_norm(g, np.array([[1.0], [10], [np.inf], [5]]))
    np.testing.assert_allclose(g, [[0.6, 0.8], [3, 4], [3, 4], [0, 0]], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipped_steps(dtype: str) -> None:
    # Three steps along (3, 4, 0)/5·1 at a rate of 0.2
    h = Hyperparameters.of(learning_rate=0.2, clip_norm=1.0)
    end = moved(h, [[0, 0, 0]], [[3, 4, 0]], dtype)
    assert end.dtype == dtype
    np.testing.assert_allclose(end, [[-0.36, -0.48, 0]], rtol=1e-6)


def test_norm_is_that_of_all_parameters() -> None:
    # (2, 3, 6) has norm 7, b included: clipped to 0.7, times 3 · 0.2.
    h = Hyperparameters.of(learning_rate=0.2, clip_norm=0.7)
    np.testing.assert_allclose(moved(h, [[0, 0, 0]], [[2, 3, 6]]), [[-0.12, -0.18, -0.36]])


# ---- penalties in the cost


def test_penalty_by_hand() -> None:
    # ‖W‖² = 1 + 4 + 9 = 14 and Σ|W| = 6 over 2m = 20: 0.7·λ2 + 0.3·λ1
    h = Hyperparameters.of(3, l2=[2.0, 0, 1], l1=[0.0, 5, 1])
    weights = np.array([[1.0, -2, 3]] * 3)
    assert penalty(weights, h, batch_size=10) == pytest.approx([1.4, 1.5, 1.0])


# ---- on a bare function


def parabola(w: Vector) -> tuple[float, Vector]:
    return float(w[0] ** 2 - 10 * w[0] + 25), 2 * w - 10


def bowl(w: Vector) -> tuple[float, Vector]:
    """An elongated bowl, 40 times as steep one way as the other."""
    return float(w[0] ** 2 + 40 * w[1] ** 2) / 2, np.array([w[0], 40 * w[1]])


def saddle(w: Vector) -> tuple[float, Vector]:
    """x² − y² + y⁴/2: a saddle of height 0 at the origin, the lowest value −1/2 at y = ±1."""
    x, y = w
    return float(x**2 - y**2 + y**4 / 2), np.array([2 * x, -2 * y + 2 * y**3])


# A rate and a number of steps that suit each; RMSprop and Adam move about a rate a step, whatever the slope.
SUITED: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.04, "steps": 600},
    "momentum": {"learning_rate": 0.04, "steps": 600},
    "nesterov": {"learning_rate": 0.04, "steps": 600},
    "rmsprop": {"learning_rate": 0.005, "steps": 5000},
    "adam": {"learning_rate": 0.05, "steps": 1500},
    "adamw": {"learning_rate": 0.05, "steps": 1500},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parabola_has_its_minimum_at_five(name: str) -> None:
    found = minimize(parabola, [0.0], name, **SUITED[name])
    assert found.w[0] == pytest.approx(5, abs=5e-3)
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.path.shape == (SUITED[name]["steps"] + 1, 1)
    assert (found.path[0], found.path[-1]) == (0, found.w)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_elongated_bowl(name: str) -> None:
    found = minimize(bowl, [6.0, 1.0], name, **SUITED[name])
    assert found.w == pytest.approx([0, 0], abs=5e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saddle_is_left(name: str) -> None:
    found = minimize(saddle, [1.0, 1e-3], name, **SUITED[name])
    assert found.value == pytest.approx(-0.5, abs=1e-3)
    assert found.w[1] == pytest.approx(1, abs=5e-3)


def test_too_large_a_rate_oscillates_across_the_bowl_and_momentum_damps_it() -> None:
    # Across: w ← (1 − 40α)w = −0.98w at α = 0.0495. Momentum averages the changes of sign away.
    across = {
        name: abs(minimize(bowl, [6.0, 1.0], name, 40, learning_rate=0.0495).path[-5:, 1])
        for name in ("sgd", "momentum")
    }
    assert across["sgd"].min() > 0.4 > 0.25 > across["momentum"].max()


def test_unknown_hyperparameter_and_optimizer() -> None:
    with pytest.raises(TypeError, match="learning_rat"):
        minimize(parabola, [0.0], "sgd", learning_rat=0.1)
    with pytest.raises(KeyError, match="sdg"):
        minimize(parabola, [0.0], "sdg")


def test_defaults_are_the_customary_ones() -> None:
    h = Hyperparameters.of(2)
    expected = {
        "learning_rate": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "l1": 0,
        "l2": 0,
        "clip_norm": math.inf,
    }
    assert {name: getattr(h, name).ravel().tolist() for name in expected} == {k: [v, v] for k, v in expected.items()}


@pytest.mark.parametrize("unfit", [{"ema": 0.9}, {"swa": 3}, {"label_smoothing": 0.1}, {"momentum": 0.9}])
def test_a_function_has_no_use_for_what_only_a_training_has(unfit: dict[str, float]) -> None:
    with pytest.raises(TypeError, match=next(iter(unfit))):
        minimize(lambda w: (float(w @ w), 2 * w), [1.0], "adam", 3, **unfit)
