"""Optimizers as chains of small transforms of the gradient; the place in the chain carries the meaning.

A transform rewrites the gradient `g`, or theta, in place. Constant factors are not multiplied in one by
one: each transform names its own, and their product is applied together with the learning rate in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnrun.engine.hyperparameters import COMMON, Given, Hyperparameters, PerMember, Value
from nnrun.engine.parameters import Array
from nnrun.engine.transform import Block, PerStep, Plain, Steps, Transform, average_of_sum


@dataclass(frozen=True, eq=False)
class L2(Plain):
    """g += λ/m · W, the gradient of λ/(2m)·‖W‖² (Krogh & Hertz 1992)."""

    strength: PerMember

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """λ/m."""
        return (self.strength / steps.batch_sizes,)

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """On weights only."""
        weights = slice(block.weights)
        pull = np.multiply(block.theta[..., weights], constants[0], out=block.scratch[..., weights])
        block.g[..., weights] += pull


@dataclass(frozen=True, eq=False)
class L1(Plain):
    """g += λ/(2m) · sign(W), a subgradient of λ/(2m)·Σ|W| (Tibshirani 1996)."""

    strength: PerMember

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """λ/(2m)."""
        return (self.strength / (2 * steps.batch_sizes),)

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """On weights only."""
        weights = slice(block.weights)
        pull = np.sign(block.theta[..., weights], out=block.scratch[..., weights])
        pull *= constants[0]
        block.g[..., weights] += pull


@dataclass(frozen=True, eq=False)
class Momentum:
    """v = βv + (1 − β)g, step along v (Polyak 1964); without the factor (1 − β) where `dampening` is off."""

    beta: PerMember
    dampening: bool
    bias_correction: bool
    slots: tuple[str, ...] = ("v",)

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """β."""
        return (self.beta,)

    def factor(self, steps: Steps) -> PerStep | float:
        """c; v itself is kept as the sum."""
        return self.averages(steps)[0]

    def averages(self, steps: Steps) -> tuple[PerStep | float, ...]:
        """c, or 1 where the sum is what is wanted."""
        return (average_of_sum(self.beta, steps, self.bias_correction) if self.dampening else 1.0,)

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """v = βv + g; g = v."""
        (v,) = block.slots
        v *= constants[0]
        v += block.g
        np.copyto(block.g, v)


@dataclass(frozen=True, eq=False)
class Nesterov(Momentum):
    """Momentum that looks ahead: a step along βv + (1 − β)g with the new v (Sutskever et al. 2013)."""

    def factor(self, steps: Steps) -> PerStep | float:
        """As momentum's, one step ahead: the weights of the gradients in βv + (1 − β)g add up to 1 − β^(t+1)."""
        return super().factor(steps._replace(numbers=steps.numbers + 1))

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """v = βv + g; g = g + βv."""
        (v,) = block.slots
        v *= constants[0]
        v += block.g
        block.g[...] += np.multiply(v, constants[0], out=block.scratch)


@dataclass(frozen=True, eq=False)
class RMSprop:
    """S = βS + (1 − β)g², step along g/(√S + ε) (Tieleman & Hinton 2012)."""

    beta: PerMember
    epsilon: PerMember
    bias_correction: bool
    slots: tuple[str, ...] = ("S",)

    def averages(self, steps: Steps) -> tuple[PerStep | float, ...]:
        """c."""
        return (average_of_sum(self.beta, steps, self.bias_correction),)

    def _root(self, steps: Steps) -> PerStep:
        """√c: what the root of the kept sum must be multiplied by to become √S."""
        return np.sqrt(self.averages(steps)[0])

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """β, and ε/√c."""
        return self.beta, self.epsilon / self._root(steps)

    def factor(self, steps: Steps) -> PerStep | float:
        """1/√c."""
        return 1 / self._root(steps)

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """S = βS + g²; g = g/(√S + ε)."""
        (S,), scratch = block.slots, block.scratch
        S *= constants[0]
        S += np.multiply(block.g, block.g, out=scratch)
        np.sqrt(S, out=scratch)
        scratch += constants[1]
        block.g[...] /= scratch


@dataclass(frozen=True, eq=False)
class Adam:
    """v = β1·v + (1 − β1)g, S = β2·S + (1 − β2)g², step along v̂/(√Ŝ + ε) (Kingma & Ba 2015).

    v and S are kept as sums: 10 passes over the vector in place of 14.
    """

    beta1: PerMember
    beta2: PerMember
    epsilon: PerMember
    bias_correction: bool
    slots: tuple[str, ...] = ("v", "S")

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """β1, β2, and ε/√c2."""
        _, square = self.averages(steps)
        return self.beta1, self.beta2, self.epsilon / np.sqrt(square)

    def factor(self, steps: Steps) -> PerStep | float:
        """c1/√c2."""
        mean, square = self.averages(steps)
        return mean / np.sqrt(square)

    def averages(self, steps: Steps) -> tuple[PerStep | float, ...]:
        """c1 and c2."""
        return tuple(average_of_sum(beta, steps, self.bias_correction) for beta in (self.beta1, self.beta2))

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """v = β1·v + g; S = β2·S + g²; g = v/(√S + ε)."""
        (v, S), g = block.slots, block.g
        beta1, beta2, epsilon = constants
        v *= beta1
        v += g
        S *= beta2
        S += np.multiply(g, g, out=g)
        np.sqrt(S, out=g)
        g += epsilon
        np.divide(v, g, out=g)


