"""Members that share a body (Gorishniy et al. 2024): what each sees the inputs through, what it says, and their loss.

Between the two, K members are K blocks of m rows below each other, `(..., K·m, n)`, which the shared layers take for
more rows. These members are parts of one network; those in front of the axes `(m, n)` are networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from nnrun.engine.layers import Backward, Mode
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array, Shape, Views


@dataclass(frozen=True)
class Scales:
    """Block k of y is x · R[k]: each member has a scale of its own for each feature, which begins as 1 or −1."""

    members: int
    input_gradient: bool = False  # whether dL/dx is worked out

    def width(self, n_in: int) -> int:
        """As many as come in."""
        return n_in

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """R `(members, n_in)`; no weights, as it is not to be pulled to 0."""
        return {"R": (self.members, n_in)}

    def state(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}

    def draw(self, p: Views, random: Generator) -> None:
        """Random signs, so that members differ from the start and none sees a feature larger than another."""
        np.copyto(p["R"], 2 * random.integers(0, 2, p["R"].shape) - 1)

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """`(..., m, n)` → `(..., members · m, n)`; one batch may serve all networks."""
        R = p["R"][..., None, :]
        (m, n), take = x.shape[-2:], mode.buffers.take
        y = take((*R.shape[:-3], self.members * m, n))
        blocks = (*y.shape[:-2], self.members, m, n)
        seen = x[..., None, :, :]
        np.multiply(seen, R, out=y.reshape(blocks))

        def backward(dy: Array, g: Views) -> Array | None:
            arriving, scratch = dy.reshape(blocks), take(blocks)
            mode.buffers.sum_rows(np.multiply(arriving, seen, out=scratch), g["R"][..., None, :])
            if not self.input_gradient:
                return None
            np.multiply(arriving, R, out=scratch)
            return np.add.reduce(scratch, axis=-3, out=take((*y.shape[:-2], m, n)))

        return y, backward


@dataclass(frozen=True)
class Heads:
    """y[k] = x[k] @ W[k] + b[k], each block of rows by the head of its member."""

    members: int
    units: int

    def width(self, n_in: int) -> int:
        """The units of each head."""
        return self.units

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """W `(members, n_in, units)` and b `(members, 1, units)`."""
        return {"W": (self.members, n_in, self.units), "b": (self.members, 1, self.units)}

    def state(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """`(..., members · m, n_in)` → `(..., members, m, units)`, the blocks apart again."""
        W, take = p["W"], mode.buffers.take
        blocks = x.reshape(*x.shape[:-2], self.members, x.shape[-2] // self.members, x.shape[-1])
        y = np.matmul(blocks, W, out=take((*blocks.shape[:-1], self.units)))
        y += p["b"]

        def backward(dy: Array, g: Views) -> Array:
            np.matmul(blocks.mT, dy, out=g["W"])
            mode.buffers.sum_rows(dy, g["b"])
            return np.matmul(dy, W.mT, out=take(blocks.shape)).reshape(x.shape)

        return y, backward


def mean_gradient(loss: Loss, logits: Array, targets: Array, weights: Array | None, out: Array) -> Array:
    """Derivative of the mean loss of a batch by the logits `(networks, m, width)`, into `out` of their shape.

    Members that share a body, whose logits are `(networks, members, m, width)`, have the same targets
    `(..., m, width)` and weights `(..., m, 1)`; their loss is the mean of what each has.
    """
    dlogits = loss.gradient(logits, _facing(logits, targets), out)
    if weights is not None:
        dlogits *= _facing(dlogits, weights)
    if logits.ndim > targets.ndim:
        dlogits *= 1 / logits.shape[-3]
    return dlogits


def mean_sums(loss: Loss, logits: Array, targets: Array, weights: Array | None) -> tuple[Array, Array]:
    """Summed loss, the same one, and summed mistakes, each example `(m,)` times its weight; `(networks,)`."""
    losses, mistakes = loss.sums(logits, _facing(logits, targets), weights)
    return (losses, mistakes) if losses.ndim == 1 else (losses.mean(axis=1), mistakes.mean(axis=1))


def losses_of_rows(loss: Loss, logits: Array, targets: Array, weights: Array | None) -> Array:
    """Loss of each example, times its weight `(..., m, 1)` and the mean of who shares a body; `(networks, m)`."""
    each, _ = loss.each(logits, _facing(logits, targets))
    each = each.astype(np.float64)
    if weights is not None:
        each *= _facing(logits, weights)[..., 0]
    return each if each.ndim == 2 else each.mean(axis=1)


def _facing(logits: Array, targets: Array) -> Array:
    """Targets, or other numbers of examples `(..., m, width)`, to go with logits of all who share a body."""
    return targets if targets.ndim == logits.ndim else targets[..., None, :, :]
