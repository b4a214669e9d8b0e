"""Learning-rate schedules: pure functions from the progress of training to a factor of the base rate.

Epochs and steps count from 1. A schedule answers for all steps of one epoch at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.hyperparameters import option

Factors = NDArray[np.float64]


class Progress(NamedTuple):
    """Where training stands: the epoch, the numbers of its steps, and how many epochs there will be."""

    epoch: int  # from 1
    steps: NDArray[np.int64]  # (steps of this epoch,), from 1 since training began
    epochs_total: int

    @property
    def done(self) -> Factors:
        """Share of training behind each step: 0 before the first, just under 1 before the last. (steps,).

        Every epoch is as much of it as another, whatever its number of steps, which changes with the batch size.
        """
        count = len(self.steps)
        return ((self.epoch - 1) * count + np.arange(count)) / (self.epochs_total * count)


class Schedule(ABC):
    """Frozen hyperparameters and one function; `needs_total` says whether the planned length shapes the curve."""

    needs_total: ClassVar[bool]

    @abstractmethod
    def __call__(self, progress: Progress) -> Factors:
        """The factor at each step of the epoch, (steps,)."""

    def cycle_ends(self, epochs_total: int) -> list[int]:
        """The epochs at whose end the rate is down before it begins anew, and the last; none where it never does."""
        return []


def _all_steps(progress: Progress, factor: float) -> Factors:
    return np.full(len(progress.steps), factor)


def _cosine_fall(done: Factors) -> Factors:
    """From 1 to 0 along half a cosine while `done` goes from 0 to 1."""
    return (1 + np.cos(np.pi * done)) / 2


@dataclass(frozen=True)
class Given(Schedule):
    """Factors that are written down, for short trainings; after the last one it stays there."""

    needs_total: ClassVar[bool] = False
    factors: tuple[float, ...]

    def __call__(self, progress: Progress) -> Factors:
        """The factor at each step of the epoch, (steps,)."""
        return np.array([self.factors[min(step, len(self.factors)) - 1] for step in progress.steps.tolist()])


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    needs_total: ClassVar[bool] = False

    def __call__(self, progress: Progress) -> Factors:
        """1 at every step."""
        return _all_steps(progress, 1.0)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """α0 / (1 + rate · epoch)."""

    needs_total: ClassVar[bool] = False
    rate: float = option(1.0, "decay rate per epoch; the first is trained at α0 / (1 + rate)", ge=0)

    def __call__(self, progress: Progress) -> Factors:
        """Hyperbolic decay, one value an epoch."""
        return _all_steps(progress, 1 / (1 + self.rate * progress.epoch))


@dataclass(frozen=True)
class Exponential(Schedule):
    """base^epoch · α0."""

    needs_total: ClassVar[bool] = False
    base: float = option(0.95, "factor from one epoch to the next; the first is trained at base · α0", gt=0, le=1)

    def __call__(self, progress: Progress) -> Factors:
        """Exponential decay, one value an epoch."""
        return _all_steps(progress, self.base**progress.epoch)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """k / √epoch · α0."""

    needs_total: ClassVar[bool] = False
    k: float = option(1.0, "scale of the decayed rate", gt=0)

    def __call__(self, progress: Progress) -> Factors:
        """Square-root decay, one value an epoch."""
        return _all_steps(progress, self.k / np.sqrt(progress.epoch))


@dataclass(frozen=True)
class InverseSqrtStep(Schedule):
    """k / √t · α0, t the number of the mini-batch."""

    needs_total: ClassVar[bool] = False
    k: float = option(1.0, "scale of the decayed rate", gt=0)

    def __call__(self, progress: Progress) -> Factors:
        """Square-root decay, one value a step."""
        return self.k / np.sqrt(progress.steps)


@dataclass(frozen=True)
class Staircase(Schedule):
    """A drop by a constant factor after every so many epochs."""

    needs_total: ClassVar[bool] = False
    factor: float = option(0.5, "what the rate is multiplied by at each drop", gt=0, le=1)
    every: int = option(10, "epochs between two drops", ge=1)

    def __call__(self, progress: Progress) -> Factors:
        """Piecewise constant decay."""
        return _all_steps(progress, self.factor ** ((progress.epoch - 1) // self.every))


@dataclass(frozen=True)
class ByEpoch(Schedule):
    """A hand-written table: from each epoch named on, the rate is multiplied by its factor."""

    needs_total: ClassVar[bool] = False
    factors: dict[int, float] = option({1: 1.0}, "first epoch → factor of the base rate", gt=0)

    def __call__(self, progress: Progress) -> Factors:
        """The entry with the latest epoch that has begun; 1 before the first."""
        begun = [epoch for epoch in self.factors if epoch <= progress.epoch]
        return _all_steps(progress, self.factors[max(begun)] if begun else 1.0)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from α0 down to a last share of it, once or anew in each cycle (Loshchilov & Hutter 2017).

    Cycles are whole epochs, and as equal in length as that lets them be.
    """

    needs_total: ClassVar[bool] = True
    final: float = option(0.0, "share of the base rate that is left at the end", ge=0, le=1)
    cycles: int = option(1, "how often it falls, each time from the full rate", ge=1)

    def __call__(self, progress: Progress) -> Factors:
        """Cosine annealing, one value a step."""
        total = progress.epochs_total
        number = min(-(-progress.epoch * self.cycles // total), self.cycles + 1)  # of the cycle, from 1
        before = (number - 1) * total // self.cycles
        after = number * total // self.cycles if number <= self.cycles else progress.epoch
        cycle = Progress(progress.epoch - before, progress.steps, after - before)
        return self.final + (1 - self.final) * _cosine_fall(cycle.done)

    def cycle_ends(self, epochs_total: int) -> list[int]:
        """The ends of two cycles or more."""
        cycles = min(self.cycles, epochs_total)  # fewer where there are not as many epochs
        ends = [cycle * epochs_total // cycles for cycle in range(1, cycles + 1)]
        return ends if len(ends) > 1 else []


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise from 0 to α0 over the first epochs, constant after.

    Goyal et al. (2017).
    """

    needs_total: ClassVar[bool] = False
    epochs: int = option(5, "epochs until the full rate is reached", ge=1)

    def __call__(self, progress: Progress) -> Factors:
        """Linear warm-up, one value a step; the first step already moves."""
        in_epoch = np.arange(1, len(progress.steps) + 1) / len(progress.steps)
        return np.minimum(1.0, (progress.epoch - 1 + in_epoch) / self.epochs)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A rise to α0 and a cosine fall to almost nothing (Smith & Topin 2019)."""

    needs_total: ClassVar[bool] = True
    rise: float = option(0.3, "share of training spent rising", gt=0, lt=1)
    start: float = option(0.04, "share of the base rate at the beginning", gt=0, le=1)
    final: float = option(1e-4, "share of the base rate at the end", ge=0, le=1)

    def __call__(self, progress: Progress) -> Factors:
        """One cycle, one value a step."""
        done = progress.done
        up = 1 - (1 - self.start) * _cosine_fall(np.minimum(done / self.rise, 1))
        down = self.final + (1 - self.final) * _cosine_fall((done - self.rise) / (1 - self.rise))
        return np.where(done < self.rise, up, down)


@dataclass(frozen=True)
class CosLog4(Schedule):
    """½(1 − cos(2π·log₂(1 + 15t))), t the share of training done: up to α0 and down four times.

    Each time takes twice as long as the one before; the first step is one of 0 (Holzmüller et al. 2024).
    """

    needs_total: ClassVar[bool] = True

    def __call__(self, progress: Progress) -> Factors:
        """Four cycles, one value a step."""
        return (1 - np.cos(2 * np.pi * np.log2(1 + 15 * progress.done))) / 2


@dataclass(frozen=True)
class FlatCos(Schedule):
    """α0 until a share of training is done, then half a cosine down to 0.

    fastai's, which turns after 3/4 (Howard & Gugger 2020); after half, as here, in Holzmüller et al. (2024).
    """

    needs_total: ClassVar[bool] = True
    flat: float = option(0.5, "share of training spent at the full rate", ge=0, lt=1)

    def __call__(self, progress: Progress) -> Factors:
        """Flat, then half a cosine; one value a step."""
        return _cosine_fall(np.maximum(progress.done - self.flat, 0) / (1 - self.flat))


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "inverse_time": InverseTime,
    "exponential": Exponential,
    "inverse_sqrt": InverseSqrt,
    "inverse_sqrt_step": InverseSqrtStep,
    "staircase": Staircase,
    "table": ByEpoch,
    "cosine": Cosine,
    "warmup": Warmup,
    "one_cycle": OneCycle,
    "coslog4": CosLog4,
    "flat_cos": FlatCos,
}
