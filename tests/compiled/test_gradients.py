"""The compiled gradient against central differences of the cost that NumPy works out, under the same dropout masks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnrun.compiled.codes import ACTIVATIONS as CODES
from nnrun.compiled.steps import gradient_of
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.evaluation import Examples
from nnrun.engine.gradient_check import BUG, GREAT, _Cost, _differences
from nnrun.engine.layers import Mode
from nnrun.engine.losses import LOSSES
from nnrun.engine.parameters import Buffers
from nnrun.engine.randomness import stream
from nnrun.engine.trainer import Trainer
from tests.conftest import made_up, trainer
from tests.contracts.test_gradients import CODES as EMBEDDINGS
from tests.contracts.test_gradients import with_codes

TARGETS = [("cross_entropy", 2), ("cross_entropy", 3), ("squared_error", 2), ("huber", 1)]
assert {loss for loss, _ in TARGETS} == set(LOSSES), "a loss of the table has no test"
DROPOUT = {"dropout": 0.3, "input_dropout": 0.2}
PENALTIES = {"l1": 0.7, "l2": 0.9}
ROWS, SEED, EPSILON = 11, 3, 1e-5


class Masked(_Cost):
    """The cost of a trainer's whole batch as a function of two copies of theta a parameter, each with the masks that
    dropout draws in the next epoch.
    """

    def __init__(self, trained: Trainer) -> None:
        recipe, mlp, copies = trained.recipe, trained.recipe.mlp, 2 * trained.network.theta.size
        rates = [np.repeat(rate, copies, axis=0) for rate in mlp.dropout]
        of_input = None if mlp.input_dropout is None else np.repeat(mlp.input_dropout, copies, axis=0)
        together = replace(mlp, dropout=rates, input_dropout=of_input)
        super().__init__(
            together.network(), recipe.loss, recipe.hyperparameters, trained.state[0], trained.batches.examples
        )
        self.streams = {
            depth: [stream(SEED, "dropout", depth, trained.epoch + 1) for _ in range(copies)]
            for depth in trained.dropout_streams()
        }

    def _mode(self) -> Mode:
        return Mode(train=True, buffers=Buffers(self.x.dtype), streams=self.streams)


def distance(trained: Trainer) -> float:
    """‖numerical − compiled‖ / (‖numerical‖ + ‖compiled‖), without parameters that push a unit over its kink."""
    theta = trained.theta.copy()
    compiled = gradient_of(trained)[0]
    numerical, smooth = _differences(Masked(trained), theta, np.arange(theta.size), EPSILON, trained.network.n_weights)
    assert smooth.mean() > 0.8
    np.testing.assert_array_equal(trained.theta, theta)
    compiled, numerical = compiled[smooth], numerical[smooth]
    scale = np.linalg.norm(numerical) + np.linalg.norm(compiled)
    return float(np.linalg.norm(numerical - compiled) / scale)


def trained_for(
    epochs: int, loss: str = "cross_entropy", outputs: int = 3, weighted: bool = False, **options: Any
) -> Trainer:
    """A trainer that has taken some steps on a whole batch, each an epoch."""
    examples = made_up(ROWS, loss, outputs, seed=1)
    weights = np.linspace(0.5, 1.5, ROWS) if weighted else None
    train = Examples(examples.x, examples.y, weights)
    options = {"hidden": (5, 4), "train": train, **options}
    made = trainer([SEED], loss=loss, outputs=outputs, batch_size=ROWS, **options)
    list(made.epochs(epochs))
    return made


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("dropout", [{}, DROPOUT], ids=["all units", "dropout"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_numerical_gradient_agrees(activation: str, dropout: dict[str, Any], batch_norm: bool) -> None:
    for (loss, outputs), weighted in itertools.product(TARGETS, (False, True)):
        for epochs in (0, 10):
            found = trained_for(
                epochs, loss, outputs, weighted,
                activation=activation, batch_norm=batch_norm, learning_rate=0.03,
                **dropout, **(PENALTIES if weighted else {}),
            )  # fmt: skip
            assert distance(found) < GREAT, (loss, outputs, weighted, epochs)


@pytest.mark.parametrize("outputs", [2, 3])
def test_it_is_that_of_the_loss_on_smoothed_targets(outputs: int) -> None:
    for weighted, epochs in itertools.product((False, True), (0, 10)):
        assert distance(trained_for(epochs, outputs=outputs, weighted=weighted, label_smoothing=0.3)) < GREAT


@pytest.mark.parametrize("more", [{}, {"batch_norm": True, **DROPOUT}, {"hidden": ()}])
def test_that_of_members_that_share_a_body_agrees(more: dict[str, Any]) -> None:
    for (loss, outputs), weighted in itertools.product(TARGETS, (False, True)):
        found = trained_for(10, loss, outputs, weighted, members=3, **more, **(PENALTIES if weighted else {}))
        assert distance(found) < GREAT, (loss, outputs, weighted)


@pytest.mark.parametrize("more", [{}, {"batch_norm": True, **DROPOUT}, {"members": 3, **DROPOUT}, {"hidden": ()}])
def test_that_of_embeddings_agrees(more: dict[str, Any]) -> None:
    train = with_codes(ROWS, 1)
    assert distance(trained_for(10, train=train, dev=train, embeddings=EMBEDDINGS, **more, **PENALTIES)) < GREAT


def test_it_is_that_of_the_cost_whatever_moves_the_parameters() -> None:
    """Neither clipping, decay nor the rule of the optimizer is in it; they are in what has moved theta before."""
    options = {"optimizer": "adam", "clip_norm": 1e-3, "weight_decay": 0.1, "batch_norm": True, **PENALTIES}
    assert distance(trained_for(10, **options)) < GREAT


def test_the_gradient_of_a_step_in_pieces_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.compiled.work.WIDE", 0)
    monkeypatch.setattr("nnrun.compiled.work.PIECE", 16)
    assert distance(trained_for(2, hidden=(20, 36), batch_norm=True, **DROPOUT)) < GREAT


def test_a_wrong_gradient_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODES, "sigmoid", CODES["silu"])
    assert distance(trained_for(0, activation="sigmoid")) > BUG
