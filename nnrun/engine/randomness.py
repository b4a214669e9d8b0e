"""Every random draw of a run, keyed by what it is for, never by the order of calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

# Never renumbered, as every draw follows from these. Taken elsewhere: 5 to 8 by `search/seeds.py`, and 100 by
# `search/strategies/strategy.py`.
PURPOSES = {"init": 0, "shuffle": 1, "dropout": 2, "augment": 3, "sample": 4, "embed": 9, "scales": 10}

CHANCES = 1 << 16
Units = TypeVar("Units", int, NDArray[np.int64])
_WORD = 1 << 32
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def stream(seed: int, purpose: str, layer: int = 0, epoch: int = 0) -> Generator:
    """The generator of one purpose (a key of PURPOSES) in one layer and epoch of the run with this seed."""
    return Generator(PCG64(_sequence(seed, purpose, layer, epoch)))


def chances(stream: Generator, rows: int, units: int) -> NDArray[np.uint16]:
    """Whole numbers below CHANCES, `(rows, padded(units))`, of which `units` in each row are meant to be used.

    Four are made of one draw of 64 bits, at a third of what numbers with a point cost. A row has draws of its own, so
    rows may be drawn together or one by one.
    """
    words = stream.bit_generator.random_raw(rows * padded(units) // 4)
    return np.asarray(words).view(np.uint16).reshape(rows, padded(units))


def padded(units: Units) -> Units:
    """Numbers that are drawn for so many units: whole draws."""
    return -(-units // 4) * 4


def starts(seeds: Sequence[int], purpose: str, layer: int = 0, epoch: int = 0) -> NDArray[np.uint64]:
    """Where `random_access` begins for each of these runs, `(members,)`."""
    states = [_sequence(seed, purpose, layer, epoch).generate_state(1, np.uint64) for seed in seeds]
    return np.concatenate(states)


def random_access(starts: NDArray[np.uint64], rows: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Uniform numbers from 0 to 1 for these rows `(members, m)`, `(members, m, count)`; a row's are always the same.

    SplitMix64 (Steele, Lea & Flood 2014), whose k-th number needs none of those before; row r has those from
    r·count on.
    """
    z = np.multiply(rows.astype(np.uint64)[..., None], np.uint64(count), dtype=np.uint64)
    z = np.add(z, np.arange(1, count + 1, dtype=np.uint64), dtype=np.uint64)
    z *= _GAMMA
    z += starts[:, None, None]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z ^= z >> np.uint64(shift)
        z *= np.uint64(factor)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _sequence(seed: int, purpose: str, layer: int, epoch: int) -> SeedSequence:
    words = [seed, PURPOSES[purpose], layer, epoch]
    return SeedSequence(np.array(words, np.uint32) if seed < _WORD else words)  # the same, in half the time