@dataclass(frozen=True, eq=False)
class Decay(Plain):
    """W −= α·decay·W, decoupled from the gradient (Loshchilov & Hutter 2019)."""

    strength: PerMember

    def constants(self, steps: Steps) -> tuple[PerStep, ...]:
        """1 − α·decay."""
        return (1 - steps.rates * self.strength,)

    def update(self, block: Block, constants: Sequence[Array]) -> None:
        """On weights only."""
        block.theta[..., : block.weights] *= constants[0]


AVERAGE = "average"  # the slot of what `Average` keeps


@dataclass(frozen=True, eq=False)
class Average:
    """Behind each step A = κA + (1 − κ)θ: what a network is judged by, while θ itself goes on.

    Over steps (Polyak & Juditsky 1992) κ = min(decay, (t − 1)/(t + 8)): A begins with what the first step leaves, not
    with the initial weights, and forgets faster at first; of its updates from then on that is the (1 + n)/(10 + n) of
    TensorFlow's ExponentialMovingAverage. Or over the ends of epochs from a first one on, each counting alike (Izmailov
    et al. 2018); until then A is θ there.
    """

    decay: PerMember
    first_epoch: PerMember  # 0: over steps

    def kept(self, steps: Steps) -> PerStep:
        """κ; 1 where the average stays as it is."""
        t = steps.numbers
        over_steps = np.minimum(self.decay, (t - 1) / (t + 8))
        before = np.maximum(steps.epoch - self.first_epoch, 0)  # epochs that are in it already
        over_epochs = np.where(t == t[-1], before / (before + 1), 1)
        return np.where(self.first_epoch > 0, over_epochs, over_steps)

    @staticmethod
    def follow(average: Array, values: Array, kept: Array, scratch: Array) -> None:
        """One step of it, all `(members, size)`; κ `(members, 1)` or a number."""
        if np.all(kept == 1):
            return
        average *= kept
        average += np.multiply(values, 1 - kept, out=scratch)


class Rule(NamedTuple):
    """An optimizer: its part of the chain, and all that is to be known of it elsewhere."""

    transforms: Callable[[Hyperparameters], list[Transform]]
    usual_rate: float  # the learning rate beside which others are called high or low
    adaptive: bool  # whether each parameter has a rate of its own, whatever the length of its gradient
    uses_beta1: bool  # whether beta1, which is also momentum's β, steers it
    usual: Mapping[str, Value] = {}  # hyperparameters where they are not the common ones

    @property
    def unused(self) -> list[str]:
        """The hyperparameters of other rules, which steer nothing here."""
        used = {
            "beta1": self.uses_beta1,
            "beta2": self.adaptive,
            "epsilon": self.adaptive,
            "bias_correction": self.adaptive or self.uses_beta1,
            "dampening": self.uses_beta1 and not self.adaptive,
        }
        return [name for name, is_used in used.items() if not is_used]


def _adam(h: Hyperparameters) -> list[Transform]:
    return [Adam(h.beta1, h.beta2, h.epsilon, h.bias_correction)]


OPTIMIZERS: dict[str, Rule] = {
    "sgd": Rule(lambda h: [], usual_rate=0.1, adaptive=False, uses_beta1=False),
    "momentum": Rule(
        lambda h: [Momentum(h.beta1, h.dampening, h.bias_correction)], usual_rate=0.3, adaptive=False, uses_beta1=True
    ),
    "nesterov": Rule(
        lambda h: [Nesterov(h.beta1, h.dampening, h.bias_correction)], usual_rate=0.3, adaptive=False, uses_beta1=True
    ),
    "rmsprop": Rule(
        lambda h: [RMSprop(h.beta2, h.epsilon, h.bias_correction)], usual_rate=1e-3, adaptive=True, uses_beta1=False,
        usual={"beta2": 0.9},
    ),
    "adam": Rule(_adam, usual_rate=1e-3, adaptive=True, uses_beta1=True, usual={"bias_correction": True}),
    "adamw": Rule(
        _adam, usual_rate=1e-3, adaptive=True, uses_beta1=True, usual={"bias_correction": True, "weight_decay": 0.01}
    ),
}  # fmt: skip


def usual(name: str) -> dict[str, Value]:
    """The hyperparameters that an optimizer has where nobody sets them; KeyError if there is none of that name."""
    return {**COMMON, **OPTIMIZERS[name].usual}


def hyperparameters(name: str, members: int = 1, **values: Given) -> Hyperparameters:
    """The usual ones of an optimizer but for these values, each a number or one number a member.

    Raises KeyError for an optimizer that does not exist, TypeError for a hyperparameter that does not.
    """
    return Hyperparameters.of(members, **{**usual(name), **values})


def chain(name: str, h: Hyperparameters) -> list[Transform]:
    """Penalties into the gradient first, then the optimizer of that name, then decoupled decay.

    Clipping, which needs the whole gradient, comes before them all and so sees the data's gradient alone. Raises
    KeyError for an optimizer that does not exist.
    """
    decay: list[Transform] = [Decay(h.weight_decay)] if h.weight_decay.any() else []
    return penalties(h) + OPTIMIZERS[name].transforms(h) + decay


def average(h: Hyperparameters) -> Average | None:
    """What is kept beside theta to be judged by."""
    return Average(h.ema, h.swa) if h.ema.any() or h.swa.any() else None


def penalties(h: Hyperparameters) -> list[Transform]:
    """The transforms that add the gradients of the penalties in use."""
    l2: list[Transform] = [L2(h.l2)] if h.l2.any() else []
    l1: list[Transform] = [L1(h.l1)] if h.l1.any() else []
    return l2 + l1
