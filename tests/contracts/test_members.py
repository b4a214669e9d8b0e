"""Members trained together end with the same bits as each of them alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from nnrun.engine.epoch import Epoch
from nnrun.engine.evaluation import Examples
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import Trainer
from nnrun.engine.update import Optimizer
from tests.conftest import trainer as numpy_trainer
from tests.contracts.test_gradients import CODES, with_codes

SEEDS = [11, 5, 0, 2**40 + 3, 7, 7, 8, 9]  # the fifth and sixth differ by their hyperparameters alone
OWN: dict[str, list[float]] = {  # one value a member, among them the ones that switch a technique off
    "learning_rate": [1e-3, 3e-2, 1e-2, 5e-3, 2e-3, 2e-3, 1e-1, 7e-3],
    "beta1": [0.9, 0.0, 0.95, 0.5, 0.9, 0.99, 0.9, 0.8],
    "beta2": [0.999, 0.99, 0.9, 0.95, 0.999, 0.9999, 0.98, 0.5],
    "epsilon": [1e-8, 1e-6, 1e-8, 1e-7, 1e-8, 1e-3, 1e-8, 1e-8],
    "l2": [0.0, 0.1, 1.0, 0.3, 0.0, 0.7, 2.0, 0.01],
    "dropout": [0.5, 0.0, 0.1, 0.9, 0.3, 0.0, 0.2, 0.25],
    "input_dropout": [0.0, 0.1, 0.0, 0.2, 0.3, 0.0, 0.5, 0.05],
}
MORE: dict[str, list[float]] = {
    "l1": [0.0, 0.3, 0.0, 0.1, 1.0, 0.02, 0.0, 0.5],
    "clip_norm": [np.inf, 0.1, 1.0, np.inf, 0.01, 5.0, 0.5, np.inf],
    "weight_decay": [0.0, 0.1, 0.0, 0.01, 0.5, 0.0, 0.2, 1.0],
}

Make = Callable[..., Trainer]
MEASURED = [field.name for field in fields(Epoch) if field.name not in ("number", "step", "seconds", "diverged")]


def numbers_of(trainer: Trainer, member: int) -> dict[str, bytes]:
    """All bits that training goes on from."""
    vectors = {"theta": trainer.theta, "state": trainer.state, **trainer.optimizer.slots}
    return {name: vector[member].tobytes() for name, vector in vectors.items()}


def curve_of(epochs: list[Epoch], member: int) -> list[tuple[Any, ...]]:
    """All bits of a member's history, and where it diverged."""
    return [
        (e.number, e.step, e.diverged.get(member), *(getattr(e, name)[member].tobytes() for name in MEASURED))
        for e in epochs
    ]


def assert_same_alone(make: Make, own: dict[str, list[float]], epochs: int = 4, **shared: Any) -> list[Epoch]:
    """Train the members together and one by one, and compare; returns the history of all together."""
    count = len(next(iter(own.values())))
    together = make(SEEDS[:count], **own, **shared)
    curves = list(together.epochs(epochs))
    for k in range(count):
        alone = make([SEEDS[k]], **{name: [values[k]] for name, values in own.items()}, **shared)
        curve = [curve_of([e], 0)[0] for e in alone.epochs(epochs)]
        assert numbers_of(alone, 0) == numbers_of(together, k), f"numbers of member {k}"
        assert curve == curve_of(curves, k)[: len(curve)], f"curve of member {k}"
    return curves


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam_with_batch_norm_dropout_and_l2(make_trainer: Make, dtype: str) -> None:
    curves = assert_same_alone(make_trainer, OWN, optimizer="adam", batch_norm=True, activation="relu", dtype=dtype)
    assert len({e.dev_loss[k] for e in curves for k in range(8)}) == 4 * 8, "the members do differ"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_with_every_penalty_and_clipping(make_trainer: Make, optimizer: str, dtype: str) -> None:
    schedule = SCHEDULES["cosine"]()
    assert_same_alone(make_trainer, OWN | MORE, optimizer=optimizer, schedule=schedule, dtype=dtype, epochs=3)


@pytest.mark.parametrize("flags", [{"bias_correction": False}, {"dampening": False}])
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "rmsprop", "adam"])
def test_every_form_of_an_optimizer(make_trainer: Make, optimizer: str, flags: dict[str, bool]) -> None:
    members = {name: values for name, values in OWN.items() if "dropout" not in name}
    assert_same_alone(make_trainer, members, optimizer=optimizer, dtype="float32", **flags)


