"""One optimizer at work: on theta, its chain walked in blocks that fit the processor's cache, or on any function.

Ten passes over a large vector would otherwise cost as much as the products of a step. All constants of an
epoch are worked out at its start, one row a step. So are factors that leave a formula: from v = s = 0 on,

    v = βv + (1 − β)g  and  s = βs + g  give  v = (1 − β)·s, corrected v/(1 − β^t) = c·s with c = (1 − β)/(1 − β^t).

With such sums s1 of g and s2 of g², a step of Adam is

    α · c1·s1 / (√(c2·s2) + ε)  =  α · c1/√c2 · s1 / (√s2 + ε/√c2):

`Adam.update` works out the last fraction, ε/√c2 is one of its `constants`, c1/√c2 its `factor`. The factors of all
transforms and the rate are then one number, and cost one pass over the vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.hyperparameters import Given, Hyperparameters, PerMember
from nnrun.engine.optimizers import AVERAGE, average, chain, hyperparameters
from nnrun.engine.parameters import Array, Vectors, empty, side_by_side, zeros
from nnrun.engine.transform import Block, PerStep, Steps

BLOCK_BYTES = 1 << 18
OF_TRAINING = {"ema", "swa", "label_smoothing"}  # hyperparameters that mean nothing for a function

Vector = NDArray[np.float64]  # (n,), of a function's variables
Part = tuple[slice, slice]  # members, columns


class Stretch(NamedTuple):
    """What is walked at once: theta, gradient and average of some members, and a block for each transform.

    `pick` picks these members' constants out of `(members, 1)`: of a single member as a number, since arithmetic
    with a one-element array takes half as long again.
    """

    pick: tuple[int | slice, ...]
    theta: Array
    g: Array
    average: Array  # empty where there is none
    scratch: Array
    blocks: list[Block]


class Optimizer:
    """A chain bound to theta and its gradient, which lie where they are and are read and written there.

    `name`, of OPTIMIZERS, KeyError if there is none; `h`, one value a member; `theta` and `gradient`
    `(members, size)`, of one precision; `n_weights`, how many columns at the front are weights, which penalties and
    decay act on. `slots` are the vectors kept from step to step, by name, shaped like theta and made by `vectors`; an
    average is one of theta and, behind it, of `state (members, numbers)`, which something else moves at each step.
    """

    def __init__(
        self, name: str, h: Hyperparameters, theta: Array, gradient: Array, n_weights: int, state: Array | None = None,
        vectors: Vectors = side_by_side,
    ) -> None:  # fmt: skip
        self.h = h
        self.theta, self.gradient = theta, gradient
        self.state = zeros((len(theta), 0), theta.dtype) if state is None else state
        self.transforms, self.average = chain(name, h), average(h)
        members, size = theta.shape
        self.slots = {key: vectors(members, size, theta.dtype) for t in self.transforms for key in t.slots}
        if self.average:
            self.slots[AVERAGE] = vectors(members, size + self.state.shape[1], theta.dtype)
        self.clips = bool(np.isfinite(h.clip_norm).any())
        parts = _parts(theta)
        scratch = empty(theta[parts[0]].shape, theta.dtype)
        self._walk = [self._stretch(theta, part, scratch, n_weights) for part in parts]
        self.constants: list[list[PerStep]] = []  # one list a transform
        self.final: PerStep = np.empty(0)
        self.kept: PerStep = np.empty(0)  # of the average

    def plan(
        self, steps: NDArray[np.int64], factors: NDArray[np.float64], batch_sizes: NDArray[np.int64], epoch: int = 0
    ) -> None:
        """Work out all that depends on the step alone: each transform's constants, and the factor of its last pass.

        `steps` are the numbers of the steps since training began, from 1; `factors` what the schedule multiplies the
        rate by; `batch_sizes` the rows of each batch, which penalties are divided by; all `(steps,)`. They are those of
        an `epoch`, from 1, which an average over epochs asks for.
        """
        rates = self.h.learning_rate * factors[:, None, None]
        now = Steps(steps[:, None, None].astype(float), rates, batch_sizes[:, None, None].astype(float), epoch)
        final = rates
        for transform in self.transforms:
            final = final * transform.factor(now)
        self.constants = [[self._rows(c, rates) for c in t.constants(now)] for t in self.transforms]
        self.final = self._rows(final, rates)
        if self.average:
            self.kept = self._rows(self.average.kept(now), rates)

    def continue_from(self, other: Optimizer, step: int, members: Array) -> None:
        """Go on after so many steps of another optimizer of the same rule: what it has kept for `members` `(members,)`.

        The averages go on, so a sum that another β would weigh otherwise is scaled; what only this one keeps begins
        at 0, an average of theta with theta.
        """
        self.begin_average()
        ours, theirs = self._averages(step), other._averages(step)
        for key in self.slots.keys() & other.slots.keys():
            np.copyto(self.slots[key], other.slots[key])
            ratio = np.where(members[:, None], theirs[key] / ours[key], 1)
            if (ratio != 1).any():
                self.slots[key] *= ratio.astype(self.gradient.dtype)

    @property
    def judged(self) -> tuple[Array, Array]:
        """Theta and state, or the average of both."""
        if not self.average:
            return self.theta, self.state
        size = self.theta.shape[1]
        return self.slots[AVERAGE][:, :size], self.slots[AVERAGE][:, size:]

    def begin_average(self) -> None:
        """Let it be what theta and state are now."""
        if self.average:
            np.concatenate([self.theta, self.state], axis=1, out=self.slots[AVERAGE])

    def _averages(self, step: int) -> dict[str, PerMember]:
        """By slot, what the sums kept after so many steps, from 1, are multiplied by, `(members, 1)`."""
        now, like = np.full((1, 1, 1), float(step)), np.ones((1, *self.h.learning_rate.shape))
        steps = Steps(now, like, like)
        kept = (zip(t.slots, t.averages(steps), strict=True) for t in self.transforms)
        found = {key: (average * like)[0] for slots in kept for key, average in slots}
        return found | {AVERAGE: np.ones((1, 1))}

    def step(self, index: int) -> None:
        """θ −= α·Π factor · g, where g is what the chain makes of the gradient; it is left there, used up.

        `index` is the step's place in the plan, from 0. Stretch by stretch, so that all passes over it find it in the
        cache.
        """
        if self.clips:
            clip_by_norm(self.gradient, self.h.clip_norm)
        for pick, theta, g, follower, scratch, blocks in self._walk:
            now = (index, *pick)
            for transform, block, constants in zip(self.transforms, blocks, self.constants, strict=True):
                transform.update(block, [c[now] for c in constants])
            g *= self.final[now]
            theta -= g
            if self.average:
                self.average.follow(follower, theta, self.kept[now], scratch)
        if self.average and self.state.size:
            self.average.follow(self.judged[1], self.state, self.kept[index], np.empty_like(self.state))

    def _rows(self, values: PerStep, like: PerStep) -> PerStep:
        """`(steps, members, 1)` in the precision of theta."""
        rows = np.empty(like.shape, self.gradient.dtype)
        rows[...] = values
        return rows

    def _stretch(self, theta: Array, part: Part, scratch: Array, n_weights: int) -> Stretch:
        members, columns = part
        theta, g = theta[part], self.gradient[part]
        scratch = scratch[: g.shape[0], : g.shape[1]]
        weights = min(max(n_weights - columns.start, 0), g.shape[1])
        blocks = [
            Block(theta, g, [self.slots[key][part] for key in t.slots], scratch, weights) for t in self.transforms
        ]
        follower = self.slots[AVERAGE][part] if self.average else g[:, :0]
        return Stretch((members.start, 0) if len(g) == 1 else (members,), theta, g, follower, scratch, blocks)


def _parts(theta: Array) -> list[Part]:
    """Stretches of about BLOCK_BYTES that lie together in memory: some whole members, or a piece of one."""
    members, size = theta.shape
    rows = max(1, BLOCK_BYTES // (theta.itemsize * size))
    columns = size if rows > 1 else max(1, BLOCK_BYTES // theta.itemsize)
    return [
        (slice(k, min(k + rows, members)), slice(start, min(start + columns, size)))
        for k in range(0, members, rows)
        for start in range(0, size, columns)
    ]


def clip_by_norm(gradient: Array, limit: PerMember) -> None:
    """Shrink each member's gradient `(..., size)` in place to a norm of at most `limit` (Pascanu et al. 2013)."""
    norm = np.sqrt(np.vecdot(gradient, gradient))[..., None]
    gradient *= np.divide(limit, norm, out=np.ones_like(norm), where=norm > limit)


