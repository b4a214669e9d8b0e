from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.engine import batches as batching
from nnrun.engine.batches import LARGE_BYTES, Batches, Group, advise, batch_bounds, by_blocks, orders, packed, windows
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import LOSSES
from nnrun.engine.randomness import stream
from nnrun.engine.trainer import Trainer

ROW_BYTES = 8 * 2


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 10 rows, windows of 100, of inputs with two float64 features."""
    monkeypatch.setattr(batching, "BLOCK_BYTES", 10 * ROW_BYTES)
    monkeypatch.setattr(batching, "WINDOW_BYTES", 100 * ROW_BYTES)


def batches(rows: int, batch_size: int, seeds: list[int], shuffle: str) -> Batches:
    """Row i is (i, i), with the value −i."""
    x = np.repeat(np.arange(rows, dtype=float)[:, None], 2, axis=1)
    return Batches(Examples(x, -x[:, :1]), LOSSES["squared_error"](1), batch_size, seeds, 1, shuffle, None)


def rows_seen(made: Batches, epoch: int) -> np.ndarray:
    """(members, rows)"""
    return np.concatenate([x[..., 0].copy() for x, _, _ in made.epoch(epoch)], axis=1).astype(int)


@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 60), st.integers(1, 500))
def test_every_row_is_in_one_window(rows: int, block: int, batch_size: int, mixed: int) -> None:
    made = windows(batch_bounds(rows, batch_size), mixed, gathered=1)
    found = list(orders(rows, made, block, np.random.default_rng(0)))
    assert [len(order) for order in found] == [window.stop - window.start for window in made]
    assert sorted(np.concatenate(found)) == list(range(rows))


def test_windows_hold_whole_batches() -> None:
    bounds = batch_bounds(148, 32)
    assert packed(bounds, 70) == [[(0, 32), (32, 64)], [(64, 96), (96, 128)], [(128, 148)]]
    assert packed(bounds, 5) == [[bound] for bound in bounds], "a window has at least one batch"


def test_groups_lie_in_their_window_and_batches_in_their_group() -> None:
    first, second = windows(batch_bounds(148, 32), mixed=100, gathered=64)
    assert (first.start, first.stop, second.start, second.stop) == (0, 96, 96, 148)

    def places(groups: list[Group]) -> list[tuple[slice, list[list[int]]]]:
        return [(group.rows, group.spans.tolist()) for group in groups]

    assert places(first.groups) == [(slice(0, 64), [[0, 32], [32, 64]]), (slice(64, 96), [[0, 32]])]
    assert places(second.groups) == [(slice(0, 52), [[0, 32], [32, 52]])]


@pytest.mark.usefixtures("small_blocks")
def test_a_window_mixes_a_few_blocks_from_all_over_the_data() -> None:
    seen = rows_seen(batches(2000, 25, [3], "blocks"), 1)[0]
    assert sorted(seen) == list(range(2000))
    for window in seen.reshape(20, 100):
        blocks, counts = np.unique(window // 10, return_counts=True)
        assert (counts == 10).all(), "200 blocks of 10 rows: none is cut by a window of 100"
        assert np.ptp(blocks) > 100, "they come from all over"
        assert (np.diff(window) < 0).any() and np.ptp(window[:25] // 10) > 20, "their rows are mixed"


@pytest.mark.usefixtures("small_blocks")
def test_another_order_for_each_epoch_and_seed_and_the_same_alone() -> None:
    together, alone = batches(505, 25, [1, 2], "blocks"), batches(505, 25, [2], "blocks")
    first, second = rows_seen(together, 1), rows_seen(together, 2)
    assert (rows_seen(alone, 2)[0] == second[1]).all()
    assert len({tuple(order) for order in [*first, *second]}) == 4
    assert (rows_seen(together, 1) == first).all()


@pytest.mark.usefixtures("small_blocks")
def test_data_that_fit_one_window_are_shuffled_as_a_whole() -> None:
    assert (rows_seen(batches(90, 8, [5], "blocks"), 3) == rows_seen(batches(90, 8, [5], "full"), 3)).all()
    assert (rows_seen(batches(90, 8, [5], "full"), 3)[0] == stream(5, "shuffle", epoch=3).permutation(90)).all()


@pytest.mark.usefixtures("small_blocks")
def test_the_next_window_of_a_mapped_file_is_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """505 rows in windows of 100; the file ends within the last block."""
    in_memory = batches(505, 25, [1, 2], "blocks")
    np.save(tmp_path / "x.npy", in_memory.examples.x)
    x = np.asarray(np.load(tmp_path / "x.npy", mmap_mode="r"))
    made = Batches(Examples(x, in_memory.examples.y), in_memory.loss, 25, [1, 2], 1, "blocks", None)
    told: dict[int, list[int]] = {mmap.MADV_WILLNEED: [], mmap.MADV_DONTNEED: []}
    asked, given_back = told.values()

    def counted(rows: np.ndarray, *where: Any) -> np.ndarray:
        told[where[-1]].append(rows.size)
        return advise(rows, *where)

    monkeypatch.setattr(batching, "advise", counted)
    list(made.epoch(1))
    assert asked == given_back == [200] * 5 + [10], "rows of both members; 505 = 5 · 100 + 5"
    asked.clear()
    given_back.clear()
    second = made.epoch(2)
    next(second)
    assert asked == [200, 200], "with the first batch of the first window, the second one is on its way"
    assert given_back == [], "the first window is still in use"
    assert (rows_seen(made, 1) == rows_seen(in_memory, 1)).all()


def test_auto_depends_on_the_size_of_the_inputs_alone() -> None:
    row = np.zeros(1, np.float32)
    small, large = (np.broadcast_to(row, (LARGE_BYTES // 4 + extra,)) for extra in (0, 1))  # nothing is allocated
    assert [by_blocks("auto", x) for x in (small, large)] == [False, True]
    assert [by_blocks("full", x) for x in (small, large)] == [False, False]
    assert [by_blocks("blocks", x) for x in (small, large)] == [True, True]


def test_members_and_resuming_with_blocks(
    make_trainer: Callable[..., Trainer],
    make_examples: Callable[..., Examples],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "BLOCK_BYTES", 8 * 6 * 5)  # 5 rows of 6 features
    monkeypatch.setattr(batching, "WINDOW_BYTES", 8 * 6 * 40)
    train = make_examples(203, "cross_entropy", 3, seed=1)

    def made(seeds: list[int], shuffle: str = "blocks") -> Trainer:
        return make_trainer(seeds, train=train, batch_norm=True, optimizer="adam", shuffle=shuffle)

    together, alone, first, second, full = made([4, 9]), made([9]), made([4, 9]), made([4, 9]), made([4, 9], "full")
    for trainer in (together, alone, full):
        list(trainer.epochs(5))
    list(first.epochs(2))
    second.restore(first.snapshot())
    list(second.epochs(5))
    assert together.theta[1].tobytes() == alone.theta[0].tobytes()
    assert together.theta.tobytes() == second.theta.tobytes()
    assert together.theta.tobytes() != full.theta.tobytes()
