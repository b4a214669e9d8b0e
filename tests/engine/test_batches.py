from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.engine.batches import Batches, batch_bounds
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import LOSSES


def batches(rows: int, batch_size: int, seeds: list[int], smallest: int = 1, width: int = 2) -> Batches:
    """Row i is (i, 1000 + i), with the value −i."""
    x = np.stack([np.arange(rows), 1000 + np.arange(rows)], axis=1).astype(float)
    x = np.concatenate([x, np.zeros((rows, width - 2))], axis=1)
    examples = Examples(x, -np.arange(rows, dtype=float)[:, None])
    return Batches(examples, LOSSES["squared_error"](1), batch_size, seeds, smallest, "auto", None)


def rows_seen(made: Batches, epoch: int) -> np.ndarray:
    """(members, rows): the first column of x, after checking that the others belong to it."""
    seen = []
    for x, y, _ in made.epoch(epoch):
        assert (x[..., 1] == x[..., 0] + 1000).all()
        assert (y[..., 0] == -x[..., 0]).all()
        seen.append(x[..., 0].copy())
    return np.concatenate(seen, axis=1)


def test_short_last_batch_is_used() -> None:
    made = batches(148, 64, [0])
    assert [x.shape[1] for x, _, _ in made.epoch(1)] == [64, 64, 20]
    assert made.sizes.tolist() == [64, 64, 20]


def test_last_batch_of_one_joins_the_one_before_where_two_are_needed() -> None:
    assert batch_bounds(129, 64) == [(0, 64), (64, 128), (128, 129)]
    assert batch_bounds(129, 64, smallest=2) == [(0, 64), (64, 129)]
    assert batch_bounds(130, 64, smallest=2) == [(0, 64), (64, 128), (128, 130)]
    assert [x.shape[1] for x, _, _ in batches(129, 64, [0, 1], smallest=2).epoch(1)] == [64, 65]


@given(st.integers(1, 500), st.integers(1, 600), st.integers(1, 2))
def test_bounds_cover_every_row_once(rows: int, batch_size: int, smallest: int) -> None:
    bounds = batch_bounds(rows, batch_size, smallest)
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(rows))
    sizes = [stop - start for start, stop in bounds]
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] < batch_size + smallest
    assert min(sizes) >= min(smallest, rows, batch_size)


@pytest.mark.parametrize("width", [2, 3000], ids=["many batches at once", "one batch at once"])
def test_every_row_once_an_epoch_in_a_new_order(width: int) -> None:
    made = batches(148, 32, [3, 4], width=width)
    orders = [rows_seen(made, epoch) for epoch in (1, 2, 3)]
    for order in orders:
        assert (np.sort(order, axis=1) == np.arange(148)).all()
    flat = [tuple(member) for order in orders for member in order]
    assert len(set(flat)) == 6, "another order for each epoch and member"
    assert tuple(range(148)) not in flat


def test_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    together, alone = batches(50, 8, [1, 2, 3]), batches(50, 8, [2])
    rows_seen(together, 1)
    assert (rows_seen(together, 5)[1] == rows_seen(alone, 5)[0]).all()


@pytest.mark.parametrize("batch_size", [10, 11])
def test_full_batch_is_shared_and_stays_in_order(batch_size: int) -> None:
    made = batches(10, batch_size, [1, 2, 3])
    ((x, y, _),) = made.epoch(1)
    assert np.shares_memory(x, made.examples.x)
    assert x.shape == (1, 10, 2)
    assert y[0, :, 0].tolist() == [-i for i in range(10)]
