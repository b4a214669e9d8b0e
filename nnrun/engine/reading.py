"""Telling the system which rows of a mapped file come next, so that it reads them while others are trained on."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.parameters import Array

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
