"""Mini-batches: the shuffled order of an epoch, where batches begin and end, and reading ahead of them."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.engine.augmentation import Augmenter, Change
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.randomness import stream
from nnrun.machine.lazily import cached_property

Rows = NDArray[np.int64]


def read_ahead(window_rows: Iterator[Rows], x: Array, block: int) -> Iterator[Rows]:
    """Row numbers, window by window; when one window is handed out, the blocks of the next are being read.

    When the next is asked for, its pages are given back: where memory is short the system would rather keep what has
    been used than what is to come. An array that is not mapped from a file is left alone.
    """
    mapped = map_of(x)
    if mapped is None:
        yield from window_rows
        return
    end = np.empty(0, np.int64)
    wanted = (advise(rows, x, block, mapped, mmap.MADV_WILLNEED) for rows in window_rows)
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


class Span(NamedTuple):
    """Places in the order of an epoch, from `start` up to but without `stop`."""

    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Group:
    """Batches whose rows are gathered at once: `rows` as places in the window, `spans` as places in these rows."""

    rows: slice
    spans: Rows  # (batches, 2): where each begins, and where it is over


@dataclass(frozen=True, eq=False)
class Window:
    """Places `start` to `stop` in the order of an epoch, whose rows are mixed with each other; batches in groups."""

    start: int
    stop: int
    groups: list[Group]


def by_blocks(shuffle: str, x: Array) -> bool:
    """Whether these inputs are shuffled block by block."""
    return shuffle == "blocks" or (shuffle == "auto" and x.nbytes > LARGE_BYTES)


def windows(bounds: Sequence[Span], mixed: int, gathered: int) -> list[Window]:
    """The batches of an epoch in windows of at most `mixed` rows, groups of at most `gathered`, or else one batch."""
    return [
        Window(spans[0].start, spans[-1].stop, [_group(batches, spans[0].start) for batches in packed(spans, gathered)])
        for spans in packed(bounds, mixed)
    ]


def packed(bounds: Sequence[Span], rows: int) -> list[list[Span]]:
    """Batches that follow each other, as many together as have at most so many rows; at least one."""
    packs: list[list[Span]] = []
    for bound in bounds:
        if packs and bound.stop - packs[-1][0].start <= rows:
            packs[-1].append(bound)
        else:
            packs.append([bound])
    return packs


def _group(batches: Sequence[Span], window_start: int) -> Group:
    start, stop = batches[0].start, batches[-1].stop
    return Group(slice(start - window_start, stop - window_start), np.array(batches, np.int64) - start)


def orders(rows: int, parts: Sequence[Window], block: int, rng: Generator) -> Iterator[Rows]:
    """Row numbers of each window in turn, `(stop − start,)`; every row is in one of them.

    Blocks of `block` rows, the last perhaps shorter, come in a random order. A window is the next stretch of them,
    its rows in a random order; a block that the end of a window cuts through goes on in the next.
    """
    if len(parts) == 1:
        yield rng.permutation(rows)
        return
    blocks = rng.permutation(-(-rows // block))
    sizes = np.minimum(block, rows - blocks * block)
    ends = np.cumsum(sizes)
    for part in parts:
        first, last = np.searchsorted(ends, (part.start, part.stop - 1), side="right")
        touched = slice(first, last + 1)
        inside = [np.arange(b * block, b * block + n) for b, n in zip(blocks[touched], sizes[touched], strict=True)]
        skipped = part.start - int(ends[first] - sizes[first])
        yield rng.permutation(np.concatenate(inside)[skipped : skipped + part.stop - part.start])


# x (members, m, n), targets (members, m, width), and weights (members, m, 1) where there are any
Batch = tuple[Array, Array, Array | None]

# Rows are gathered for several batches at once, as each time costs some calls: at most so many bytes of all members,
# which stay in the outer cache, and so many rows, as dropout draws its numbers for all of them.
GATHERED_BYTES, GATHERED_ROWS = 1 << 21, 1 << 12


def batch_bounds(rows: int, batch_size: int, smallest: int = 1) -> list[Span]:
    """Where each batch lies in the order of an epoch; a last one of fewer than `smallest` rows joins the one before.

    >>> [tuple(span) for span in batch_bounds(148, 64)]
    [(0, 64), (64, 128), (128, 148)]
    """
    bounds = [Span(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
    if len(bounds) > 1 and bounds[-1].stop - bounds[-1].start < smallest:
        bounds[-2:] = [Span(bounds[-2].start, rows)]
    return bounds


class Batches:
    """Batches of examples for members that shuffle by their own seeds.

    `examples` of n features; `loss` turns y into targets; `batch_size` in rows; `seeds`, one a member;
    `smallest`: fewest rows of the last batch, which otherwise joins the one before; `shuffle`, a name of SHUFFLES;
    `augmenter`, what is done to the rows of each batch. `bounds` and `sizes` tell where the batches lie in the order
    of an epoch, and how many rows each has, `(batches,)`.
    """

    def __init__(
        self,
        examples: Examples,
        loss: Loss,
        batch_size: int,
        seeds: Sequence[int],
        smallest: int,
        shuffle: str,
        augmenter: Augmenter | None,
    ) -> None:
        self.examples, self.loss, self.seeds, self.augmenter = examples, loss, seeds, augmenter
        x = examples.x
        self.bounds = batch_bounds(len(x), batch_size, smallest)
        self.sizes = np.array([stop - start for start, stop in self.bounds])
        self._buffers = Buffers(x.dtype)
        self._row_bytes = max(1, x.itemsize * x.shape[1])
        self._per_block = max(1, BLOCK_BYTES // self._row_bytes)
        self._mixed = WINDOW_BYTES // self._row_bytes if by_blocks(shuffle, x) else len(x)
        self._windows = self._windows_for(len(seeds))

    @cached_property
    def _by_rows(self) -> list[Window]:
        """Windows for a caller that gathers the rows of one member at a time."""
        return self._windows_for(1)

    def _windows_for(self, members: int) -> list[Window]:
        """The windows of an epoch, in groups that are gathered at once for so many members."""
        gathered = min(GATHERED_ROWS, GATHERED_BYTES // (self._row_bytes * members))
        return windows(self.bounds, self._mixed, gathered)

    @property
    def plain(self) -> bool:
        """Whether there are several batches of rows of the examples as they are, in one order for all of an epoch."""
        return self.augmenter is None and len(self.bounds) > 1 and len(self._windows) == 1

    @property
    def most_gathered(self) -> int:
        """Rows of the largest group, whoever gathers them."""
        groups = (group for window in self._windows + self._by_rows for group in window.groups)
        return max(int(group.rows.stop) - int(group.rows.start) for group in groups)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Each batch of epoch `number`, from 1, newly shuffled and changed by the augmenter: views of its group."""
        for (x, y, weights), spans in self.groups(number):
            targets = self.loss.targets(y, x.dtype)
            for start, stop in spans.tolist():
                batch = slice(start, stop)
                yield x[:, batch], targets[:, batch], None if weights is None else weights[:, batch]

    def groups(self, number: int) -> Iterator[tuple[Batch, Rows]]:
        """The rows of several batches of epoch `number`, from 1, gathered at once, with y where a batch has targets;
        of each batch where it begins and ends among them, `(batches, 2)`.

        x lies in a buffer which the next group overwrites, so a caller that keeps x copies it; y and weights are
        new for each group. A full batch is not shuffled, and without an augmenter not copied: x is then that of the
        examples, shared by all members, `(1, rows, n)`.
        """
        change = self.augmenter.at(self.seeds, number) if self.augmenter else None
        if len(self.bounds) == 1:
            yield self._whole(change), self._windows[0].groups[0].spans
            return
        for rows, spans in self._in_order(self._windows, number):
            yield self.gather(rows, change), spans

    def rows_of_groups(self, number: int) -> Iterator[tuple[Rows, Rows]]:
        """Groups for a caller that gathers them batch by batch: numbers of their rows, `(members, rows)`, and spans."""
        return self._in_order(self._by_rows, number)

    def _in_order(self, parts: Sequence[Window], number: int) -> Iterator[tuple[Rows, Rows]]:
        for window, order in zip(parts, self._orders(number), strict=True):
            for group in window.groups:
                yield order[:, group.rows], group.spans

    def _orders(self, epoch: int) -> Iterator[Rows]:
        """Row numbers of each window, `(members, rows)`."""
        by_member = [
            orders(len(self.examples), self._windows, self._per_block, stream(seed, "shuffle", epoch=epoch))
            for seed in self.seeds
        ]
        stacked = (np.stack(members) for members in zip(*by_member, strict=True))
        return stacked if len(self._windows) == 1 else read_ahead(stacked, self.examples.x, self._per_block)

    def gather(self, rows: Rows, change: Change | None = None) -> Batch:
        """The examples in these rows `(members, rows)`; x lies in a buffer that the next call overwrites."""
        x, y, weights = self.examples.x, self.examples.y, self.examples.weights
        self._buffers.rewind(rows.shape[1])
        gathered = x.take(rows, axis=0, out=self._buffers.take((*rows.shape, x.shape[1])), mode="clip")
        if change:
            gathered = change(gathered, rows)
        taken = None if weights is None else weights.take(rows)[..., None]
        return gathered, y.take(rows, axis=0), taken

    def _whole(self, change: Change | None) -> Batch:
        if change:
            return self.gather(np.tile(np.arange(len(self.examples)), (len(self.seeds), 1)), change)
        x, y, weights = self.examples.x, self.examples.y, self.examples.weights
        return x[None], y[None], None if weights is None else weights[None, :, None]
