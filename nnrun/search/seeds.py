"""The seeds of the trainings of a search: each by what it is for and its number, never by the order of calls."""

from __future__ import annotations

from numpy.random import SeedSequence

SEED = "seed"  # the key, which a search of seeds alone varies

# Beside those in `randomness.PURPOSES`; another number would be another seed.
TRIAL, REPEAT, RETEST, IMPROVE = 5, 6, 7, 8


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's run, by the search's seed and the trial's number alone; trial 0 keeps the config's."""
    return seed if number == 0 else _seed(seed, TRIAL, number)


def repeat_seed(seed: int, number: int, repeat: int) -> int:
    """The seed with which a trial is trained again, by the search's seed and these two numbers alone."""
    return _seed(seed, REPEAT, number, repeat)


def retest_seed(seed: int, number: int) -> int:
    """The seed of that number in a retest, which all settings are trained with."""
    return _seed(seed, RETEST, number)


def improve_seed(seed: int, number: int) -> int:
    """The seed of that number in an improvement, which every setting is trained with; 0 keeps the config's."""
    return seed if number == 0 else _seed(seed, IMPROVE, number)


def _seed(*key: int) -> int:
    return int(SeedSequence(key).generate_state(1)[0])
