from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from nnrun.engine.divergence import Divergence, Watch
from nnrun.engine.evaluation import Examples
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import Trainer

Make = Callable[..., Trainer]
MakeExamples = Callable[..., Examples]
DESCENDING = [("cross_entropy", 2), ("cross_entropy", 3), ("squared_error", 2), ("huber", 1)]


# ---- what it learns


def test_without_hidden_layers_it_is_logistic_regression(make_trainer: Make, make_examples: MakeExamples) -> None:
    train = make_examples(200, "cross_entropy", 2, seed=1)
    trainer = make_trainer(
        loss="cross_entropy", outputs=2, hidden=(), train=train, batch_size=200, learning_rate=2.0, l2=5.0
    )
    list(trainer.epochs(500))
    # J = Σ loss/m + λ/(2m)·‖w‖², m times which scikit-learn writes C·Σ loss + ‖w‖²/2 with C = 1/λ
    theirs = LogisticRegression(C=1 / 5, tol=1e-10, max_iter=1000).fit(train.x, train.y)
    np.testing.assert_allclose(trainer.theta[0], [*theirs.coef_[0], *theirs.intercept_], atol=1e-6)


def test_without_hidden_layers_it_is_softmax_regression(make_trainer: Make, make_examples: MakeExamples) -> None:
    train = make_examples(200, "cross_entropy", 4, seed=1)
    trainer = make_trainer(outputs=4, hidden=(), train=train, batch_size=200, learning_rate=1.0, l2=5.0)
    list(trainer.epochs(1000))
    theirs = LogisticRegression(C=1 / 5, tol=1e-10, max_iter=1000).fit(train.x, train.y)
    views = trainer.network.theta.views(trainer.theta[0])
    np.testing.assert_allclose(views["output.W"].T, theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 30.0])
