"""Every activation with every loss: the gradient against differences, and against derivatives by complex step."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.embedding import Embedding
from nnrun.engine.evaluation import Examples
from nnrun.engine.gradient_check import (
    BUG,
    GradientCheck,
    _Cost,
    _differences,
    check_gradient,
    relative_difference,
)
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.layers import EPSILON, Activate, Backward, BatchNorm, Dense, Mode
from nnrun.engine.losses import LOSSES
from nnrun.engine.network import Network
from nnrun.engine.parameters import Array, Buffers, Views
from nnrun.engine.trainer import Trainer
from tests.conftest import made_up
from tests.conftest import trainer as numpy_trainer

TARGETS = [("cross_entropy", 2), ("cross_entropy", 3), ("squared_error", 1), ("squared_error", 2), ("huber", 2)]
PENALTIES = {"none": {}, "l1": {"l1": 0.7}, "l2": {"l2": 0.9}}
assert {loss for loss, _ in TARGETS} == set(LOSSES), "a loss of the table has no contract test"


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """NumPy's alone: the compiled gradient has tests of its own, in tests/compiled."""
    return numpy_trainer


def check(trainer: Trainer, **options: Any) -> GradientCheck:
    examples = trainer.batches.examples
    batch = Examples(examples.x[:11], examples.y[:11])
    recipe, theta, state = trainer.recipe, trainer.theta[0], trainer.state[0]
    return check_gradient(trainer.network, recipe.loss, recipe.hyperparameters, theta, state, batch, **options)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_numerical_gradient_agrees_at_the_start_and_after_training(
    make_trainer: Callable[..., Trainer], activation: str, loss: str, outputs: int, penalty: str, batch_norm: bool
) -> None:
    trainer = make_trainer(
        [3],
        loss=loss,
        outputs=outputs,
        hidden=(5, 4),
        activation=activation,
        batch_norm=batch_norm,
        batch_size=10,  # 50 rows: 5 steps an epoch, 50 steps in 10 epochs
        learning_rate=0.03,
        **PENALTIES[penalty],
    )
    at_start = check(trainer)
    list(trainer.epochs(10))
    assert trainer.step == 50
    trained = check(trainer)
    for result in (at_start, trained):
        assert result.ratio < 1e-7, result
        assert result.verdict == "great"
        assert result.checked + result.kinks == trainer.theta.shape[1]
        assert result.checked > 0.8 * trainer.theta.shape[1]


def test_what_rounding_leaves_of_a_gradient_is_no_mistake(make_trainer: Callable[..., Trainer]) -> None:
    """The loss of sure and right predictions is next to nothing, and the differences of it are exactly that."""
    trainer = make_trainer([3], loss="cross_entropy", outputs=3, hidden=(5,), batch_size=50)
    examples = trainer.batches.examples
    assert check(trainer).ratio < 1e-7
    list(trainer.epochs(200))
    trainer.theta *= 200
    right = trainer.network.forward(
        trainer.bound, examples.x[None], Mode(train=True, buffers=Buffers(examples.x.dtype))
    )
    trainer.batches.examples = Examples(examples.x, right[0][0].argmax(axis=1))
    assert check(trainer).ratio < 1e-7
    wrong = np.full(4, 1e-6)
    assert relative_difference(np.zeros(4), wrong, 2e-11) > BUG, "small gradients are told apart still"


def with_codes(rows: int, seed: int, dtype: str = "float64") -> Examples:
    """Of six features the second and the last are codes, of which some are not there."""
    found, random = made_up(rows, "cross_entropy", 3, seed=seed), np.random.default_rng(seed)
    found.x[:, [1, 5]] = random.integers([4, 9], size=(rows, 2))
    return Examples(found.x.astype(dtype), found.y)


CODES = (Embedding(1, 5, 2), Embedding(5, 10, 4))


@pytest.mark.parametrize("hidden", [(), (5, 4)])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
def test_numerical_gradient_of_embeddings(
    make_trainer: Callable[..., Trainer], batch_norm: bool, hidden: tuple[int, ...]
) -> None:
    trainer = make_trainer(
        [3], hidden=hidden, batch_norm=batch_norm, train=with_codes(50, 1), embeddings=CODES, dev=with_codes(30, 2),
        batch_size=10, learning_rate=0.03, l2=0.5,
    )  # fmt: skip
    at_start = check(trainer)
    list(trainer.epochs(10))
    for result in (at_start, check(trainer)):
        assert result.ratio < 1e-7, result
        assert result.checked == trainer.theta.shape[1]