@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("batch_size", [16, 50], ids=["batches", "full"])
def test_label_smoothing(make_trainer: Make, outputs: int, batch_size: int) -> None:
    members = {name: values[:3] for name, values in OWN.items()} | {"label_smoothing": [0.0, 0.1, 0.5]}
    given = {"optimizer": "adam", "dtype": "float32", "outputs": outputs, "batch_size": batch_size}
    assert_same_alone(make_trainer, members, **given)
    together = make_trainer(SEEDS[:3], **members, **given)
    plain = make_trainer(SEEDS[:3], **members | {"label_smoothing": 0.0}, **given)
    assert len([*together.epochs(2), *plain.epochs(2)]) == 4
    assert (together.theta == plain.theta).all(axis=1).tolist() == [True, False, False]


@pytest.mark.parametrize("way", [{"ema": [0.9, 0.5, 0.999]}, {"swa": [3.0, 1.0, 9.0]}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_average(make_trainer: Make, way: dict[str, list[float]], dtype: str) -> None:
    members = {name: values[:3] for name, values in OWN.items()} | way
    curves = assert_same_alone(make_trainer, members, optimizer="adam", batch_norm=True, dtype=dtype)
    raw = make_trainer(SEEDS[:3], **members | dict.fromkeys(way, 0.0), optimizer="adam", batch_norm=True, dtype=dtype)
    plain = list(raw.epochs(4))
    assert not np.array_equal(plain[-1].dev_loss, curves[-1].dev_loss), "it is the average that is measured"
    averaged = make_trainer(SEEDS[:3], **members, optimizer="adam", batch_norm=True, dtype=dtype)
    list(averaged.epochs(4))
    assert np.array_equal(raw.theta, averaged.theta) and np.array_equal(raw.state, averaged.state), "training goes on"


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [("cross_entropy", 2), ("cross_entropy", 10), ("squared_error", 1), ("squared_error", 3), ("huber", 2)],
)
def test_every_loss_over_many_rows(
    make_trainer: Make, make_examples: Callable[..., Examples], loss: str, outputs: int
) -> None:
    """More rows than one pass of the evaluation takes, so that sums go over several pieces."""
    parts = {
        part: make_examples(rows, loss, outputs, n_in=20, seed=rows, dtype="float32")
        for part, rows in [("train", 2100), ("dev", 1500)]
    }
    members = {name: values[:6] for name, values in (OWN | MORE).items()}
    shared: dict[str, Any] = {"loss": loss, "outputs": outputs, "dtype": "float32", "batch_size": 256, **parts}
    assert_same_alone(make_trainer, members, optimizer="adam", epochs=2, **shared)


@pytest.mark.parametrize("batch_size", [1, 50, 49], ids=["stochastic", "full", "last batch of one"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_batch(make_trainer: Make, batch_size: int, dtype: str) -> None:
    batch_norm = batch_size != 1
    assert_same_alone(
        make_trainer, OWN, optimizer="adam", batch_norm=batch_norm, batch_size=batch_size, dtype=dtype, epochs=3
    )


@pytest.mark.parametrize(
    ("hidden", "n_in"),
    [
        ((256, 180), 120),  # 77k numbers: an optimizer walks each member in two pieces
        ((40, 30), 20),  # 2k numbers: several members share a piece
        ((), 6),  # no hidden layer
    ],
)
def test_every_way_of_walking_theta(
    make_trainer: Make, make_examples: Callable[..., Examples], hidden: tuple[int, ...], n_in: int
) -> None:
    parts = {part: make_examples(45, "cross_entropy", 3, n_in=n_in, dtype="float32") for part in ("train", "dev")}
    members = {name: values[:5] for name, values in (OWN | MORE).items()}
    if not hidden:
        members.pop("dropout")
    assert_same_alone(make_trainer, members, optimizer="adamw", hidden=hidden, dtype="float32", epochs=3, **parts)


@pytest.mark.parametrize("steps_an_epoch", [1, 2, 5])
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "rmsprop", "adam"])
def test_constants_of_a_step_do_not_depend_on_the_number_of_members(optimizer: str, steps_an_epoch: int) -> None:
    """500 pairs of betas, since few of them show a last bit that differs; theta is a single number."""
    rng = np.random.default_rng(0)
    betas, gradients = rng.uniform(0, 1, (2, 500)), rng.standard_normal((10, 500, 1))

    def walked(members: slice) -> bytes:
        h = Hyperparameters.of(len(betas[0, members]), beta1=betas[0, members], beta2=betas[1, members])
        theta = np.zeros((len(betas[0, members]), 1))
        gradient = np.empty_like(theta)
        moves = Optimizer(optimizer, h, theta, gradient, n_weights=1)
        for step in range(10):
            index = step % steps_an_epoch
            if index == 0:
                moves.plan(
                    np.arange(step + 1, step + 1 + steps_an_epoch), np.ones(steps_an_epoch), np.ones(steps_an_epoch)
                )
            gradient[...] = gradients[step, members]
            moves.step(index)
        return theta.tobytes()

    assert walked(slice(None)) == b"".join(walked(slice(k, k + 1)) for k in range(500))


def test_large_network_is_walked_in_pieces(make_trainer: Make, make_examples: Callable[..., Examples]) -> None:
    """Guards the test above: 70k numbers and more do not fit one piece, small ones share it."""
    wide = make_trainer([1, 2], hidden=(256, 180), train=make_examples(45, "cross_entropy", 3, n_in=120))
    assert wide.theta.shape[1] > 70_000
    assert len(wide.optimizer._walk) > 2
    assert len(make_trainer(range(8), hidden=(7, 5)).optimizer._walk) == 1


# The third member's rate overflows float32 within a few steps.
WILD = {"learning_rate": [1e-2, 2e-2, 1e25, 1e-3], "l2": [0.0, 1.0, 0.0, 0.5], "dropout": [0.2, 0.0, 0.0, 0.1]}


@np.errstate(over="ignore", invalid="ignore")  # the caller of a trainer says what becomes of such warnings
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_diverging_member_does_not_disturb_the_others(
    make_trainer: Make, optimizer: str, activation: str, batch_norm: bool
) -> None:
    shared: dict[str, Any] = {"optimizer": optimizer, "activation": activation, "batch_norm": batch_norm}
    if activation == "tanh" or batch_norm:
        shared |= {"loss": "squared_error", "outputs": 2}  # with a cross-entropy everything stays finite
    curves = assert_same_alone(make_trainer, WILD, dtype="float32", **shared)
    assert {k for e in curves for k in e.diverged} <= {2}
    if not batch_norm and activation != "tanh":
        assert 2 in {k for e in curves for k in e.diverged}
        assert np.isnan(curves[-1].dev_loss[2])
    assert np.isfinite(curves[-1].dev_loss[[0, 1, 3]]).all()


def test_frozen_member_keeps_its_numbers(make_trainer: Make) -> None:
    shared: dict[str, Any] = {"optimizer": "adam", "batch_norm": True, "dropout": 0.3, "l2": 0.1}
    undisturbed = make_trainer([1, 2, 3], **shared)
    list(undisturbed.epochs(7))
    trainer = make_trainer([1, 2, 3], **shared)
    curves = []
    for epoch in trainer.epochs(7):
        curves.append(epoch)
        if epoch.number == 3:
            held = numbers_of(trainer, 1)
            trainer.freeze(np.array([False, True, False]))
        if epoch.number > 3:
            assert numbers_of(trainer, 1) == held
            assert np.isnan(epoch.dev_loss[1]) and np.isnan(epoch.cost[1])
    assert len(curves) == 7
    assert np.isfinite(curves[2].dev_loss).all()
    for k in (0, 2):
        assert numbers_of(trainer, k) == numbers_of(undisturbed, k)


def test_training_ends_when_every_member_is_frozen(make_trainer: Make) -> None:
    trainer = make_trainer([1, 2])
    for epoch in trainer.epochs(9):
        trainer.freeze(np.array([epoch.number >= 1, epoch.number >= 4]))
    assert trainer.epoch == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embeddings(make_trainer: Make, dtype: str) -> None:
    shared = {"train": with_codes(50, 1, dtype), "dev": with_codes(30, 2, dtype), "embeddings": CODES}
    assert_same_alone(make_trainer, OWN, optimizer="adam", batch_norm=True, dtype=dtype, **shared)


SHARED = {"members": 5, "optimizer": "adam", "batch_norm": True}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["cross_entropy", "huber"])
def test_members_that_share_a_body(make_trainer: Make, dtype: str, loss: str) -> None:
    assert_same_alone(make_trainer, OWN, loss=loss, dtype=dtype, **SHARED)


