"""How compiled code moves parameters: penalties, rules, decay, clipping; and how their average follows."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.codes import SUMS
from nnrun.compiled.functions import inlined, part


@inlined
def update(plan: Any, v: Any, constants: Any, start: int, n: int, weights: bool) -> None:
    """Penalties, the rule, decay, the step and the average, for a stretch of theta that is all weights or none."""
    theta, g = part(v.theta, start, n), part(v.gradient, start, n)
    if weights and plan.penalised:
        penalise(theta, g, constants[codes.L2], constants[codes.L1])
    if weights and constants[codes.DECAY] != 1:
        for k in range(n):
            theta[k] *= constants[codes.DECAY]
    first = part(v.first, start, n)  # empty where the optimizer has no such slot
    second = part(v.second, start, n)
    move(plan.rule, theta, g, first, second, constants)
    if constants[codes.KEPT] != 1:
        follow(part(v.average, start, n), theta, constants[codes.KEPT])


@inlined
def penalise(theta: Any, g: Any, l2: Any, l1: Any) -> None:
    """g += λ2/m·W + λ1/(2m)·sign W."""
    T = theta.dtype.type
    for k in range(theta.size):
        sign = T(1) if theta[k] > T(0) else (T(-1) if theta[k] < T(0) else T(0))
        g[k] = (g[k] + l2 * theta[k]) + l1 * sign


@inlined
def move(rule: int, theta: Any, g: Any, first: Any, second: Any, constants: Any) -> None:
    """θ −= factor · what the rule makes of the gradient; why the slots are sums: engine/update.py."""
    factor = constants[codes.FACTOR]
    c1, c2, c3 = constants[codes.FIRST], constants[codes.SECOND], constants[codes.THIRD]
    if rule == codes.PLAIN:
        for k in range(theta.size):
            theta[k] -= factor * g[k]
    elif rule == codes.MOMENTUM:
        for k in range(theta.size):
            first[k] = c1 * first[k] + g[k]
            theta[k] -= factor * first[k]
    elif rule == codes.NESTEROV:
        for k in range(theta.size):
            first[k] = c1 * first[k] + g[k]
            theta[k] -= factor * (g[k] + c1 * first[k])
    elif rule == codes.RMSPROP:
        for k in range(theta.size):
            first[k] = c1 * first[k] + g[k] * g[k]
            theta[k] -= factor * (g[k] / (np.sqrt(first[k]) + c2))
    elif rule == codes.ADAM:
        for k in range(theta.size):
            first[k] = c1 * first[k] + g[k]
            second[k] = c2 * second[k] + g[k] * g[k]
            theta[k] -= factor * (first[k] / (np.sqrt(second[k]) + c3))


@inlined
def follow(average: Any, values: Any, kept: Any) -> None:
    """A = κA + (1 − κ)θ; see `Average` in engine/optimizers.py."""
    added = average.dtype.type(1) - kept
    for k in range(values.size):
        average[k] = kept * average[k] + added * values[k]


@inlined
def sum_of_squares(g: Any, sums: Any) -> None:
    """Σ g² in double precision, as `SUMS` sums side by side, which takes vector instructions."""
    sums[:] = 0.0
    for k in range(g.size // SUMS):
        some = part(g, SUMS * k, SUMS)
        for j in range(SUMS):
            sums[j] += np.float64(some[j]) * np.float64(some[j])
    for k in range(g.size // SUMS * SUMS, g.size):
        sums[0] += np.float64(g[k]) * np.float64(g[k])


@inlined
def clipped_update(plan: Any, v: Any, constants: Any, start: int, n: int, weights: bool) -> None:
    """The update of a stretch once the norm of the whole gradient is known (Pascanu et al. 2013)."""
    T = v.theta.dtype.type
    norm = T(np.sqrt(v.sums.sum()))
    if norm > constants[codes.CLIP]:
        g = part(v.gradient, start, n)
        shrink = constants[codes.CLIP] / norm
        for k in range(n):
            g[k] *= shrink
    update(plan, v, constants, start, n, weights)