@pytest.mark.parametrize("more", [{}, {"hidden": ()}, {"batch_norm": True}, {"embeddings": CODES, "hidden": (4,)}])
@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
def test_numerical_gradient_of_members_that_share_a_body(
    make_trainer: Callable[..., Trainer], loss: str, outputs: int, more: dict[str, Any]
) -> None:
    train = made_up(50, loss, outputs, seed=1)
    if "embeddings" in more:
        train.x[:] = with_codes(50, 1).x
    weighted = Examples(train.x, train.y, np.linspace(0.5, 1.5, 50))
    settings = {"hidden": (5, 4), "members": 3, "l2": 0.5, "batch_size": 10, "learning_rate": 0.03} | more
    trainer = make_trainer([3], loss=loss, outputs=outputs, train=weighted, dev=weighted, **settings)
    at_start = check(trainer)
    list(trainer.epochs(5))
    trained = check_gradient(
        trainer.network, trainer.recipe.loss, trainer.recipe.hyperparameters, trainer.theta[0], trainer.state[0],
        weighted.take(slice(11)),
    )  # fmt: skip
    for result in (at_start, trained):
        assert result.ratio < 1e-7, result
        assert result.checked == trainer.theta.shape[1]


# ---------------------------------------------------------------------------------------------------------------------
# An independent reference: one example after the other in plain Python numbers, derivatives by complex step:
# f(θ + ih) = f(θ) + ih·f'(θ) − …, so f' = Im f(θ + ih)/h without any subtraction, exact to rounding at h = 1e-30.


def sigmoid(z: complex) -> complex:
    return 1 / (1 + cmath.exp(-z))


PLAIN: dict[str, Callable[[complex], complex]] = {
    "relu": lambda z: z if z.real > 0 else 0,
    "leaky_relu": lambda z: z if z.real > 0 else z / 100,
    "tanh": cmath.tanh,
    "sigmoid": sigmoid,
    "linear": lambda z: z,
    "elu": lambda z: z if z.real > 0 else cmath.exp(z) - 1,
    "gelu": lambda z: z / 2 * (1 + cmath.tanh((z + 0.044715 * z**3) * math.sqrt(2 / math.pi))),
    "silu": lambda z: z * sigmoid(z),
}
assert set(PLAIN) == set(ACTIVATIONS)


def normalised(columns: list[list[complex]], gamma: list[complex], beta: list[complex]) -> list[list[complex]]:
    """Batch norm of one list a unit."""
    done = []
    for unit, values in enumerate(columns):
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        done.append([(v - mean) / cmath.sqrt(variance + 1e-5) * gamma[unit] + beta[unit] for v in values])
    return done


def example_loss(loss: str, z: list[complex], y: Any) -> complex:
    if loss == "cross_entropy" and len(z) == 1:
        return -cmath.log(sigmoid(z[0] if y == 1 else -z[0]))
    if loss == "cross_entropy":
        return -cmath.log(cmath.exp(z[int(y)]) / sum(cmath.exp(v) for v in z))
    residuals = [v - float(t) for v, t in zip(z, y, strict=True)]
    if loss == "squared_error":
        return sum(r * r for r in residuals) / len(residuals)
    return sum(r * r / 2 if abs(r.real) <= 1 else (r if r.real > 0 else -r) - 0.5 for r in residuals) / len(residuals)


