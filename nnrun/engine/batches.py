"""Mini-batches: where they begin and end, and the shuffled rows of each member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.randomness import stream

BLOCK_BYTES = 1 << 18  # rows are gathered for several batches at once, as many as stay in the cache


def batch_bounds(rows: int, batch_size: int, smallest: int = 1) -> list[tuple[int, int]]:
    """(start, stop) of each batch; a last one of fewer than `smallest` rows joins the one before.

    >>> batch_bounds(148, 64)
    [(0, 64), (64, 128), (128, 148)]
    """
    bounds = [(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < smallest:
        bounds[-2:] = [(bounds[-2][0], rows)]
    return bounds


class Batches:
    """Batches of x `(rows, n)` and y `(rows, ...)` for members that shuffle by their own seeds."""

    def __init__(
        self, x: Array, y: Array, loss: Loss, batch_size: int, seeds: Sequence[int], smallest: int = 1
    ) -> None:
        self.x, self.y, self.loss, self.seeds = x, y, loss, seeds
        self.bounds = batch_bounds(len(x), batch_size, smallest)
        self.sizes = np.array([stop - start for start, stop in self.bounds])
        self._buffers = Buffers(x.dtype)
        row_bytes = max(1, x.itemsize * x.shape[1] * len(seeds))
        per_block = max(1, BLOCK_BYTES // (row_bytes * batch_size))
        self._blocks = [self.bounds[i : i + per_block] for i in range(0, len(self.bounds), per_block)]

    def epoch(self, number: int) -> Iterator[tuple[Array, Array]]:
        """(x `(members, m, n)`, targets `(members, m, width)`) of each batch, reshuffled each epoch.

        A full batch is neither shuffled nor copied: all members share it, `(1, rows, n)`.
        """
        if len(self.bounds) == 1:
            yield self.x[None], self.loss.targets(self.y[None], self.x.dtype)
            return
        order = np.stack([stream(seed, "shuffle", epoch=number).permutation(len(self.x)) for seed in self.seeds])
        for block in self._blocks:
            first, last = block[0][0], block[-1][1]
            rows = order[:, first:last]
            self._buffers.rewind(last - first)
            x = self.x.take(rows, axis=0, out=self._buffers.take((*rows.shape, self.x.shape[1])), mode="clip")
            targets = self.loss.targets(self.y.take(rows, axis=0), self.x.dtype)
            for start, stop in block:
                yield x[:, start - first : stop - first], targets[:, start - first : stop - first]
