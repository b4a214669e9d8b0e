"""Mini-batches: the shuffled order of an epoch, where batches begin and end, and reading ahead of them."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.engine.augmentation import Augmenter, Change
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.randomness import stream

Rows = NDArray[np.int64]


def read_ahead(windows: Iterator[Rows], x: Array, block: int) -> Iterator[Rows]:
    """The same row numbers, window by window; when one is handed out, the blocks of the next are being read.

    When it comes back, its pages are given back: where memory is short the system would rather keep what has been used
    than what is to come. An array that is not mapped from a file is left alone.
    """
    mapped = map_of(x)
    if mapped is None:
        yield from windows
        return
    end = np.empty(0, np.int64)
    wanted = (advise(rows, x, block, mapped, mmap.MADV_WILLNEED) for rows in windows)
    for now, _ in pairwise(chain(wanted, [end])):
        yield now
        advise(now, x, block, mapped, mmap.MADV_DONTNEED)


def advise(rows: Rows, x: Array, block: int, mapped: mmap.mmap, advice: int) -> Rows:
    """Tell the system what becomes of the blocks in which these rows lie; the rows again."""
    first = x.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    size = block * x.strides[0]
    for number in np.flatnonzero(np.bincount(rows.ravel() // block)):
        start = first + int(number) * size
        page = start - start % mmap.PAGESIZE
        mapped.madvise(advice, page, min(start + size, len(mapped)) - page)
    return rows


def map_of(x: Array) -> mmap.mmap | None:
    """The map that an array lies in, if any."""
    base: object = x
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


SHUFFLES = ("auto", "full", "blocks")
# Decided by the size of the data, never by the machine's memory, so that the bits are the same everywhere.
LARGE_BYTES = 1 << 30  # inputs from which on `auto` means blocks
BLOCK_BYTES = 1 << 20  # rows that lie together and are read together
WINDOW_BYTES = 1 << 26  # blocks that are mixed with each other

Span = tuple[int, int]  # start, stop


def by_blocks(shuffle: str, x: Array) -> bool:
    """Whether these inputs are shuffled block by block."""
    return shuffle == "blocks" or (shuffle == "auto" and x.nbytes > LARGE_BYTES)


def windows(bounds: Sequence[Span], rows: int) -> list[list[Span]]:
    """Batches that follow each other, as many together as have at most so many rows; at least one."""
    found: list[list[Span]] = []
    for bound in bounds:
        if found and bound[1] - found[-1][0][0] <= rows:
            found[-1].append(bound)
        else:
            found.append([bound])
    return found


def orders(rows: int, spans: Sequence[Span], block: int, rng: Generator) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each window in turn, `(stop − start,)`; every row is in one of them.

    Blocks of `block` rows, the last perhaps shorter, come in a random order. A window is the next stretch of them,
    its rows in a random order; a block that the end of a window cuts through goes on in the next.
    """
    if len(spans) == 1:
        yield rng.permutation(rows)
        return
    blocks = rng.permutation(-(-rows // block))
    sizes = np.minimum(block, rows - blocks * block)
    ends = np.cumsum(sizes)
    for start, stop in spans:
        first, last = np.searchsorted(ends, (start, stop - 1), side="right")
        touched = slice(first, last + 1)
        inside = [np.arange(b * block, b * block + n) for b, n in zip(blocks[touched], sizes[touched], strict=True)]
        skipped = start - int(ends[first] - sizes[first])
        yield rng.permutation(np.concatenate(inside)[skipped : skipped + stop - start])


# x (members, m, n), targets (members, m, width), and weights (members, m, 1) where there are any
Batch = tuple[Array, Array, Array | None]

GATHERED_BYTES = 1 << 18  # rows are gathered for several batches at once, as many as stay in the cache


def batch_bounds(rows: int, batch_size: int, smallest: int = 1) -> list[Span]:
    """(start, stop) of each batch; a last one of fewer than `smallest` rows joins the one before.

    >>> batch_bounds(148, 64)
    [(0, 64), (64, 128), (128, 148)]
    """
    bounds = [(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < smallest:
        bounds[-2:] = [(bounds[-2][0], rows)]
    return bounds


class Batches:
    """Batches of examples for members that shuffle by their own seeds."""

    def __init__(
        self,
        examples: Examples,
        loss: Loss,
        batch_size: int,
        seeds: Sequence[int],
        smallest: int = 1,
        shuffle: str = "auto",
        augmenter: Augmenter | None = None,
    ) -> None:
        self.examples, self.loss, self.seeds, self.augmenter = examples, loss, seeds, augmenter
        x = examples.x
        self.bounds = batch_bounds(len(x), batch_size, smallest)
        self.sizes = np.array([stop - start for start, stop in self.bounds])
        self._buffers = Buffers(x.dtype)
        row_bytes = max(1, x.itemsize * x.shape[1])
        self._per_block = max(1, BLOCK_BYTES // row_bytes)
        mixed = WINDOW_BYTES // row_bytes if by_blocks(shuffle, x) else len(x)
        gathered = GATHERED_BYTES // (row_bytes * len(seeds))
        self._windows = [windows(window, gathered) for window in windows(self.bounds, mixed)]

    def epoch(self, number: int) -> Iterator[Batch]:
        """Each batch, reshuffled each epoch, and changed by the augmenter.

        A full batch is not shuffled, and without an augmenter not copied: all members share it, `(1, rows, n)`.
        """
        change = self.augmenter.at(self.seeds, number) if self.augmenter else None
        if len(self.bounds) == 1:
            yield self._whole(change)
            return
        for window, order in zip(self._windows, self._orders(number), strict=True):
            offset = window[0][0][0]
            for together in window:
                first, last = together[0][0], together[-1][1]
                x, targets, weights = self._gather(order[:, first - offset : last - offset], change)
                for start, stop in together:
                    own = slice(start - first, stop - first)
                    yield x[:, own], targets[:, own], None if weights is None else weights[:, own]

    def _orders(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """Row numbers of each window, `(members, rows)`."""
        spans = [(window[0][0][0], window[-1][-1][1]) for window in self._windows]
        own = [
            orders(len(self.examples), spans, self._per_block, stream(seed, "shuffle", epoch=epoch))
            for seed in self.seeds
        ]
        together = (np.stack(members) for members in zip(*own, strict=True))
        return together if len(spans) == 1 else read_ahead(together, self.examples.x, self._per_block)

    def _gather(self, rows: NDArray[np.int64], change: Change | None) -> Batch:
        """These rows `(members, rows)`; x is overwritten by the next ones."""
        x, y, weights = self.examples.x, self.examples.y, self.examples.weights
        self._buffers.rewind(rows.shape[1])
        gathered = x.take(rows, axis=0, out=self._buffers.take((*rows.shape, x.shape[1])), mode="clip")
        if change:
            gathered = change(gathered, rows)
        own = None if weights is None else weights.take(rows)[..., None]
        return gathered, self.loss.targets(y.take(rows, axis=0), x.dtype), own

    def _whole(self, change: Change | None) -> Batch:
        if change:
            return self._gather(np.tile(np.arange(len(self.examples)), (len(self.seeds), 1)), change)
        x, y, weights = self.examples.x, self.examples.y, self.examples.weights
        return x[None], self.loss.targets(y[None], x.dtype), None if weights is None else weights[None, :, None]