@dataclass
class PlainNetwork:
    """J of a batch by loops; `numbers` maps a parameter's name to nested lists."""

    widths: list[int]
    activation: str
    loss: str
    batch_norm: bool
    l1: float
    l2: float

    def cost(self, p: dict[str, Any], x: Array, y: Array) -> complex:
        rows: list[list[complex]] = [[complex(v) for v in row] for row in x]
        depth = len(self.widths) - 1
        penalty: complex = 0
        for layer in range(1, depth + 1):
            name = f"dense{layer}" if layer < depth else "output"
            W = p[f"{name}.W"]
            penalty += sum(self.l2 * w * w + self.l1 * (w if w.real > 0 else -w) for line in W for w in line)
            b = p[f"{name}.b"][0] if f"{name}.b" in p else [0] * len(W[0])
            rows = [[sum(a * W[i][j] for i, a in enumerate(row)) + b[j] for j in range(len(b))] for row in rows]
            if layer == depth:
                break
            if self.batch_norm:
                columns = [list(column) for column in zip(*rows, strict=True)]
                columns = normalised(columns, p[f"norm{layer}.gamma"][0], p[f"norm{layer}.beta"][0])
                rows = [list(row) for row in zip(*columns, strict=True)]
            rows = [[PLAIN[self.activation](z) for z in row] for row in rows]
        data = sum(example_loss(self.loss, row, target) for row, target in zip(rows, y, strict=True))
        return (data + penalty / 2) / len(rows)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_and_cost_equal_those_of_a_plain_loop(
    make_trainer: Callable[..., Trainer], activation: str, loss: str, outputs: int, batch_norm: bool
) -> None:
    l1, l2, m = 0.4, 0.6, 5
    trainer = make_trainer(
        [8], loss=loss, outputs=outputs, hidden=(3, 4), activation=activation, batch_norm=batch_norm, l1=l1, l2=l2
    )
    theta = trainer.theta[0] + 0.1 * np.random.default_rng(5).standard_normal(trainer.theta.shape[1])
    x, y = trainer.batches.examples.x[:m], trainer.batches.examples.y[:m]
    widths = [6, 3, 4, trainer.network.width]
    plain = PlainNetwork(widths, activation, loss, batch_norm, l1, l2)

    def cost(vector: Array) -> complex:
        return plain.cost({k: v.tolist() for k, v in trainer.network.theta.views(vector).items()}, x, y)

    h = 1e-30
    steps = 1j * h * np.eye(len(theta))
    expected = np.array([cost(theta + step).imag / h for step in steps])
    engine = _Cost(
        trainer.network, trainer.recipe.loss, trainer.recipe.hyperparameters, trainer.state[0], Examples(x, y)
    )
    np.testing.assert_allclose(engine.gradient(theta[None])[0], expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(engine(theta[None])[0], cost(theta + 0j).real, rtol=1e-13)


# ---------------------------------------------------------------------------------------------------------------------
# The check itself.


class LastExampleOnly(Dense):
    """W gets the right gradient, b that of the last example alone."""

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, right = super().forward(p, s, x, mode)

        def backward(dy: Array, g: Views) -> Array | None:
            last = dy[..., -1:, :].copy()
            dx = right(dy, g)
            g["b"][...] = last
            return dx

        return y, backward


class TakesMeanForConstant(BatchNorm):
    """dx = dy·γ/√(σ² + ε), as if μ and σ² did not depend on x: wrong for all layers before it."""

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, right = super().forward(p, s, x, mode)
        deviation = np.sqrt(x.var(axis=-2, keepdims=True) + EPSILON)

        def backward(dy: Array, g: Views) -> Array:
            wrong = dy * p["gamma"] / deviation
            right(dy, g)
            return wrong

        return y, backward


class ScalesGamma(BatchNorm):
    """The gradient of γ is half too large."""

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, right = super().forward(p, s, x, mode)

        def backward(dy: Array, g: Views) -> Array | None:
            dx = right(dy, g)
            g["gamma"] *= 1.5
            return dx

        return y, backward


class SlopeOfTwice(Activate):
    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, right = super().forward(p, s, x, mode)
        return y, lambda dy, g: 2 * right(dy, g)


def network(**wrong: Any) -> Network:
    layers: dict[str, Any] = {
        "dense1": Dense(4, input_gradient=False),
        "tanh1": Activate("tanh"),
        "dense2": Dense(5, bias=False),
        "norm2": BatchNorm(),
        "tanh2": Activate("tanh"),
        "output": Dense(2),
    }
    return Network(list((layers | wrong).items()), n_in=3)


def checked(net: Network, epsilon: float = 1e-5, most: int | None = None, loss: str = "squared_error") -> GradientCheck:
    rng = np.random.default_rng(4)
    theta, state = np.empty(net.theta.size), np.empty(net.state.size)
    net.draw(theta, state, 1, INITIALIZERS["xavier"](), {n: 1.0 for n, layer in net.layers if isinstance(layer, Dense)})
    examples = Examples(rng.standard_normal((9, 3)), rng.standard_normal((9, net.width)))
    return check_gradient(
        net, LOSSES[loss](net.width), Hyperparameters.of(), theta, state, examples, epsilon=epsilon, most=most
    )


def test_right_network_passes() -> None:
    assert checked(network()).ratio < 1e-8


@pytest.mark.parametrize(
    ("wrong", "layer", "parameter"),
    [
        ({"output": LastExampleOnly(2)}, "output", "output.b["),
        ({"dense1": LastExampleOnly(4, input_gradient=False)}, "dense1", "dense1.b["),
        ({"norm2": ScalesGamma()}, "norm2", "norm2.gamma["),
        ({"tanh1": SlopeOfTwice("tanh")}, "dense1", "dense1."),
    ],
)
def test_wrong_gradient_is_a_bug_and_its_place_is_named(wrong: dict[str, Any], layer: str, parameter: str) -> None:
    result = checked(network(**wrong))
    assert result.verdict == "bug"
    assert result.worst_layer == layer
    assert result.worst_parameter.startswith(parameter)


def test_each_layer_has_its_worst_parameter_with_both_numbers() -> None:
    right, wrong = checked(network()), checked(network(output=LastExampleOnly(2)))
    assert [each.layer for each in right.layers] == ["dense1", "dense2", "norm2", "output"]
    assert sum(each.checked for each in right.layers) == right.checked
    for each in right.layers:
        assert each.parameter.startswith(f"{each.layer}.")
        assert each.numerical == pytest.approx(each.analytic, rel=1e-5, abs=1e-8)
    found = {each.layer: each for each in wrong.layers}
    assert found["output"].ratio > 0.01 > 1e-5 > found["dense1"].ratio  # what lies before is right
    assert found["output"].parameter == wrong.worst_parameter
    assert found["output"].numerical != pytest.approx(found["output"].analytic, rel=0.01)


def test_batch_norm_that_takes_the_mean_for_a_constant_is_a_bug_before_it() -> None:
    result = checked(network(norm2=TakesMeanForConstant()))
    assert result.verdict == "bug"
    assert result.worst_layer in ("dense1", "dense2")


def test_gradient_that_is_not_a_number_is_a_bug() -> None:
    class Nothing(Dense):
        def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
            y, right = super().forward(p, s, x, mode)

            def backward(dy: Array, g: Views) -> Array | None:
                dx = right(dy, g)
                g["W"][..., 2, 1] = np.nan
                return dx

            return y, backward

    result = checked(network(output=Nothing(2)))
    assert result.verdict == "bug"
    assert result.worst_parameter == "output.W[2, 1]"


def one_relu(weight: float, epsilon: float, activation: str = "relu") -> GradientCheck:
    """x = 1 → z = weight·1 + 0 → relu → output with weight 2; J = (2·relu(z) − 5)²."""
    net = Network(
        [("dense1", Dense(1, input_gradient=False)), (f"{activation}1", Activate(activation)), ("output", Dense(1))],
        n_in=1,
    )
    theta = np.zeros(net.theta.size)
    views = net.theta.views(theta)
    views["dense1.W"][...], views["output.W"][...] = weight, 2.0
    examples = Examples(np.ones((1, 1)), np.full((1, 1), 5.0))
    return check_gradient(
        net, LOSSES["squared_error"](1), Hyperparameters.of(), theta, np.empty(0), examples, epsilon=epsilon
    )


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_unit_that_crosses_its_kink_is_counted_and_is_no_bug(activation: str) -> None:
    # z = 3e-6; ± 1e-5 on dense1.W or dense1.b reaches −7e-6 and 13e-6, on both sides of the kink: 2 of 4 parameters.
    # There the difference is (13e-6 − 0)/2e-5 = 0.65 of the slope, which without the care taken would be a bug.
    result = one_relu(3e-6, epsilon=1e-5, activation=activation)
    assert (result.kinks, result.checked) == (2, 2)
    assert result.verdict == "great"


def test_the_same_unit_does_not_cross_with_a_smaller_step() -> None:
    result = one_relu(3e-6, epsilon=1e-6)
    assert (result.kinks, result.checked) == (0, 4)
    assert result.ratio < 1e-5


def test_weight_within_epsilon_of_zero_crosses_the_kink_of_l1() -> None:
    net = Network([("output", Dense(1))], n_in=2)
    theta = np.array([4e-6, 0.5, 0.0])  # two weights and b; only the first weight is nearer to 0 than 1e-5
    examples = Examples(np.ones((1, 2)), np.ones((1, 1)))
    result = check_gradient(
        net, LOSSES["squared_error"](1), Hyperparameters.of(l1=3.0), theta, np.empty(0), examples, epsilon=1e-5
    )
    assert (result.kinks, result.checked) == (1, 2)
    assert result.ratio < 1e-8


def test_zero_weights_put_every_unit_on_its_kink(make_trainer: Callable[..., Trainer]) -> None:
    result = check(make_trainer(activation="relu", init=INITIALIZERS["zeros"]()))
    assert result.kinks > 0
    assert result.verdict == "great"


def test_dropout_is_off(make_trainer: Callable[..., Trainer]) -> None:
    plain = check(make_trainer([4], activation="tanh", l2=0.5))
    dropped = check(make_trainer([4], activation="tanh", l2=0.5, dropout=0.5, input_dropout=0.2))
    assert dropped == plain
    assert dropped.ratio < 1e-7


@pytest.mark.parametrize("outputs", [2, 3])
def test_smoothed_labels(make_trainer: Callable[..., Trainer], outputs: int) -> None:
    trainer = make_trainer([3], outputs=outputs, label_smoothing=0.3, l2=0.5, learning_rate=0.1)
    list(trainer.epochs(5))
    assert check(trainer).ratio < 1e-7
    plain = make_trainer([3], outputs=outputs, l2=0.5)
    examples = Examples(trainer.batches.examples.x[:11], trainer.batches.examples.y[:11])
    h, theta, state = plain.recipe.hyperparameters, trainer.theta[:1], trainer.state[0]
    unsmoothed = _Cost(plain.network, plain.recipe.loss, h, state, examples).gradient(theta)[0]
    assert check(trainer, gradient=unsmoothed).verdict == "bug"


def test_sample_of_the_parameters() -> None:
    some, every = checked(network(), most=7), checked(network(), most=10_000)
    assert some.checked == 7
    assert every.checked == network().theta.size
    assert checked(network(), most=7) == some, "the sample is fixed"
    wrong = network(output=LastExampleOnly(2))
    assert checked(wrong, most=wrong.theta.size - 1).verdict == "bug"


def test_a_sample_sees_every_layer_and_the_small_arrays() -> None:
    # One of each of the eight arrays: the output's two biases are wrong, two numbers among fifty.
    wrong = network(output=LastExampleOnly(2))
    arrays = len(wrong.theta.slices)
    assert checked(wrong, most=arrays).verdict == "bug"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.0, "great"),
        (9.9e-8, "great"),
        (1.1e-7, "acceptable"),
        (9.9e-6, "acceptable"),
        (1.1e-5, "suspicious"),
        (9.9e-4, "suspicious"),
        (1.1e-3, "bug"),
        (1.0, "bug"),
        (math.nan, "bug"),
    ],
)
def test_verdicts(ratio: float, verdict: str) -> None:
    assert GradientCheck(ratio, "dense1", "dense1.W[0, 0]", 1, 0).verdict == verdict


def test_differences_are_two_sided() -> None:
    # θ³ at 1 with ε = 0.01: (1.030301 − 0.970299) / 0.02 = 0.060002 / 0.02 = 3.0001;
    # one-sided it would be (1.030301 − 1) / 0.01 = 3.0301, three hundred times further from 3.
    def cube(thetas: Array) -> tuple[Array, list[Array]]:
        return thetas[:, 0] ** 3, []

    values, smooth = _differences(cube, np.array([[1.0]]), np.array([0]), 0.01, 0)
    assert values == pytest.approx([3.0001], abs=1e-10)
    assert smooth.all()