def penalty(weights: Array, h: Hyperparameters, batch_size: int) -> Array:
    """λ2/(2m)·‖W‖² + λ1/(2m)·Σ|W| of each member, `(members, n_weights)` → `(members,)`; m is the batch size.

    `h` holds the λ of one member for all, or one for each.
    """
    total: Array = np.zeros(len(weights))
    if h.l2.any():
        total += h.l2[:, 0] * np.square(weights, dtype=np.float64).sum(axis=-1)
    if h.l1.any():
        total += h.l1[:, 0] * np.abs(weights).sum(axis=-1, dtype=np.float64)
    return total / (2 * batch_size)


class Minimum(NamedTuple):
    """Where the search ended, the value there, and every point on the way, `(steps + 1, n)`."""

    w: Vector
    value: float
    path: Vector


def minimize(
    f: Callable[[Vector], tuple[float, Vector]],
    start: Sequence[float],
    optimizer: str = "adam",
    steps: int = 1000,
    **values: Given,
) -> Minimum:
    """Follow the gradient of `f(w (n,)) -> (value, gradient (n,))` from `start` for so many steps.

    `optimizer` is a name of the optimizer table, `values` its hyperparameters (learning_rate, beta1, …), as usual
    where not given; but no weight decay, which would move the minimum.
    Raises TypeError for a hyperparameter that does not exist or is of a training alone, KeyError for an optimizer that
    does not exist.

    >>> minimum = minimize(lambda w: (w[0] ** 2 - 10 * w[0] + 25, 2 * w - 10), [0.0], "sgd", 200, learning_rate=0.1)
    >>> round(float(minimum.w[0]), 6)
    5.0
    """
    if unfit := OF_TRAINING & values.keys():
        raise TypeError(f"minimize() has no use for {', '.join(sorted(unfit))}, which is for networks that train")
    w = np.array([start], float)
    g = np.zeros_like(w)
    moves = Optimizer(
        optimizer, hyperparameters(optimizer, 1, **{"weight_decay": 0.0, **values}), w, g, n_weights=w.shape[1]
    )
    moves.plan(np.arange(1, steps + 1), np.ones(steps), np.ones(steps, int))
    path = [w[0].copy()]
    for index in range(steps):
        g[0] = f(w[0].copy())[1]
        moves.step(index)
        path.append(w[0].copy())
    return Minimum(w[0], float(f(w[0].copy())[0]), np.array(path))
