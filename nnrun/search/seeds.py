"""The seeds of the runs of a search: numbers that no other draw of a run or a search is keyed by."""

from __future__ import annotations

from numpy.random import SeedSequence

from nnrun.engine.randomness import PURPOSES

TRIAL = max(PURPOSES.values()) + 1
REPEAT = TRIAL + 1


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's run, by the search's seed and the trial's number alone; trial 0 keeps the config's."""
    return seed if number == 0 else _seed(seed, TRIAL, number)


def repeat_seed(seed: int, number: int, repeat: int) -> int:
    """The seed with which a trial is trained again, by the search's seed and these two numbers alone."""
    return _seed(seed, REPEAT, number, repeat)


def _seed(*key: int) -> int:
    return int(SeedSequence(key).generate_state(1)[0])
