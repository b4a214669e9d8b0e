"""Every random draw of a run, keyed by what it is for, never by the order of calls."""

from __future__ import annotations

from numpy.random import PCG64, Generator, SeedSequence

PURPOSES = {"init": 0, "shuffle": 1, "dropout": 2, "augment": 3, "sample": 4}


def stream(seed: int, purpose: str, layer: int = 0, epoch: int = 0) -> Generator:
    """The generator of one purpose (a key of PURPOSES) in one layer and epoch of the run with this seed."""
    return Generator(PCG64(SeedSequence([seed, PURPOSES[purpose], layer, epoch])))