def test_without_hidden_layers_it_is_linear_regression(
    make_trainer: Make, make_examples: MakeExamples, l2: float
) -> None:
    train = make_examples(100, "squared_error", 2, seed=1)
    trainer = make_trainer(
        loss="squared_error", outputs=2, hidden=(), train=train, batch_size=100, learning_rate=0.2, l2=l2
    )
    list(trainer.epochs(600))
    # Two outputs halve the squared error, so that λ/(2m)·‖W‖² weighs as Ridge's α·‖W‖² with α = λ.
    theirs = (Ridge(alpha=l2, tol=1e-12) if l2 else LinearRegression()).fit(train.x, train.y)
    views = trainer.network.theta.views(trainer.theta[0])
    np.testing.assert_allclose(views["output.W"].T, theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(views["output.b"][0], theirs.intercept_, atol=1e-8)


@pytest.mark.parametrize(("loss", "outputs"), DESCENDING)
def test_cost_falls_at_each_of_twenty_full_batch_steps(make_trainer: Make, loss: str, outputs: int) -> None:
    trainer = make_trainer(
        [1, 2], loss=loss, outputs=outputs, batch_size=50, learning_rate=0.05, l2=0.5, l1=0.1, activation="tanh"
    )
    costs = np.array([epoch.cost for epoch in trainer.epochs(20)])
    assert trainer.step == 20
    assert (np.diff(costs, axis=0) < 0).all()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_one_batch_can_be_learned(
    make_trainer: Make, make_examples: MakeExamples, activation: str, batch_norm: bool
) -> None:
    batch = make_examples(20, "cross_entropy", 3)
    shared: dict[str, Any] = {"activation": activation, "batch_norm": batch_norm, "train": batch, "batch_size": 20}
    trainer = make_trainer(hidden=(32, 32), optimizer="adam", learning_rate=0.01, **shared)
    *_, last = trainer.epochs(150)
    assert last.train_error[0] == 0
    assert last.train_loss[0] < 0.05


@pytest.mark.parametrize(("classes", "expected"), [(2, math.log(2)), (3, math.log(3)), (10, math.log(10))])
def test_first_loss_of_a_network_that_knows_nothing(make_trainer: Make, classes: int, expected: float) -> None:
    trainer = make_trainer(outputs=classes, init=INITIALIZERS["zeros"]())
    assert trainer.on_train(trainer.bound)[0] == pytest.approx(expected)


# ---- what an epoch reports


def test_cost_is_the_loss_and_the_penalties(make_trainer: Make) -> None:
    trainer = make_trainer([1, 2, 3], l2=[0.0, 2.0, 0.0], l1=[0.0, 0.0, 3.0], batch_size=16)
    (epoch,) = trainer.epochs(1)
    weights = [
        np.concatenate(
            [trainer.network.theta.views(theta)[f"{layer}.W"].ravel() for layer in ("dense1", "dense2", "output")]
        )
        for theta in trainer.theta
    ]
    # m is the size of a batch, 16
    added = [0.0, 2 / 32 * (weights[1] ** 2).sum(), 3 / 32 * abs(weights[2]).sum()]
    assert epoch.cost - epoch.train_loss == pytest.approx(added)
    assert min(added[1:]) > 0.1
    assert (trainer.on_train(trainer.bound)[0] == epoch.train_loss).all()
    assert (trainer.on_dev(trainer.bound)[1] == epoch.dev_error).all()


@pytest.mark.parametrize("ensemble", [1, 2])
def test_the_loss_of_each_batch_is_that_before_its_step(make_trainer: Make, ensemble: int) -> None:
    """Of all rows at once, that of the epoch before; of an ensemble the mean over its members."""
    options = {"seeds": range(2 * ensemble), "batch_size": 50, "step_losses": True, "train": None}
    trainer = make_trainer(**options, ensemble=ensemble)
    before = trainer.on_train(trainer.bound)[0] if ensemble == 1 else None
    for epoch in trainer.epochs(3):
        assert epoch.step_losses.shape == (2, 1)
        if before is not None:
            np.testing.assert_allclose(epoch.step_losses[:, 0], before, rtol=1e-12)
            before = epoch.train_loss
    if ensemble == 2:
        alone = make_trainer(**options | {"seeds": range(4)})
        *_, last = alone.epochs(3)
        assert epoch.step_losses.ravel().tolist() == last.step_losses.reshape(2, 2).mean(axis=1).tolist()


def test_epochs_and_steps_are_counted(make_trainer: Make) -> None:
    schedule = SCHEDULES["inverse_sqrt_step"]()
    trainer = make_trainer([1, 2], learning_rate=[0.1, 0.2], batch_size=16, schedule=schedule)
    first, second = trainer.epochs(2)
    assert [(e.number, e.step) for e in (first, second)] == [(1, 4), (2, 8)]  # 50 rows: 16, 16, 16, 2
    # the rate of an epoch's last step: 1/√4 and 1/√8
    assert first.learning_rate == pytest.approx([0.05, 0.1])
    assert second.learning_rate == pytest.approx([0.1 / 8**0.5, 0.2 / 8**0.5])


def test_schedule_knows_the_planned_length(make_trainer: Make) -> None:
    # 3 epochs of 4 steps; the last steps of the epochs have 3, 7 and 11 of 12 behind them: 45, 105 and 165 degrees.
    trainer = make_trainer(learning_rate=2.0, schedule=SCHEDULES["cosine"](), epochs=3)
    rates = [epoch.learning_rate[0] for epoch in trainer.epochs(3)]
    assert rates == pytest.approx([1 + math.cos(math.radians(degrees)) for degrees in (45, 105, 165)])


def test_last_batch_of_one_joins_the_one_before_with_batch_norm(make_trainer: Make) -> None:
    assert make_trainer(batch_size=7, batch_norm=False).batches.sizes.tolist() == [7] * 7 + [1]
    trainer = make_trainer(batch_size=7, batch_norm=True)
    assert trainer.batches.sizes.tolist() == [7] * 6 + [8]
    (epoch,) = trainer.epochs(1)
    assert epoch.step == 7
    assert np.isfinite(epoch.dev_loss).all()


def test_one_gradient_step_by_hand(make_trainer: Make) -> None:
    # Linear, from zero weights: x = 1, 2 → y = 3, 5. Residuals −3 and −5; dJ/dw = 2(−3 − 10)/2 = −13, dJ/db = −8.
    # w = 1.3, b = 0.8; then residuals −0.9 and −1.6: dw = −4.1, db = −2.5: w = 1.71, b = 1.05.
    line = Examples(np.array([[1.0], [2]]), np.array([[3.0], [5]]))
    trainer = make_trainer(
        loss="squared_error", outputs=1, hidden=(), init=INITIALIZERS["zeros"](), train=line, dev=line,
        batch_size=2, learning_rate=0.1,
    )  # fmt: skip
    first, second = trainer.epochs(2)
    assert trainer.theta[0] == pytest.approx([1.71, 1.05])
    assert first.train_loss[0] == pytest.approx((0.9**2 + 1.6**2) / 2)
    # Σ(y − 4)² = 2
    assert first.train_error[0] == pytest.approx((0.9**2 + 1.6**2) / 2)
    assert second.train_loss[0] == pytest.approx((0.24**2 + 0.53**2) / 2)


# ---- divergence

SILENT = {"over": "ignore", "invalid": "ignore"}


def four_ones() -> Examples:
    return Examples(np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))


