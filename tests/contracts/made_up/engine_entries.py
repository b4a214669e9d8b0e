"""A made-up entry in each table of the engine, as somebody who adds one would write it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnrun.engine.activations import ACTIVATIONS, Activation
from nnrun.engine.augmentation import AUGMENTATIONS, Augmentation, Shape
from nnrun.engine.hyperparameters import PerMember, option
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.losses import LOSSES, NamedLoss, SoftmaxCrossEntropy, SquaredError
from nnrun.engine.metrics import METRICS, Metric
from nnrun.engine.optimizers import OPTIMIZERS, Rule
from nnrun.engine.parameters import Array
from nnrun.engine.schedules import SCHEDULES, Factors, Progress, Schedule
from nnrun.engine.scores import HIGHER_IS_BETTER
from nnrun.engine.transform import Block, PerStep, Steps


def softsign(x: Array, out: Array) -> Array:
    """x / (1 + |x|)."""
    np.abs(x, out=out)
    out += 1
    return np.divide(x, out, out=out)


def softsign_slope(x: Array, y: Array, out: Array) -> Array:
    """(1 − |y|)²."""
    np.abs(y, out=out)
    np.subtract(1, out, out=out)
    return np.multiply(out, out, out=out)


class HalfSquaredError(SquaredError):
    """Half of the squared error."""

    def gradient(self, logits: Array, targets: Array, out: Array) -> Array:
        """(z − y) / (m · width)."""
        np.subtract(logits, targets, out=out)
        out *= 1 / (logits.shape[-2] * self.width)
        return out

    def each(self, logits: Array, targets: Array) -> tuple[Array, Array]:
        """Half of the squared error, and the whole of it."""
        loss, mistake = super().each(logits, targets)
        return loss / 2, mistake


@dataclass(frozen=True, eq=False)
class SignOfMomentum:
    """A step of one length in each direction, along v = βv + g."""

    beta: PerMember
    slots: tuple[str, ...] = ("v",)

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """β."""
        return (self.beta,)

    def factor(self, steps: Steps) -> PerStep | float:
        """1."""
        return 1.0

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """v = βv + g; g = sign(v)."""
        (v,) = block.slots
        v *= constants[0]
        v += block.g
        np.sign(v, out=block.g)


@dataclass(frozen=True)
class Root(Schedule):
    """1/√epoch."""

    needs_total: ClassVar[bool] = False
    start: int = option(1, "epoch from which it falls", ge=1)

    def __call__(self, progress: Progress) -> Factors:
        """The same for all steps of an epoch."""
        return np.full(len(progress.steps), max(1, progress.epoch - self.start + 1) ** -0.5)


@dataclass(frozen=True)
class Saw(Schedule):
    """Down to half of the rate, again and again."""

    needs_total: ClassVar[bool] = False
    teeth: int = option(2, "epochs from one full rate to the next", ge=1)

    def __call__(self, progress: Progress) -> Factors:
        """The same for all steps of an epoch."""
        return np.full(len(progress.steps), 1 - (progress.epoch - 1) % self.teeth / (2 * self.teeth))

    def cycle_ends(self, epochs_total: int) -> list[int]:
        """The last epoch of each tooth."""
        return list(range(self.teeth, epochs_total + 1, self.teeth))


@dataclass(frozen=True)
class Lecun:
    """N(0, 1 / n_in), times a gain."""

    gain: float = option(1.0, "multiplies the standard deviation", gt=0)

    def deviation(self, n_in: int, n_out: int, activation_gain: float) -> float:
        """1/√n_in."""
        return self.gain * float(n_in) ** -0.5


@dataclass(frozen=True)
class Brightness(Augmentation):
    """All inputs of an example made larger or smaller together."""

    moves: ClassVar[bool] = False
    share: float = option(0.1, "largest change", gt=0)

    def draws(self, size: int) -> int:
        """One."""
        return 1

    def __call__(self, what: Array, u: Array) -> Array:
        """A factor an example."""
        changed: Array = what * (1 + self.share * (2 * u - 1)).astype(what.dtype)
        return changed


@dataclass(frozen=True)
class Quarter(Augmentation):
    """Turned by a quarter."""

    moves: ClassVar[bool] = True
    notice: ClassVar[str | None] = "a quarter of a turn is made up"
    turns: int = option(1, "how many quarters", ge=1)

    def draws(self, size: int) -> int:
        """One, of which nothing comes."""
        return 1

    def __call__(self, what: Array, u: Array) -> Array:
        """Rows for columns, so often."""
        for _ in range(self.turns):
            what = np.stack([what[..., 1, :, :], -what[..., 0, :, :]], axis=-3)
        return what

    def refusal(self, image: Shape, not_mirrored: str | None) -> str | None:
        """Whole turns."""
        return f"quarter brings {image[0]} × {image[1]} pixels back" if self.turns % 4 == 0 else None


ACTIVATIONS["softsign"] = Activation(softsign_slope, gain=1.0, saturates=True, value=softsign)
LOSSES["half_squared_error"] = NamedLoss("regression", HalfSquaredError)
LOSSES["wide_cross_entropy"] = NamedLoss("classification", SoftmaxCrossEntropy)
OPTIMIZERS["sign"] = Rule(
    lambda h: [SignOfMomentum(h.beta1)], usual_rate=2e-3, adaptive=True, uses_beta1=True, usual={"weight_decay": 0.001}
)
SCHEDULES["root"] = Root
SCHEDULES["saw"] = Saw
INITIALIZERS["lecun"] = Lecun
AUGMENTATIONS["brightness"] = Brightness
AUGMENTATIONS["quarter"] = Quarter
METRICS["worst"] = Metric("largest distance", ("regression",), lambda y, p, weights: float(np.abs(p - y).max()))
METRICS["certainty"] = Metric(
    "mean probability of the likeliest class",
    ("classification",),
    lambda y, p, weights: float(p.max(axis=1).mean()),
)
HIGHER_IS_BETTER.add("certainty")
