"""Going on by other numbers where a trainer stands: what the optimizer has gathered keeps its meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import Trainer
from nnrun.engine.update import Optimizer, hyperparameters

Make = Callable[..., Trainer]
ONE = np.ones(1, bool)
CORRECTED = {"bias_correction": True}


def optimizer(name: str, **values: Any) -> Optimizer:
    """Of one parameter in one member, at 0, whose gradient is `gradient[0, 0]`."""
    return Optimizer(name, hyperparameters(name, 1, **values), np.zeros((1, 1)), np.zeros((1, 1)), n_weights=1)


def after(name: str, gradients: list[float], **values: Any) -> Optimizer:
    """After a step along each of these gradients."""
    moves, n = optimizer(name, **values), len(gradients)
    moves.plan(np.arange(1, n + 1), np.ones(n), np.ones(n, int))
    for index, gradient in enumerate(gradients):
        moves.gradient[0, 0] = gradient
        moves.step(index)
    return moves


# By hand: slots hold sums s = βs + g. After the gradients 4 and 2:
#   β = 0.5 → s = 0.5·4 + 2 = 4; its average (1 − 0.5)·4 = 2; as a sum of β = 0.8 that is 2/(1 − 0.8) = 10.
#   corrected: c = (1 − 0.5)/(1 − 0.5²) = 2/3, average 8/3; with 0.8: c = 0.2/(1 − 0.64) = 5/9, so the sum is 4.8.
#   squares: β = 0.5 → 0.5·16 + 4 = 12, average 6, as a sum of 0.75: 6/0.25 = 24.
#   corrected: 2/3·12 = 8; with 0.75: c = 0.25/(1 − 0.5625) = 4/7, so the sum is 14.
WORKED = {
    "momentum": ({"beta1": 0.5}, {"beta1": 0.8}, {"v": 10.0}),
    "nesterov": ({"beta1": 0.5}, {"beta1": 0.8}, {"v": 10.0}),
    "momentum corrected": (
        {"beta1": 0.5, "bias_correction": True},
        {"beta1": 0.8, "bias_correction": True},
        {"v": 4.8},
    ),
    "momentum undampened": ({"beta1": 0.5, "dampening": False}, {"beta1": 0.8, "dampening": False}, {"v": 4.0}),
    "rmsprop": ({"beta2": 0.5}, {"beta2": 0.75}, {"S": 24.0}),
    "rmsprop corrected": (
        {"beta2": 0.5, "bias_correction": True},
        {"beta2": 0.75, "bias_correction": True},
        {"S": 14.0},
    ),
    "adam": ({"beta1": 0.5, "beta2": 0.5}, {"beta1": 0.8, "beta2": 0.75}, {"v": 4.8, "S": 14.0}),
    "adamw": ({"beta1": 0.5, "beta2": 0.5}, {"beta1": 0.8, "beta2": 0.5}, {"v": 4.8, "S": 12.0}),
    "adam uncorrected": (
        {"beta1": 0.5, "beta2": 0.5, "bias_correction": False},
        {"beta1": 0.8, "beta2": 0.75, "bias_correction": False},
        {"v": 10.0, "S": 24.0},
    ),
}


@pytest.mark.parametrize("case", WORKED)
def test_averages_go_on_when_beta_changes(case: str) -> None:
    before, then, expected = WORKED[case]
    name = case.partition(" ")[0]
    old, new = after(name, [4.0, 2.0], **before), optimizer(name, **then)
    new.continue_from(old, 2, ONE)
    assert {key: float(slot[0, 0]) for key, slot in new.slots.items()} == pytest.approx(expected)


def test_every_optimizer_that_keeps_something_has_a_worked_example() -> None:
    keeping = {name for name in OPTIMIZERS if optimizer(name).slots}
    assert keeping == {case.partition(" ")[0] for case in WORKED}


def test_beta_may_become_nothing_and_something_again() -> None:
    """With β = 0 the sum is the last gradient's average: 2/(1 − 0) = 2, and back to 0.5: 2/0.5 = 4."""
    old = after("momentum", [4.0, 2.0], beta1=0.5)
    without, again = optimizer("momentum", beta1=0.0), optimizer("momentum", beta1=0.5)
    without.continue_from(old, 2, ONE)
    again.continue_from(without, 2, ONE)
    assert [float(o.slots["v"][0, 0]) for o in (without, again)] == pytest.approx([2.0, 4.0])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_betas_change_no_bit(make_trainer: Make, name: str, dtype: str) -> None:
    """Parted after any epoch and gone on with by another trainer of the same numbers, whatever the dropout."""
    options: dict[str, Any] = {"optimizer": name, "dropout": 0.2, "batch_norm": True, "dtype": dtype, "epochs": 4}
    whole = make_trainer(**options)
    rows = list(whole.epochs(4))
    trainer, parted = make_trainer(**options), []
    for epoch in range(1, 5):
        then = make_trainer(**options)
        then.continue_from(trainer)
        trainer = then
        parted += list(trainer.epochs(epoch))
    for key, vector in whole.snapshot().items():
        assert np.array_equal(vector, trainer.snapshot()[key]), key
    assert [row.cost.tolist() for row in rows] == [row.cost.tolist() for row in parted]