@np.errstate(**SILENT)
def test_divergence_is_found_where_it_begins(make_trainer: Make) -> None:
    # x = y = 1 from w = b = 0 at α = 1e25 in float32, whose largest number is 3.4e38:
    # step 1: residual −1, w = b = 2e25; step 2: residual 4e25, w = b = −8e50, which is −∞; step 3 meets −∞.
    trainer = make_trainer(
        loss="squared_error", outputs=1, hidden=(), init=INITIALIZERS["zeros"](), train=four_ones(), dev=four_ones(),
        batch_size=1, learning_rate=1e25, dtype="float32",
    )  # fmt: skip
    (epoch,) = trainer.epochs(12)
    assert epoch.diverged == {0: Divergence(epoch=1, step=3, layer="output")}
    assert (epoch.number, epoch.step) == (1, 4)
    assert np.isnan([epoch.train_loss, epoch.cost, epoch.dev_loss, epoch.dev_error]).all()
    assert not trainer.active.any()
    assert not trainer.theta.any(), "back to the zeros it began with"
    assert (trainer.epoch, trainer.step) == (0, 0)


@np.errstate(**SILENT)
def test_loss_alone_can_diverge(make_trainer: Make) -> None:
    # One step an epoch: w = b = 2e25 is a number, its squared error 1.6e51 is none in float32.
    trainer = make_trainer(
        loss="squared_error", outputs=1, hidden=(), init=INITIALIZERS["zeros"](), train=four_ones(), dev=four_ones(),
        batch_size=4, learning_rate=1e25, dtype="float32",
    )  # fmt: skip
    (epoch,) = trainer.epochs(12)
    assert epoch.diverged == {0: Divergence(epoch=1, step=1, layer="output")}


@np.errstate(**SILENT)
def test_a_member_can_diverge_in_the_training_loss_of_its_ensemble_alone(make_trainer: Make) -> None:
    # As above in the second of four; on dev, where x = −1, w·x + b = 0.
    dev = Examples(-np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))
    trainer = make_trainer(
        [1, 2, 3, 4], ensemble=2, loss="squared_error", outputs=1, hidden=(), init=INITIALIZERS["zeros"](),
        train=four_ones(), dev=dev, batch_size=4, learning_rate=[0.1, 1e25, 0.1, 0.1], dtype="float32",
    )  # fmt: skip
    first, second = trainer.epochs(2)
    assert first.diverged == {0: Divergence(epoch=1, step=1, layer="output", member=1)}
    assert np.isfinite(trainer.theta).all() and not second.diverged
    assert trainer.active.tolist() == [False, False, True, True]


@np.errstate(**SILENT)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_divergence_in_a_later_epoch_goes_back_to_the_last_good_one(make_trainer: Make, optimizer: str) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "activation": "relu", "batch_norm": True, "dropout": 0.2}
    settings |= {"loss": "squared_error", "outputs": 2, "learning_rate": 0.01, "dtype": "float32"}
    good = make_trainer(**settings)
    list(good.epochs(3))
    trainer = make_trainer(**settings, schedule=SCHEDULES["table"](factors={4: 1e30}))
    epochs = list(trainer.epochs(12))
    assert [e.number for e in epochs] == [1, 2, 3, 4]
    assert all(np.isfinite(e.dev_loss).all() and not e.diverged for e in epochs[:3])
    where = epochs[-1].diverged[0]
    assert where.epoch == 4
    assert 14 <= where.step <= 16, "4 steps an epoch: the first that meets the numbers of step 13 is 14"
    assert where.layer in [name for name, _ in trainer.network.layers if "dropout" not in name]
    assert (trainer.epoch, trainer.step) == (3, 12)
    for name, array in good.snapshot().items():
        assert array.tobytes() == trainer.snapshot()[name].tobytes()