def test_members_that_share_a_body_and_embeddings(make_trainer: Make) -> None:
    shared = {"train": with_codes(50, 1, "float32"), "dev": with_codes(30, 2, "float32"), "embeddings": CODES}
    assert_same_alone(make_trainer, OWN, dtype="float32", **SHARED, **shared)


def test_one_body_is_as_good_as_its_members_pooled() -> None:
    """A body of three whose heads and scales are equal is one network, and is measured as that."""
    one, three = numpy_trainer([4], hidden=(6,)), numpy_trainer([4], hidden=(6,), members=3)
    of_one, of_three = (trainer.network.theta.views(trainer.theta[0]) for trainer in (one, three))
    three.theta.fill(1)
    for name, view in of_one.items():
        of_three[name][...] = view
    np.testing.assert_allclose(np.array(three.on_dev(three.bound)), np.array(one.on_dev(one.bound)), rtol=1e-12)
    batch = next(one.batches.epoch(1))
    one.differentiate(batch)
    three.differentiate(batch)
    g_one, g_three = (trainer.network.theta.views(trainer.gradient[0]) for trainer in (one, three))
    np.testing.assert_allclose(g_three["dense1.W"], g_one["dense1.W"], rtol=1e-9)
    np.testing.assert_allclose(g_three["output.W"], np.stack([g_one["output.W"] / 3] * 3), rtol=1e-9)
