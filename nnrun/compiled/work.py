"""How a step is cut into pieces: by the shape of the network and the batch alone, never by the number of threads.

The pieces of one phase touch different numbers, so threads may take them in any order; a phase begins when the one
before is over. In a narrow network a layer is one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.compiled import codes

WIDE = 1 << 24  # operations in the products of a step, a fifth of a millisecond, from which on layers are cut
HUGE = 1 << 29  # from which on threads share each step of several members, too, rather than these
PIECE = 256  # columns of a piece at most: fewer make the products slower, more leave threads without work
HALVED = 128  # columns from which on there are two pieces at least
ALIGNED = 16  # numbers in a cache line of float32
BLOCK = 1 << 16  # parameters that are clipped and moved at once
OUTPUT_ROWS = 64  # rows of a batch whose logits are one piece
SHARED = 1 << 24  # operations of members one after the other from which on threads share them: most of a millisecond
SHOWN = 1 << 20  # logits that are shown together: those of all rows of a small part
LARGE = 1 << 16  # parameters from which on NumPy measures, as products take most of its time anyway
MEASURED_ROWS = 64  # of all that share a body, that go forward at once: in the cache, a fifth less time than 256

Piece = tuple[int, int, int, int]  # a code and three numbers of its own, see codes.py


class Work(NamedTuple):
    """A step: its pieces, each with how many must be done before, `(pieces, 5)`, and how many threads can share it.

    Of several members each is trained by one thread, unless a step is `huge`.
    """

    pieces: NDArray[np.int64]
    threads: int
    huge: bool


def work(
    widths: Sequence[int], batch_size: int, parameters: int, weights: int, clipped: bool,
    members: int = 1, embeddings: int = 0, gathers: bool = False,
) -> Work:  # fmt: skip
    """All phases of a step: forward by layers, the output with the loss, back by layers, all weights, what is clipped.

    `widths` are what goes in, units and logits; `weights` of the `parameters` stand first in theta. Where there are
    embeddings or `members` that share the body, what learns in front comes before all layers, and back behind them. A
    step that `gathers` its rows does so first.
    """
    in_all = operations(widths, members * batch_size)
    wide = in_all >= WIDE
    layers, columns, n = range(len(widths) - 1), cut(widths[0], wide), -(-batch_size // OUTPUT_ROWS) if wide else 1
    phases: list[list[Piece]] = [
        [(codes.GATHER, 0, i, n) for i in range(n if gathers else 0)],
        [(codes.LOOK_UP, 0, i, n) for i in range(n if embeddings else 0)],
        [(codes.ENTER, 0, lo, hi) for lo, hi in columns if members > 1],
    ]
    phases += [[(codes.FORWARD, layer, lo, hi) for lo, hi in cut(widths[layer + 1], wide)] for layer in layers[:-1]]
    phases.append([(codes.OUTPUT, member, i, n) for member in range(members) for i in range(n)])
    back = reversed(layers)
    phases += [[(codes.BACKWARD, layer, lo, hi) for lo, hi in cut(widths[layer], wide)] for layer in back if layer]
    scaled = members > 1 and len(widths) > 2 and not embeddings
    phases.append([(codes.LEAVE, 0, lo, hi) for lo, hi in columns if (embeddings or members > 1) and not scaled])
    phases.append([piece for layer in layers for piece in gradients(widths, layer, wide, members, scaled)])
    phases[-1] += [(codes.BY_ROW, embedding, 0, 0) for embedding in range(embeddings)]
    if clipped:
        stretches = [*blocks(0, weights), *blocks(weights, parameters)]
        phases.append([(codes.NORM, k, lo, hi) for k, (lo, hi) in enumerate(stretches)])
        phases.append([(codes.UPDATE, int(lo < weights), lo, hi) for lo, hi in stretches])
    starts = accumulate(map(len, phases), initial=0)
    pieces = [(*piece, start) for phase, start in zip(phases, starts, strict=False) for piece in phase]
    return Work(np.array(pieces, np.int64), max(map(len, phases)) if wide else 1, in_all >= HUGE)


def gradients(widths: Sequence[int], layer: int, wide: bool, members: int, scaled: bool) -> list[Piece]:
    """The pieces for the gradient by a layer's weights; in the output layer each member has its own."""
    rows = cut(widths[layer], wide)
    if layer == len(widths) - 2:
        return [(codes.HEAD, member, lo, hi) for member in range(members) for lo, hi in rows]
    if scaled and layer == 0:
        return [(codes.SCALED, 0, lo, hi) for lo, hi in rows]
    return [(codes.WEIGHTS, layer, lo, hi) for lo, hi in rows]


def measuring(widths: Sequence[int], rows: int, members: int, embeddings: int) -> NDArray[np.int64]:
    """The pieces of a pass that measures so many rows at once, one after the other, as those of a step."""
    pieces: list[Piece] = [(codes.LOOK_UP, 0, 0, 1)] if embeddings else []
    pieces += [(codes.ENTER, 0, 0, widths[0])] if members > 1 else []
    pieces += [(codes.FORWARD, layer, 0, units) for layer, units in enumerate(widths[1:-1])]
    pieces.append((codes.MEASURE, len(widths) - 2, rows, 0))
    return np.array([(*piece, place) for place, piece in enumerate(pieces)], np.int64)


def pooling(widths: Sequence[int], rows: int) -> NDArray[np.int64]:
    """The one piece of a pass that pools logits which are there, and measures what comes of it."""
    return np.array([(codes.MEASURE, len(widths) - 2, rows, 1, 0)], np.int64)


def operations(widths: Sequence[int], batch_size: int) -> int:
    """Multiplications and additions in the products of a step: forward, and back by W and by what goes in."""
    products = [n_in * n_out for n_in, n_out in pairwise(widths)]
    return 2 * batch_size * (3 * sum(products) - products[0])


def cut(columns: int, wide: bool) -> list[tuple[int, int]]:
    """Columns in pieces of at most PIECE, which begin at a cache line; in one piece where the step is not wide."""
    count = max(-(-columns // PIECE), 1 + (columns >= HALVED)) if wide else 1
    width = -(-columns // count // ALIGNED) * ALIGNED if count > 1 else columns
    return [(lo, min(lo + width, columns)) for lo in range(0, columns, width)]


def blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Stretches of BLOCK numbers, the last perhaps shorter."""
    return ((lo, min(lo + BLOCK, stop)) for lo in range(start, stop, BLOCK))
