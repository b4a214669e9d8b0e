"""Errors and losses against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from nnrun.engine.evaluation import Evaluator, Examples, logits_in_chunks
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sample
from nnrun.engine.trainer import Trainer

Make = Callable[..., Trainer]
TARGETS = [("cross_entropy", 2), ("cross_entropy", 4), ("squared_error", 1), ("squared_error", 3), ("huber", 2)]


def predictions(trainer: Trainer, x: Array, member: int = 0) -> Array:
    chunks = logits_in_chunks(trainer.network, trainer.bound, x, trainer.recipe.loss)
    pieces = [logits[member].copy() for _, logits in chunks]
    return trainer.recipe.loss.predict(np.concatenate(pieces))


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
def test_loss_and_error_are_those_of_scikit_learn(make_trainer: Make, loss: str, outputs: int) -> None:
    trainer = make_trainer([1, 2], loss=loss, outputs=outputs, batch_norm=True, dropout=0.3, learning_rate=0.1)
    (epoch,) = trainer.epochs(1)
    x, y = trainer.on_dev.examples.x, trainer.on_dev.examples.y
    for k in (0, 1):
        predicted = predictions(trainer, x, k)
        if loss == "cross_entropy":
            assert epoch.dev_loss[k] == pytest.approx(log_loss(y, predicted, labels=range(outputs)))
            assert epoch.dev_error[k] == pytest.approx(1 - accuracy_score(y, predicted.argmax(axis=1)))
            continue
        explained = r2_score(y, predicted, multioutput="variance_weighted")
        assert epoch.dev_error[k] == pytest.approx(1 - explained)
        if loss == "squared_error":
            assert epoch.dev_loss[k] == pytest.approx(mean_squared_error(y, predicted))
    assert epoch.dev_loss[0] != epoch.dev_loss[1]


def test_error_of_the_mean_is_one() -> None:
    # Predicting ȳ explains nothing: 1 − R² = 1. y = 1, 3, 8: Σ(y − 4)² = 9 + 1 + 16 = 26.
    examples = Examples(np.zeros((3, 1)), np.array([[1.0], [3], [8]]))
    assert examples.error_scale == 26
    assert Examples(np.zeros((5, 1)), np.array([0, 1, 2, 1, 0])).error_scale == 5


def test_constant_target_has_no_error(make_trainer: Make) -> None:
    dev = Examples(np.zeros((4, 6)), np.full((4, 1), 2.0))
    (epoch,) = make_trainer(loss="squared_error", outputs=1, dev=dev).epochs(1)
    assert np.isnan(epoch.dev_error[0])
    assert np.isfinite(epoch.dev_loss[0])
    assert not epoch.diverged


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
def test_in_pieces_as_in_one(make_trainer: Make, monkeypatch: pytest.MonkeyPatch, loss: str, outputs: int) -> None:
    trainer = make_trainer([1, 2], loss=loss, outputs=outputs, batch_norm=True, hidden=(5,))
    list(trainer.epochs(2))
    whole = [trainer.on_dev(trainer.bound), predictions(trainer, trainer.on_dev.examples.x)]
    monkeypatch.setattr("nnrun.engine.evaluation.CHUNK", 7)  # 30 rows: 7, 7, 7, 7, 2
    chunks = logits_in_chunks(trainer.network, trainer.bound, trainer.on_dev.examples.x, trainer.recipe.loss)
    rows = [part for part, _ in chunks]
    assert [(r.start, r.stop) for r in rows] == [(0, 7), (7, 14), (14, 21), (21, 28), (28, 30)]
    pieces = [trainer.on_dev(trainer.bound), predictions(trainer, trainer.on_dev.examples.x)]
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_evaluation_changes_nothing_and_drops_nothing(make_trainer: Make) -> None:
    trainer = make_trainer(batch_norm=True, dropout=0.5, input_dropout=0.5)
    list(trainer.epochs(2))
    before = {name: array.tobytes() for name, array in trainer.snapshot().items()}
    first = trainer.on_dev(trainer.bound)
    assert np.array_equal(first, trainer.on_dev(trainer.bound))
    assert {name: array.tobytes() for name, array in trainer.snapshot().items()} == before


def test_evaluator_does_not_look_at_the_training_mode(make_trainer: Make) -> None:
    """One row is normalised by the running averages, which it could not be by its own."""
    trainer = make_trainer(batch_norm=True)
    list(trainer.epochs(1))
    dev = trainer.on_dev.examples
    losses = [
        Evaluator(trainer.network, trainer.recipe.loss, Examples(dev.x[i : i + 1], dev.y[i : i + 1]))(trainer.bound)[0]
        for i in range(len(dev))
    ]
    np.testing.assert_allclose(np.mean(losses), trainer.on_dev(trainer.bound)[0][0], rtol=1e-10)


def test_sample_is_fixed_and_keeps_rows_together() -> None:
    examples = Examples(np.arange(100.0)[:, None], np.arange(100))
    some = sample(examples, 30)
    assert len(some) == 30
    assert (some.x[:, 0] == some.y).all()
    assert (np.diff(some.y) > 0).all()
    assert (sample(examples, 30).y == some.y).all()
    assert some.y.tolist() != list(range(30))
    assert sample(examples, 100) is examples


def test_training_error_is_measured_on_as_many_rows_as_dev_has(
    make_trainer: Make, make_examples: Callable[..., Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.engine.trainer.TRAIN_SAMPLE", 20)
    assert len(make_trainer().on_train.examples) == 30, "dev has 30 of them"
    assert len(make_trainer(dev=make_examples(10, "cross_entropy", 3)).on_train.examples) == 20