@np.errstate(**SILENT)
def test_infinity_between_two_epochs_is_found_in_its_layer(make_trainer: Make) -> None:
    trainer = make_trainer([1, 2], activation="linear", loss="squared_error", outputs=1)
    list(trainer.epochs(2))
    saved = trainer.snapshot()
    views = trainer.network.theta.views(saved["theta"])
    views["dense2.W"][1, 0, 0] = np.inf
    trainer.restore(saved)
    (epoch,) = trainer.epochs(3)
    assert epoch.diverged == {1: Divergence(epoch=3, step=9, layer="dense2")}
    assert np.isfinite(epoch.dev_loss[0]) and np.isnan(epoch.dev_loss[1])
    assert trainer.active.tolist() == [True, False]


@np.errstate(**SILENT)
def test_the_others_go_on_and_the_lost_member_is_reported_once(make_trainer: Make) -> None:
    trainer = make_trainer(
        [1, 2], loss="squared_error", outputs=1, activation="relu", learning_rate=[0.01, 1e25], dtype="float32"
    )
    epochs = list(trainer.epochs(5))
    assert [sorted(e.diverged) for e in epochs] == [[1], [], [], [], []]
    assert np.isfinite([e.dev_loss[0] for e in epochs]).all()
    assert np.isnan([e.dev_loss[1] for e in epochs]).all()
    assert np.isfinite(trainer.theta).all()


def test_each_member_is_watched_by_its_own_numbers() -> None:
    watch, numbers = Watch(np.array([True, True, False]), {"dropout1"}), np.zeros((3, 4, 2))
    numbers[1:, 0, 0] = np.nan
    watch("dropout1", "output", numbers)
    assert watch.layers == {}
    watch("dense1", "output", numbers)
    assert watch.layers == {1: "dense1"}
    watch("dense2", "output", np.full((3, 4, 2), np.inf))
    assert watch.layers == {1: "dense1", 0: "dense2"}


@np.errstate(over="ignore", invalid="ignore")
def test_infinite_running_variance_is_a_divergence(make_trainer: Make) -> None:
    # z = ±1e20·w squared is no number in float32; over an infinite deviation everything after it is 0, and finite.
    wide = Examples(np.array([[1e20], [-1e20]], "float32"), np.array([0, 1]))
    trainer = make_trainer(outputs=2, hidden=(3,), batch_norm=True, train=wide, dev=wide, dtype="float32")
    (epoch,) = trainer.epochs(3)
    assert epoch.diverged == {0: Divergence(epoch=1, step=1, layer="norm1")}
    assert np.isfinite(trainer.state).all()


@np.errstate(over="ignore", invalid="ignore")
def test_infinite_second_moment_is_a_divergence(make_trainer: Make) -> None:
    # Gradients of 1e20 are squared by Adam; over an infinite S the weights would stand still for ever.
    wide = Examples(np.array([[1e20], [-1e20]], "float32"), np.array([0, 1]))
    settings = {"init": INITIALIZERS["zeros"](), "optimizer": "adam", "learning_rate": 1e-30, "dtype": "float32"}
    (epoch,) = make_trainer(outputs=2, hidden=(), train=wide, dev=wide, **settings).epochs(3)
    assert epoch.diverged == {0: Divergence(epoch=1, step=1, layer="output")}


@pytest.mark.parametrize("outputs", [2, 4])
def test_smoothed_labels_end_at_smoothed_probabilities(make_trainer: Callable[..., Trainer], outputs: int) -> None:
    # A weight for each class and rows that are one class each: probabilities end at 1 − ε + ε/classes of the true one.
    rows = Examples(np.tile(np.eye(outputs), (3, 1)), np.tile(np.arange(outputs), 3))
    trainer = make_trainer(
        hidden=(), outputs=outputs, train=rows, dev=rows, learning_rate=5.0, batch_size=99, label_smoothing=0.2
    )
    *_, last = trainer.epochs(400)
    share = 0.8 + 0.2 / outputs
    assert last.train_loss == pytest.approx(-np.log(share), rel=1e-6), "measured on the labels as they are"
    assert last.cost == last.train_loss == last.dev_loss
