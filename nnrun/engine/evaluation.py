"""Loss and error of a part of the data, dropout off and running averages in batch norm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nnrun.engine.layers import Mode
from nnrun.engine.losses import Loss
from nnrun.engine.network import Bound, Network
from nnrun.engine.parameters import Array, Buffers
from nnrun.machine import threads
from nnrun.machine.lazily import cached_property

CHUNK = 512  # rows that go through the network at once: 16 members of 128 units then take a fifth less than with 1024
LARGE = 1 << 24  # multiplications of a chunk from which on threads share chunks: about half a millisecond

SUMMED = 1 << 20  # rows whose targets are copied at once

Said = TypeVar("Said")


ROUNDING = 1e-6  # of a value; targets that deviate from their mean by no more are equal but for their last digits


class Examples:
    """Inputs x `(rows, n)` with y: class indices `(rows,)` or values `(rows, width)`; perhaps weights `(rows,)`.

    Features are prepared and values scaled to deviations of the target; x has the precision of the network.
    """

    def __init__(self, x: Array, y: Array, weights: Array | None = None) -> None:
        self.x, self.y, self.weights = x, y, weights

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: slice | Array) -> Examples:
        """The examples of a slice, or of row numbers `(k,)`."""
        return Examples(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])

    @cached_property
    def total(self) -> float:
        """What summed losses are divided by: the rows, or the sum of their weights."""
        return len(self) if self.weights is None else float(self.weights.sum(dtype=np.float64))

    @cached_property
    def error_scale(self) -> float:
        """What summed mistakes are divided by: the total, or Σ w·(y − ȳ)², so that the error is 1 − R²."""
        if self.y.ndim == 1:
            return self.total
        if self.weights is None:
            mean = self.y.mean(axis=0)
        else:
            mean = np.einsum("i,ij->j", self.weights, self.y, dtype=np.float64) / self.total
        found = sum(_squares(self.take(rows), mean) for rows in pieces(len(self), SUMMED)) / int(self.y.shape[1])
        dust = self.total * float(np.square(ROUNDING * mean).sum())
        return found if found > dust else 0.0


def pieces(rows: int, size: int) -> Iterator[slice]:
    """Slices of so many rows in chunks of this size, the last of which may be smaller."""
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def _squares(examples: Examples, mean: Array) -> float:
    """Σ w·(y − mean)²."""
    squares = np.square(examples.y - mean, dtype=np.float64)
    return float(squares.sum() if examples.weights is None else (squares * examples.weights[:, None]).sum())


def rows_at_once(network: Network) -> int:
    """Of a chunk; fewer where members share a body, as rows pass once for each."""
    return max(1, CHUNK // network.members)


def logits_in_chunks(
    network: Network, bound: Sequence[Bound], x: Array, loss: Loss, size: int | None = None
) -> Iterator[tuple[slice, Array]]:
    """(rows, logits `(members, rows, width)`) chunk by chunk; the array is overwritten by a later one.

    `bound` says whose numbers; `x (rows, n)` is the same for all members. Those that share a body are one to whoever
    asks, pooled as `loss` pools. Several chunks, of `rows_at_once` or of this size, go through the network at once
    where threads are worth it.
    """

    def pooled(rows: slice, logits: Array) -> Array:
        return of_network(network, loss, logits)

    return _in_chunks(network, bound, x, pooled, [], size or rows_at_once(network))


def of_network(network: Network, loss: Loss, logits: Array) -> Array:
    """The logits of a network, those of members that share a body pooled."""
    return logits if network.members == 1 else loss.pool(np.moveaxis(logits, -3, 0), _equal(network.members))


def opinions_in_chunks(network: Network, bound: Sequence[Bound], x: Array, size: int) -> Iterator[tuple[slice, Array]]:
    """(rows, logits) of each member, also where they share a body: those of a network stand next to each other."""

    def apart(rows: slice, logits: Array) -> Array:
        return logits.reshape(-1, *logits.shape[-2:])

    return _in_chunks(network, bound, x, apart, [], size)


def _in_chunks(
    network: Network,
    bound: Sequence[Bound],
    x: Array,
    said: Callable[[slice, Array], Said],
    modes: list[Mode],
    size: int,
) -> Iterator[tuple[slice, Said]]:
    """What is said of the rows and logits of each chunk, by the thread that has worked them out."""

    def forward(rows: slice, mode: Mode) -> Said:
        return said(rows, network.forward(bound, x[None, rows], mode)[0])

    return in_chunks(pieces(len(x), size), forward, modes_for(bound, x.dtype, modes))


def modes_for(bound: Sequence[Bound], dtype: np.dtype[Any], kept: list[Mode]) -> list[Mode]:
    """One for each chunk that goes through these layers at once: of those that are kept, to which any new one is added.

    Several where threads are worth it.
    """
    large = CHUNK * sum(array.size for layer in bound for array in layer.p.values()) >= LARGE
    at_once = threads.count() if large else 1
    kept += [Mode(train=False, buffers=Buffers(dtype)) for _ in range(at_once - len(kept))]
    return kept[:at_once]


def in_chunks(
    chunks: Iterator[slice], work: Callable[[slice, Mode], Said], modes: Sequence[Mode]
) -> Iterator[tuple[slice, Said]]:
    """(rows, what the work makes of them) of each chunk; as many at once as there are modes, each in one of its own."""
    while together := list(islice(chunks, len(modes))):
        places = list(zip(together, modes, strict=False))
        yield from zip(together, threads.share(lambda place: work(*place), places), strict=True)


See = Callable[[slice, Array], None]  # the rows of a chunk, and their logits


class Evaluator:
    """Measures members of `network` on one part, `examples`, again and again, by `loss`.

    Each `ensemble` members in a row are one, measured by the mean of their predictions; here alone the numbers of
    members become those of ensembles. `see`, where set, is shown the rows of each chunk and the logits of ensembles
    `(ensembles, rows, width)`, overwritten later. Where `each` is wished or each is an ensemble, `of_members` are loss
    and error of each member in the latest pass, `(members,)`.
    """

    of_members: tuple[Array, Array]

    def __init__(self, network: Network, loss: Loss, examples: Examples, ensemble: int = 1, each: bool = True) -> None:
        self.network, self.loss, self.examples, self.ensemble = network, loss, examples, ensemble
        self.apart = each and ensemble > 1  # whether members are measured beside their ensembles
        self._modes: list[Mode] = []
        self._scale = examples.error_scale
        self.see: See | None = None

    def __call__(self, bound: Sequence[Bound]) -> tuple[Array, Array]:
        """Mean loss and error of each ensemble, as `means` has them."""
        return self.means(self.sums(bound))

    def means(self, sums: Array) -> tuple[Array, Array]:
        """Mean loss and error of each ensemble, `(ensembles,)` float64; NaN for an error without a scale.

        An error is the share of wrong classes, or 1 − R², which has no scale where all values are equal.
        """
        losses, mistakes = sums[0] / self.examples.total, sums[1] / (self._scale or np.nan)
        if not self.apart:
            self.of_members = losses, mistakes
            return self.of_members
        members = len(losses) // (self.ensemble + 1) * self.ensemble
        self.of_members = losses[:members], mistakes[:members]
        return losses[members:], mistakes[members:]

    def sums(self, bound: Sequence[Bound]) -> Array:
        """Of loss and of mistakes, `(2, ensembles)`; in front of them their members if these are measured apart."""
        found: list[Array] = []
        size = rows_at_once(self.network)
        for rows, (sums, logits) in _in_chunks(self.network, bound, self.examples.x, self._judged, self._modes, size):
            found.append(sums)
            if self.see:
                self.see(rows, logits)
        return np.asarray(np.stack(found).sum(axis=0))

    def _judged(self, rows: slice, logits: Array) -> tuple[Array, Array]:
        """Sums of some rows, and the logits `(ensembles, rows, width)`."""
        logits = of_network(self.network, self.loss, logits)
        if self.ensemble == 1:
            return self._sums(rows, logits), logits
        members = logits.reshape(-1, self.ensemble, *logits.shape[1:]).swapaxes(0, 1)
        pooled = self.loss.pool(members, _equal(self.ensemble))
        return self._sums(rows, np.concatenate([logits, pooled]) if self.apart else pooled), pooled

    def _sums(self, rows: slice, logits: Array) -> Array:
        x, y, weights = self.examples.x, self.examples.y, self.examples.weights
        targets = self.loss.targets(y[None, rows], x.dtype)
        return np.stack(self.loss.sums(logits, targets, None if weights is None else weights[rows]))


def _equal(members: int) -> Array:
    return np.full(members, 1 / members)


class Judged(NamedTuple):
    """Whose numbers are measured and kept, `(members, size)`: those that train, or an average of them."""

    theta: Array
    state: Array
    bound: list[Bound]
