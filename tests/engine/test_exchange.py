"""Rows that are given features of other rows, against the whole pass of rows that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nnrun.engine import exchange
from nnrun.engine.embedding import Embedding
from nnrun.engine.evaluation import Examples, logits_in_chunks
from nnrun.engine.exchange import Exchange
from nnrun.engine.layers import Dense
from nnrun.engine.parameters import Array
from nnrun.engine.trainer import Trainer

Make = Callable[..., Trainer]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "linear": {"hidden": ()},
    "values": {"loss": "squared_error", "outputs": 2},
    "batch norm": {"batch_norm": True},
    "dropout": {"input_dropout": 0.2, "dropout": 0.3},
    "members": {"members": 3, "batch_norm": True},
    "linear members": {"members": 3, "hidden": ()},
    "members of values": {"members": 2, "loss": "huber", "outputs": 1, "input_dropout": 0.2},
}
ROWS = 30


def exchange_of(trainer: Trainer, size: int = 7) -> Exchange:
    return Exchange(trainer.network, trainer.bound, trainer.recipe.loss, trainer.on_dev.examples.x, size)


def joined(chunks: Iterator[tuple[slice, Array]]) -> Array:
    """`(networks, rows, width)`."""
    return np.concatenate([logits.copy() for _, logits in chunks], axis=1)


def assert_as_in_the_whole_pass(trainer: Trainer) -> None:
    x, random = trainer.on_dev.examples.x, np.random.default_rng(0)
    rows, donors = np.tile(np.arange(ROWS), 2), random.integers(0, ROWS, 2 * ROWS)
    own = exchange_of(trainer)
    for places in ([], [2], [5, 0, 1]):
        changed = x[rows]
        changed[:, places] = x[donors][:, places]
        whole = joined(logits_in_chunks(trainer.network, trainer.bound, changed, trainer.recipe.loss))
        np.testing.assert_allclose(joined(own.logits(places, rows, donors)), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kept", [exchange.KEPT, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_as_in_the_whole_pass(make_trainer: Make, monkeypatch: pytest.MonkeyPatch, kind: str, kept: int) -> None:
    monkeypatch.setattr(exchange, "KEPT", kept)
    trainer = make_trainer([1, 2], learning_rate=0.1, **KINDS[kind])
    list(trainer.epochs(2))
    assert_as_in_the_whole_pass(trainer)


@pytest.mark.parametrize("members", [1, 3])
def test_codes_are_looked_up_anew(make_trainer: Make, make_examples: Callable[..., Examples], members: int) -> None:
    parts = {"train": make_examples(50, "cross_entropy", 3, seed=1), "dev": make_examples(30, "cross_entropy", 3)}
    for part in parts.values():
        part.x[:, 2] = np.arange(len(part)) % 4
    trainer = make_trainer([1, 2], learning_rate=0.1, embeddings=(Embedding(2, 4, 3),), members=members, **parts)
    list(trainer.epochs(2))
    assert_as_in_the_whole_pass(trainer)


@pytest.mark.parametrize(("kept", "of_each"), [(exchange.KEPT, 0), (30 * 7 * 8 - 1, 2)])
def test_all_features_are_multiplied_once(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch, kept: int, of_each: int
) -> None:
    """And in each pass where what comes of them takes more than may be kept: 30 rows of 7 units in float64."""
    monkeypatch.setattr(exchange, "KEPT", kept)
    forward, widths = Dense.forward, list[int]()

    def counted(layer: Dense, p: Any, s: Any, x: Array, mode: Any) -> Any:
        widths.append(x.shape[-1])
        return forward(layer, p, s, x, mode)

    trainer = make_trainer()
    monkeypatch.setattr(Dense, "forward", counted)
    own, everyone = exchange_of(trainer, size=15), np.arange(ROWS)
    assert widths.count(6) == (0 if of_each else 2)
    for place in range(6):
        widths.clear()
        joined(own.logits([place], everyone, everyone[::-1]))
        assert (widths.count(6), widths.count(7)) == (of_each, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_without_weight_changes_no_bit(make_trainer: Make, kind: str) -> None:
    """Or dust of one sign would be told from chance."""
    trainer = make_trainer([1, 2], dtype="float32", **KINDS[kind])
    next(layer.p["W"] for layer in trainer.bound if "W" in layer.p)[..., 4, :] = 0
    own, rows = exchange_of(trainer), np.tile(np.arange(ROWS), 3)
    as_it_is = joined(own.logits([], rows, rows))
    np.testing.assert_array_equal(joined(own.logits([4], rows, rows[::-1])), as_it_is)