def test_only_members_that_still_train_are_scaled(make_trainer: Make) -> None:
    """One has been stopped: what a checkpoint holds of it stays what it was."""
    old = make_trainer(seeds=(0, 1), optimizer="adam", beta1=0.9, beta2=0.999, bias_correction=True)
    list(old.epochs(2))
    old.freeze(np.array([False, True]))
    new = make_trainer(seeds=(0, 1), optimizer="adam", beta1=0.5, beta2=0.999, bias_correction=True)
    new.continue_from(old)
    assert not np.array_equal(new.optimizer.slots["v"][0], old.optimizer.slots["v"][0])
    assert np.array_equal(new.optimizer.slots["v"][1], old.optimizer.slots["v"][1])
    assert np.array_equal(new.optimizer.slots["S"], old.optimizer.slots["S"]), "its β is what it was"
    assert new.active.tolist() == [True, False]
    list(new.epochs(3))
    assert np.array_equal(new.theta[1], old.theta[1])


def test_each_member_is_scaled_by_its_own_betas(make_trainer: Make) -> None:
    """Beside others or alone, to the bit."""
    betas, others = (0.9, 0.5, 0.0), (0.5, 0.5, 0.9)

    def gone_on(members: slice) -> dict[str, Any]:
        seeds = (0, 1, 2)[members]
        old = make_trainer(seeds=seeds, optimizer="momentum", beta1=betas[members])
        list(old.epochs(2))
        new = make_trainer(seeds=seeds, optimizer="momentum", beta1=others[members], learning_rate=0.05)
        new.continue_from(old)
        list(new.epochs(4))
        return new.snapshot()

    together = gone_on(slice(None))
    for k in range(3):
        alone = gone_on(slice(k, k + 1))
        for key in ("theta", "v"):
            assert np.array_equal(together[key][k], alone[key][0])


def test_before_the_first_step_there_is_nothing_to_go_on_with(make_trainer: Make) -> None:
    old, new = make_trainer(optimizer="adam", bias_correction=True), make_trainer(optimizer="adam", beta1=0.1)
    new.continue_from(old)
    assert not any(slot.any() for slot in new.optimizer.slots.values())
    assert (new.epoch, new.step) == (0, 0)


def test_told_to_stop_it_goes_back_to_where_it_went_on(make_trainer: Make) -> None:
    old, new = make_trainer(optimizer="momentum"), make_trainer(optimizer="momentum", beta1=0.5)
    list(old.epochs(2))
    new.continue_from(old)
    stood = new.snapshot()
    assert list(new.epochs(3, lambda: True)) == []
    assert all(np.array_equal(vector, new.snapshot()[key]) for key, vector in stood.items())


def test_another_batch_size_makes_no_jump_in_a_schedule(make_trainer: Make) -> None:
    """50 rows: 4 steps an epoch in batches of 16, 2 in batches of 32; every epoch is a tenth of the cosine."""
    schedule = SCHEDULES["cosine"]()
    old = make_trainer(batch_size=16, epochs=10, schedule=schedule, learning_rate=1.0)
    rates = [float(row.learning_rate[0]) for row in old.epochs(5)]
    new = make_trainer(batch_size=32, epochs=10, schedule=schedule, learning_rate=1.0)
    new.continue_from(old)
    assert new.step == 20
    rows = list(new.epochs(10))
    assert [row.step for row in rows] == [22, 24, 26, 28, 30]
    done = [(epoch + 3 / 4) / 10 for epoch in range(5)] + [(epoch + 1 / 2) / 10 for epoch in range(5, 10)]
    rates += [float(row.learning_rate[0]) for row in rows]
    assert rates == pytest.approx([(1 + np.cos(np.pi * share)) / 2 for share in done])


def test_a_schedule_by_steps_counts_them_on(make_trainer: Make) -> None:
    """1/√t: 20 steps lie behind, and the last of the next epoch, with two, is the 22nd."""
    old = make_trainer(batch_size=16)
    list(old.epochs(5))
    new = make_trainer(batch_size=32, schedule=SCHEDULES["inverse_sqrt_step"](), learning_rate=1.0)
    new.continue_from(old)
    (row,) = new.epochs(6)
    assert float(row.learning_rate[0]) == pytest.approx(22**-0.5)
