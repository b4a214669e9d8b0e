"""What every draw of a run follows from, which no change may move."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import PCG64, Generator, SeedSequence

from nnrun.engine.randomness import PURPOSES, stream
from nnrun.search import seeds
from nnrun.search.strategies.strategy import SEARCH


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**64 + 5])
@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_stream_follows_from_its_four_numbers(seed: int, purpose: str) -> None:
    plainly = Generator(PCG64(SeedSequence([seed, PURPOSES[purpose], 3, 500])))
    assert np.array_equal(stream(seed, purpose, 3, 500).integers(1 << 60, size=5), plainly.integers(1 << 60, size=5))


def test_no_two_purposes_have_one_number() -> None:
    """Zeros at the end change no seed, so a purpose elsewhere could draw the numbers of one here."""
    taken = [*PURPOSES.values(), seeds.TRIAL, seeds.REPEAT, seeds.RETEST, seeds.IMPROVE, SEARCH]
    assert len(set(taken)) == len(taken)
