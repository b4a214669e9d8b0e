"""Weighted examples: each loss against differences, rows written twice or left out, and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score

from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.gradient_check import check_gradient
from nnrun.engine.losses import LOSSES
from nnrun.engine.trainer import Trainer

TARGETS = [("cross_entropy", 2), ("cross_entropy", 3), ("squared_error", 1), ("squared_error", 2), ("huber", 2)]
assert {loss for loss, _ in TARGETS} == set(LOSSES), "a loss of the table has no contract test"

Make = Callable[..., Trainer]
MakeExamples = Callable[..., Examples]


def weighted(examples: Examples, weights: np.ndarray) -> Examples:
    """Normalised to a mean of 1, as the data has them."""
    return Examples(examples.x, examples.y, (weights / weights.mean()).astype(examples.x.dtype))


def some_weights(rows: int) -> np.ndarray:
    return np.random.default_rng(5).gamma(1, size=rows)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
def test_gradient(make_trainer: Make, make_examples: MakeExamples, loss: str, outputs: int, batch_norm: bool) -> None:
    batch = weighted(make_examples(11, loss, outputs), some_weights(11))
    trainer = make_trainer([3], loss=loss, outputs=outputs, batch_norm=batch_norm, l2=0.5)
    recipe, theta, state = trainer.recipe, trainer.theta[0], trainer.state[0]
    assert check_gradient(trainer.network, recipe.loss, recipe.hyperparameters, theta, state, batch).ratio < 1e-7


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize(
    ("weights", "rows"),
    [
        ([2] * 10 + [1] * 20, [*range(10), *range(30)]),
        ([0] * 10 + [1] * 20, [*range(10, 30)]),
        ([3] * 5 + [0] * 20 + [2] * 5, [*range(5)] * 3 + [*range(25, 30)] * 2),
    ],
    ids=["twice", "absent", "both"],
)
def test_whole_weights_are_rows_so_many_times(
    make_trainer: Make, make_examples: MakeExamples, loss: str, outputs: int, weights: list[int], rows: list[int]
) -> None:
    data = make_examples(30, loss, outputs)
    shared: dict[str, Any] = {"loss": loss, "outputs": outputs, "optimizer": "adam", "learning_rate": 0.05}
    parts = weighted(data, np.array(weights)), data.take(np.array(rows))
    runs = [make_trainer([1, 2], train=part, dev=part, batch_size=len(part), **shared) for part in parts]
    for ours, theirs in zip(*(list(run.epochs(8)) for run in runs), strict=True):
        for name in ("train_loss", "train_error", "dev_loss", "dev_error"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9)
    np.testing.assert_allclose(runs[0].theta, runs[1].theta, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("batch_size", [7, 50])
def test_stacked_alone_and_resumed(
    make_trainer: Make, make_examples: MakeExamples, loss: str, outputs: int, batch_size: int
) -> None:
    train = weighted(make_examples(50, loss, outputs, dtype="float32"), some_weights(50))
    shared: dict[str, Any] = {"loss": loss, "outputs": outputs, "optimizer": "adam", "dtype": "float32"}
    shared |= {"train": train, "dev": train, "batch_norm": True, "batch_size": batch_size}
    rates = [1e-2, 1e-3, 3e-2]
    together, first, second = (make_trainer([1, 2, 3], learning_rate=rates, **shared) for _ in range(3))
    list(together.epochs(6))
    list(first.epochs(2))
    second.restore(first.snapshot())
    list(second.epochs(6))
    assert second.theta.tobytes() == together.theta.tobytes()
    for k, rate in enumerate(rates):
        alone = make_trainer([k + 1], learning_rate=rate, **shared)
        list(alone.epochs(6))
        assert alone.theta[0].tobytes() == together.theta[k].tobytes()


def test_equal_weights_change_no_bit(make_trainer: Make, make_examples: MakeExamples) -> None:
    plain = make_examples(50, "cross_entropy", 3)
    ones, different = weighted(plain, np.ones(50)), weighted(plain, some_weights(50))
    runs = [make_trainer(train=part) for part in (plain, ones, different)]
    for run in runs:
        list(run.epochs(3))
    assert runs[0].theta.tobytes() == runs[1].theta.tobytes() != runs[2].theta.tobytes()


@pytest.mark.parametrize(("loss", "outputs"), TARGETS[:4])
def test_loss_and_error_are_those_of_scikit_learn(
    make_trainer: Make, make_examples: MakeExamples, loss: str, outputs: int
) -> None:
    trainer, data = make_trainer(loss=loss, outputs=outputs), make_examples(700, loss, outputs)
    w = some_weights(700)
    (found_loss,), (error,) = Evaluator(trainer.network, trainer.recipe.loss, weighted(data, w))(trainer.bound)
    predicted = trainer.recipe.loss.predict(trainer.network.forward(trainer.bound, data.x[None], trainer.mode)[0])[0]
    if loss == "cross_entropy":
        assert found_loss == pytest.approx(log_loss(data.y, predicted, sample_weight=w))
        assert error == pytest.approx(1 - accuracy_score(data.y, predicted.argmax(axis=1), sample_weight=w))
    else:
        r2 = r2_score(data.y, predicted, sample_weight=w, multioutput="variance_weighted")
        assert error == pytest.approx(1 - r2)
