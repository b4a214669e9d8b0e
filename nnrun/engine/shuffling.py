"""The order of the rows in an epoch: of all of them at once, or block by block where they are too many for memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.engine.parameters import Array

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
