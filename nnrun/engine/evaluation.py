"""Loss and error of a part of the data, dropout off and running averages in batch norm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from nnrun.engine.layers import Mode
from nnrun.engine.losses import Loss
from nnrun.engine.network import Bound, Network
from nnrun.engine.parameters import Array, Buffers

CHUNK = 512  # rows that go through the network at once: 16 members of 128 units then take a fifth less than with 1024

SUMMED = 1 << 20  # rows whose targets are copied at once


class Examples:
    """Inputs x `(rows, n)` with y: class indices `(rows,)` or values `(rows, width)`."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def error_scale(self) -> float:
        """What summed mistakes are divided by: the rows, or Σ(y − ȳ)², so that the error is 1 − R²."""
        if self.y.ndim == 1:
            return len(self.y)
        mean = self.y.mean(axis=0)
        pieces = (self.y[start : start + SUMMED] - mean for start in range(0, len(self), SUMMED))
        return sum(float(np.square(piece, dtype=np.float64).sum()) for piece in pieces) / int(self.y.shape[1])


def logits_in_chunks(
    network: Network, bound: Sequence[Bound], x: Array, mode: Mode | None = None
) -> Iterator[tuple[slice, Array]]:
    """(rows, logits `(members, rows, width)`) chunk by chunk; the array is overwritten by the next one.

    A `mode` that is used again keeps its buffers.
    """
    mode = mode or Mode(train=False, buffers=Buffers(x.dtype))
    for start in range(0, len(x), CHUNK):
        rows = slice(start, min(start + CHUNK, len(x)))
        yield rows, network.forward(bound, x[None, rows], mode)[0]


class Evaluator:
    """Measures members on one part again and again."""

    def __init__(self, network: Network, loss: Loss, examples: Examples) -> None:
        self.network, self.loss, self.examples = network, loss, examples
        self._mode = Mode(train=False, buffers=Buffers(examples.x.dtype))
        self._scale = examples.error_scale

    def __call__(self, bound: Sequence[Bound]) -> tuple[Array, Array]:
        """Mean loss and error of each member, `(members,)` float64; an error without a scale is NaN."""
        x, y = self.examples.x, self.examples.y
        chunks = logits_in_chunks(self.network, bound, x, self._mode)
        sums = [self.loss.sums(logits, self.loss.targets(y[None, rows], x.dtype)) for rows, logits in chunks]
        losses, mistakes = np.sum(sums, axis=0)
        return losses / len(self.examples), mistakes / (self._scale or np.nan)
