"""Averages of parameters that a network is judged by: their values, and that training goes on without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nnrun.engine.evaluation import Evaluator
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.network import Observer
from nnrun.engine.optimizers import AVERAGE
from nnrun.engine.parameters import Array
from nnrun.engine.trainer import NumpyEngine, Trainer
from nnrun.engine.update import Optimizer

Make = Callable[..., Trainer]


def walked(epochs: int, steps: int, **average: float) -> list[float]:
    """The average after each step; theta goes 5, 4, 3, 2, …, and a number beside it ten times that."""
    theta, gradient, state = np.array([[5.0]]), np.empty((1, 1)), np.array([[50.0]])
    moves = Optimizer("sgd", Hyperparameters.of(learning_rate=1.0, **average), theta, gradient, 1, state)
    found = []
    for epoch in range(epochs):
        moves.plan(np.arange(1, steps + 1) + epoch * steps, np.ones(steps), np.ones(steps), epoch + 1)
        for index in range(steps):
            gradient[:], state[:] = 1.0, state - 10
            moves.step(index)
            mine, beside = moves.slots[AVERAGE][0].tolist()
            assert beside == pytest.approx(10 * mine)
            found.append(mine)
    return found


def test_over_steps_it_begins_with_the_first_and_forgets_faster_at_first() -> None:
    """κ = 0, 1/10, 2/11, then 0.2 in place of 3/12."""
    assert walked(1, 4, ema=0.2) == pytest.approx([4, 0.1 * 4 + 0.9 * 3, 2 / 11 * 3.1 + 9 / 11 * 2, 0.2 * 2.2 + 0.8])


def test_over_epochs_every_end_from_the_first_on_counts_alike() -> None:
    """θ at the ends of the epochs is 3, 1, −1, −3; the average is over those of the second epoch and after."""
    assert walked(4, 2, swa=2)[1::2] == pytest.approx([3, 1, (1 - 1) / 2, (1 - 1 - 3) / 3])
    assert walked(4, 2, swa=1)[1::2] == pytest.approx([3, (3 + 1) / 2, (3 + 1 - 1) / 3, 0])


def test_nothing_is_kept_without() -> None:
    moves = Optimizer("sgd", Hyperparameters.of(), np.zeros((1, 1)), np.zeros((1, 1)), 1)
    assert moves.average is None and not moves.slots


def test_statistics_of_batch_norm_are_averaged_as_the_parameters_are(make_trainer: Make) -> None:
    ends: list[Array] = []

    class Engine(NumpyEngine):
        def train(self, trainer: Trainer, see: Observer | None, measure: bool) -> Iterator[int]:
            for done in super().train(trainer, see, measure):
                ends.append(np.hstack([trainer.theta, trainer.state]))
                yield done

    trainer = make_trainer(batch_norm=True, optimizer="adam", ema=0.4, engine=Engine)
    list(trainer.epochs(2))
    expected = np.zeros_like(ends[0])
    for t, now in enumerate(ends, start=1):
        kept = min(0.4, (t - 1) / (t + 8))
        expected = kept * expected + (1 - kept) * now
    np.testing.assert_allclose(np.hstack(trainer.judged[:2]), expected, rtol=1e-12)


@pytest.mark.parametrize("average", [{"ema": 0.9}, {"swa": 2}])
def test_an_epoch_is_measured_by_it(make_trainer: Make, average: dict[str, float]) -> None:
    """Losses, errors and the cost with its penalty."""
    options: dict[str, Any] = {"batch_norm": True, "optimizer": "adam", "learning_rate": 0.05, "l2": 0.5}
    trainer = make_trainer(**options, **average)
    *_, last = trainer.epochs(4)
    theta, state, _ = trainer.judged
    bound = trainer.network.bind(theta.copy(), state.copy(), np.empty_like(theta))
    for evaluator, loss, error in (
        (trainer.on_train, last.train_loss, last.train_error),
        (trainer.on_dev, last.dev_loss, last.dev_error),
    ):
        found = Evaluator(trainer.network, trainer.recipe.loss, evaluator.examples)(bound)
        assert (found[0], found[1]) == (loss, error)
    assert last.cost == last.train_loss + trainer.penalty_of(theta)


def test_before_the_first_epoch_of_an_average_the_parameters_are_judged(make_trainer: Make) -> None:
    options: dict[str, Any] = {"batch_norm": True, "optimizer": "adam"}
    raw, averaged = list(make_trainer(**options).epochs(4)), list(make_trainer(**options, swa=3).epochs(4))
    same = [float(one.dev_loss[0]) == float(other.dev_loss[0]) for one, other in zip(raw, averaged, strict=True)]
    assert same == [True, True, True, False]


def test_what_goes_on_with_an_average_begins_it_with_what_it_stands_at(make_trainer: Make) -> None:
    old, new = make_trainer(batch_norm=True), make_trainer(batch_norm=True, ema=0.9)
    list(old.epochs(2))
    new.continue_from(old)
    assert np.array_equal(new.judged.theta, old.theta) and np.array_equal(new.judged.state, old.state)
    list(new.epochs(3))
    other = make_trainer(batch_norm=True, ema=0.99)
    other.continue_from(new)
    assert np.array_equal(other.judged.theta, new.judged.theta), "it goes on"


@np.errstate(over="ignore", invalid="ignore")
def test_numbers_that_overflow_are_found_in_it_too(make_trainer: Make) -> None:
    trainer = make_trainer(loss="squared_error", outputs=2, learning_rate=1e200, ema=0.9)
    *_, last = trainer.epochs(3)
    assert set(last.diverged) == {0}
    assert all(np.isfinite(vector).all() for vector in trainer._vectors().values())
