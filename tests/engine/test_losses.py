from __future__ import annotations

import math

import numpy as np
import pytest

from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.losses import LOSSES, Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy, smoothed, softmax


def gradient(loss: Loss, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    return loss.gradient(logits.copy(), loss.targets(y, logits.dtype), out=np.empty_like(logits))


def sums(loss: Loss, logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return loss.sums(logits, loss.targets(y, logits.dtype))


def test_softmax_of_the_worked_example() -> None:
    # e^5 = 148.4, e^2 = 7.4, e^−1 = 0.4, e^3 = 20.1; their sum 176.3.
    assert softmax(np.array([[5.0, 2, -1, 3]])).round(3).tolist() == [[0.842, 0.042, 0.002, 0.114]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_at_thousands(dtype: str) -> None:
    logits = np.array([[1000, -1000, 0], [1000, 1000, -1000], [-1000, -1000, -1000]], dtype)
    third = np.full(3, 1 / 3)
    np.testing.assert_allclose(softmax(logits), [[1, 0, 0], [0.5, 0.5, 0], third], rtol=1e-6)
    loss, y = LOSSES["cross_entropy"](3), np.array([1, 0, 2])
    # −log of what is left for class 1 is 2000; log 2; log 3.
    assert sums(loss, logits, y)[0] == pytest.approx(2000 + math.log(2) + math.log(3), rel=1e-6)
    np.testing.assert_allclose(
        gradient(loss, logits, y) * 3, [[1, -1, 0], [-0.5, 0.5, 0], [1 / 3, 1 / 3, -2 / 3]], atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_cross_entropy_at_thousands(dtype: str) -> None:
    logits = np.array([[1000], [-1000], [1000], [-1000]], dtype)
    loss, y = LOSSES["cross_entropy"](2), np.array([1, 0, 0, 1])
    total, wrong = sums(loss, logits, y)
    assert (total, wrong) == (2000, 2)
    assert (gradient(loss, logits, y) * 4).ravel().tolist() == [0, 0, 1, -1]
    assert loss.predict(logits)[:2].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_less_probable_of_two_classes_is_no_zero(dtype: str) -> None:
    """σ(−z) = e^−z / (1 + e^−z), to a few last digits at any size; 1 − σ(z) was 0 from 17 on in float32."""
    z, precision = np.array([[0.1], [1], [17], [40], [80]], dtype), float(np.finfo(dtype).eps)
    exact = np.exp(-z[:, 0].astype(float)) / (1 + np.exp(-z[:, 0].astype(float)))
    for sure, few in ((z, 0), (-z, 1)):
        p = SigmoidCrossEntropy().predict(sure)
        np.testing.assert_allclose(p[:, few], exact, rtol=4 * precision)
        np.testing.assert_allclose(p[:, 1 - few], 1 - exact, rtol=4 * precision)
    infinite = SigmoidCrossEntropy().predict(np.array([[np.inf], [-np.inf]], dtype))
    assert infinite.tolist() == [[0, 1], [1, 0]]


def test_binary_cross_entropy_by_hand() -> None:
    # σ(log 3) = 3/4. y = 1: −log 3/4; y = 0: −log 1/4. Gradient (ŷ − y)/m with m = 2: −1/8 and 3/8.
    logits, y = np.full((2, 1), math.log(3)), np.array([1, 0])
    loss = SigmoidCrossEntropy()
    total, wrong = sums(loss, logits, y)
    assert total == pytest.approx(-math.log(0.75) - math.log(0.25))
    assert wrong == 1
    assert gradient(loss, logits, y).ravel() == pytest.approx([-0.125, 0.375])
    assert loss.predict(logits).tolist() == [pytest.approx([0.25, 0.75])] * 2


def test_softmax_cross_entropy_by_hand() -> None:
    # Logits log 1, log 2, log 5 → 1/8, 2/8, 5/8. Class 1: −log 1/4, and class 2 is the largest: a mistake.
    logits = np.log([[1.0, 2, 5], [1, 2, 5]])
    loss, y = SoftmaxCrossEntropy(3), np.array([1, 2])
    total, wrong = sums(loss, logits, y)
    assert total == pytest.approx(math.log(4) + math.log(8 / 5))
    assert wrong == 1
    np.testing.assert_allclose(gradient(loss, logits, y) * 2, [[1 / 8, -6 / 8, 5 / 8], [1 / 8, 2 / 8, -3 / 8]])
    assert loss.predict(logits)[0].tolist() == pytest.approx([0.125, 0.25, 0.625])


def test_softmax_over_two_classes_is_logistic() -> None:
    rng = np.random.default_rng(0)
    pairs, y = 5 * rng.standard_normal((40, 2)), rng.integers(0, 2, 40)
    single = pairs[:, 1:] - pairs[:, :1]
    two, one = SoftmaxCrossEntropy(2), SigmoidCrossEntropy()
    np.testing.assert_allclose(sums(two, pairs, y), sums(one, single, y), rtol=1e-12)
    np.testing.assert_allclose(gradient(two, pairs, y)[:, 1:], gradient(one, single, y), atol=1e-15)
    np.testing.assert_allclose(two.predict(pairs), one.predict(single), atol=1e-15)


def test_gradient_of_a_softmax_adds_up_to_nothing() -> None:
    rng = np.random.default_rng(1)
    logits, y = rng.standard_normal((4, 7, 5)), rng.integers(0, 5, (4, 7))
    np.testing.assert_allclose(gradient(SoftmaxCrossEntropy(5), logits, y).sum(axis=-1), 0, atol=1e-15)


def test_squared_error_by_hand() -> None:
    # Residuals 1 and −3, then 2 and 0: (1 + 9)/2 + (4 + 0)/2 = 7; gradient 2r/(m·width) = r/2.
    logits, y = np.array([[2.0, 1], [5, 5]]), np.array([[1.0, 4], [3, 5]])
    loss = LOSSES["squared_error"](2)
    assert [float(v) for v in sums(loss, logits, y)] == [7, 7]
    assert gradient(loss, logits, y).tolist() == [[0.5, -1.5], [1, 0]]
    assert (loss.predict(logits) == logits).all()


def test_huber_by_hand() -> None:
    # Residuals 0.5, −2, 3: 0.125 + (2 − 0.5) + (3 − 0.5) = 4.125; slopes 0.5, −1, 1 over m = 3.
    # The mistakes stay squared: 0.25 + 4 + 9.
    logits, y = np.array([[0.5], [-2], [3]]), np.zeros((3, 1))
    loss = LOSSES["huber"](1)
    assert [float(v) for v in sums(loss, logits, y)] == [4.125, 13.25]
    assert (gradient(loss, logits, y) * 3).ravel() == pytest.approx([0.5, -1, 1])


def test_huber_of_two_outputs_is_their_mean() -> None:
    # 0.125 and 1.5 in one example: 0.8125; slopes 0.5 and −1 over m·width = 2.
    logits, y = np.array([[0.5, -2]]), np.zeros((1, 2))
    loss = LOSSES["huber"](2)
    assert float(sums(loss, logits, y)[0]) == 0.8125
    assert gradient(loss, logits, y).tolist() == [[0.25, -0.5]]


def test_cross_entropy_takes_one_logit_for_two_classes() -> None:
    assert [LOSSES["cross_entropy"](classes).width for classes in (2, 3, 10)] == [1, 3, 10]


@pytest.mark.parametrize(("loss", "outputs"), [("cross_entropy", 2), ("cross_entropy", 4), ("huber", 3)])
def test_members_are_measured_apart(loss: str, outputs: int) -> None:
    rng = np.random.default_rng(2)
    goal = LOSSES[loss](outputs)
    logits = rng.standard_normal((3, 6, goal.width))
    y = rng.integers(0, outputs, 6) if loss == "cross_entropy" else rng.standard_normal((6, outputs))
    total, wrong = sums(goal, logits, y[None])
    each = [sums(goal, member, y) for member in logits]
    assert total.shape == wrong.shape == (3,)
    assert total == pytest.approx([t for t, _ in each])
    assert wrong == pytest.approx([w for _, w in each])


def test_of_equal_logits_the_first_counts() -> None:
    loss = SoftmaxCrossEntropy(3)
    logits = np.array([[[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    targets = loss.targets(np.array([[0, 1, 2, 0]]), logits.dtype)
    # Right, wrong (class 0 comes first), wrong, right.
    assert loss.sums(logits, targets)[1].tolist() == [2]


def test_a_row_that_is_not_a_number_is_a_mistake_unless_it_is_of_the_first_class() -> None:
    loss = SoftmaxCrossEntropy(2)
    logits = np.array([[[np.nan, 1.0], [0.0, 1.0], [np.nan, 1.0]]])
    targets = loss.targets(np.array([[1, 1, 0]]), logits.dtype)
    assert loss.sums(logits, targets)[1].tolist() == [1]


@pytest.mark.parametrize("outputs", [2, 4])
def test_a_pool_predicts_the_weighted_mean_of_probabilities(outputs: int) -> None:
    loss, weights = LOSSES["cross_entropy"](outputs), np.array([0.5, 0.2, 0.3])
    logits = np.random.default_rng(1).normal(0, 4, (3, 2, 5, loss.width))
    mean = np.tensordot(weights, loss.predict(logits), axes=1)
    np.testing.assert_allclose(loss.predict(loss.pool(logits, weights)), mean, rtol=1e-12)


def test_a_pool_of_values_is_their_weighted_mean() -> None:
    pooled = LOSSES["squared_error"](1).pool(np.array([[[1.0]], [[4.0]]]), np.array([0.25, 0.75]))
    assert pooled.tolist() == [[3.25]]


@pytest.mark.parametrize("outputs", [2, 3])
def test_a_pool_of_members_that_are_sure_stays_finite(outputs: int) -> None:
    loss = LOSSES["cross_entropy"](outputs)
    logits = np.full((2, 1, loss.width), -2000.0)
    logits[0, 0, 0] = 2000.0
    half = loss.predict(loss.pool(logits, np.array([0.5, 0.5])))
    # One member is sure of a class; the other is sure of its contrary, or has no opinion among three.
    expected = [0.5, 0.5] if outputs == 2 else [0.5 + 1 / 6, 1 / 6, 1 / 6]
    np.testing.assert_allclose(half[0], expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "outputs"), [("cross_entropy", 3), ("cross_entropy", 40), ("squared_error", 3)])
def test_a_row_is_pooled_alone_as_among_others(name: str, outputs: int) -> None:
    loss, weights = LOSSES[name](outputs), np.array([0.6, 0.3, 0.1])
    logits = np.random.default_rng(2).normal(0, 3, (3, 67, outputs)).astype(np.float32)
    together = loss.pool(logits, weights)
    for row in (0, 5, 66):
        np.testing.assert_array_equal(loss.pool(logits[:, row : row + 1], weights)[0], together[row])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_smoothed_targets_by_hand(dtype: str) -> None:
    # 0.2 of the target to all alike: of four classes 0.05 each, of two 0.1; the first member has none.
    h = Hyperparameters.of(2, label_smoothing=[0.0, 0.2])
    four = LOSSES["cross_entropy"](4).targets(np.array([[2]]), np.dtype(dtype))
    assert smoothed(four, h).round(6).tolist() == [[[0, 0, 1, 0]], [pytest.approx([0.05, 0.05, 0.85, 0.05])]]
    two = LOSSES["cross_entropy"](2).targets(np.array([[1, 0]]), np.dtype(dtype))
    assert smoothed(two, h).tolist() == [[[1], [0]], [[pytest.approx(0.9)], [pytest.approx(0.1)]]]
    assert smoothed(two, h).dtype == dtype
    assert smoothed(two, Hyperparameters.of(2)) is two
