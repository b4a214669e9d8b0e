"""What a transform of the gradient is, of which optimizers are chains: what it is told, what it keeps, what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.hyperparameters import PerMember
from nnrun.engine.parameters import Array

PerStep = NDArray[np.float64]  # (steps, members, 1)
TINY = np.finfo(np.float64).tiny  # in place of β = 0, whose logarithm there is none of


class Steps(NamedTuple):
    """What is known about the steps of one epoch before it starts."""

    numbers: PerStep  # of the steps, from 1
    rates: PerStep  # learning rates
    batch_sizes: PerStep  # examples in each batch
    epoch: int = 0  # its number, from 1


class Block(NamedTuple):
    """A stretch of theta, of the gradient and of the slots, `(members, size)`; weights stand in front of the others."""

    theta: Array
    g: Array
    slots: Sequence[Array]
    scratch: Array  # of the same shape, for whatever a transform works out on the way
    weights: int  # how many of the block's columns are weights


class Transform(Protocol):
    """Frozen hyperparameters, one value a member; vectors it keeps are slots shaped like theta."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the vectors it keeps from step to step, zero at first."""

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """What `update` needs at each step, `(steps, members, 1)` or one for all."""

    def factor(self, steps: Steps) -> PerStep | float:
        """What the final step is to be multiplied by, besides the learning rate."""

    def averages(self, steps: Steps) -> tuple[PerStep | float, ...]:
        """What the sum kept in each slot is to be multiplied by to be the average that it stands for."""

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """Rewrite `block.g` or `block.theta` in place by the constants of one step, `(members, 1)` or numbers."""


class Plain:
    """A transform that keeps nothing and owes no factor."""

    slots: tuple[str, ...] = ()

    def factor(self, steps: Steps) -> float:
        """1."""
        return 1.0

    def averages(self, steps: Steps) -> tuple[PerStep | float, ...]:
        """Nothing, as no sum is kept."""
        return ()


def average_of_sum(beta: PerMember, steps: Steps, bias_correction: bool) -> PerStep:
    """c: a sum kept as s = βs + g times this is the (corrected) weighted average of g; why so: update.py."""
    if not bias_correction:
        return 1 - beta
    # β^t as e^(t·log β): np.power squares where one exponent 2 serves a whole row of members, and so gives a
    # member alone another last bit.
    return (beta - 1) / np.expm1(steps.numbers * np.log(np.maximum(beta, TINY)))
