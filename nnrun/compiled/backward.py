"""The way back through the layers, then the gradients of all weights; unless clipped, what has its gradient moves."""

from __future__ import annotations

from typing import Any

from nnrun.compiled.activations import descend
from nnrun.compiled.forward import drawn
from nnrun.compiled.functions import inlined, part
from nnrun.compiled.products import address, heads, product, source, sum_of_rows
from nnrun.compiled.updating import update


@inlined
def backward(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, layer: int, lo: int, hi: int) -> None:
    """The gradient by what goes into a layer, back through the units that it comes from; their b, or γ and β, move."""
    n = hi - lo
    by_inputs(plan, v, m, layer, lo, n, plan.d[layer - 1])
    through_unit(plan, v, rows, first, m, layer - 1, lo, n)
    if not plan.clipped:
        update(plan, v, constants, plan.b[layer - 1] + lo, n, False)
        if plan.batch_norm:
            update(plan, v, constants, plan.gamma[layer - 1] + lo, n, False)


@inlined
def by_inputs(plan: Any, v: Any, m: int, layer: int, lo: int, n: int, start: int) -> None:
    """d·Wᵀ of a layer, columns `lo` to `lo + n`, into the memory from `start` on."""
    n_in, n_out, blocks = plan.widths[layer], plan.widths[layer + 1], heads(plan, layer)
    each = m // blocks
    for k in range(blocks):
        product(plan.gemm, False, True, each, n, n_out,
                address(v.memory, plan.d[layer] + k * each * n_out), n_out,
                address(v.theta, plan.W[layer] + (k * n_in + lo) * n_out), n_out,
                v.memory, start + k * each * n_in + lo, n_in)  # fmt: skip


@inlined
def weights(
    plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, layer: int, head: int, lo: int, hi: int
) -> None:
    """The gradient by some rows of W, which move while they are in the cache; of the output layer b as well.

    Of a head these are its own, by its block of `m` rows.
    """
    n_in, n_out, n = plan.widths[layer], plan.widths[layer + 1], hi - lo
    W, d = plan.W[layer] + (head * n_in + lo) * n_out, plan.d[layer] + head * m * n_out
    product(plan.gemm, True, False, n, n_out, m,
            source(plan, v, rows, first, layer, lo) + head * m * n_in * v.memory.itemsize, n_in,
            address(v.memory, d), n_out,
            v.gradient, W, n_out)  # fmt: skip
    if not plan.clipped:
        update(plan, v, constants, W, n * n_out, True)
    if layer == len(plan.widths) - 2 and lo == 0:
        b = plan.b[layer] + head * n_out
        sum_of_rows(v.memory, d, n_out, m, part(v.gradient, b, n_out))
        if not plan.clipped:
            update(plan, v, constants, b, n_out, False)


@inlined
def through_unit(plan: Any, v: Any, rows: Any, first: int, m: int, layer: int, lo: int, n: int) -> None:
    """Columns of a hidden layer, back through dropout, activation and batch norm; the gradients of b, or of γ and β."""
    units = plan.widths[layer + 1]
    z, y, d = plan.z[layer] + lo, plan.y[layer] + lo, plan.d[layer] + lo
    if plan.chance[layer] >= 0:
        T, least, scale = v.memory.dtype.type, rows.least[layer + 1], rows.scale[layer + 1]
        for i in range(m):
            row, chance = part(v.memory, d + i * units, n), part(rows.chance, drawn(plan, layer, first + i) + lo, n)
            for j in range(n):
                row[j] *= scale if chance[j] >= least else T(0)
    if n == units:
        descend(plan.activation, part(v.memory, z, m * n), part(v.memory, y, m * n), part(v.memory, d, m * n))
    else:
        for i in range(z, z + m * units, units):
            descend(plan.activation, part(v.memory, i, n), part(v.memory, i - z + y, n), part(v.memory, i - z + d, n))
    sum_of_rows(v.memory, d, units, m, part(v.gradient, plan.b[layer] + lo, n))
    if plan.batch_norm:
        through_norm(plan, v, m, layer, lo, n)


@inlined
def through_norm(plan: Any, v: Any, m: int, layer: int, lo: int, n: int) -> None:
    """d = γ/√(σ² + ε) · (d − mean(d) − x̂·mean(d·x̂)), the means over the batch; Σ d is the gradient of β already."""
    T = v.memory.dtype.type
    units, d, x_hat = plan.widths[layer + 1], plan.d[layer] + lo, plan.x_hat[layer] + lo
    gamma, inverse = part(v.theta, plan.gamma[layer] + lo, n), part(v.memory, plan.inverse[layer] + lo, n)
    by_gamma, by_beta = part(v.gradient, plan.gamma[layer] + lo, n), part(v.gradient, plan.b[layer] + lo, n)
    by_gamma[:] = T(0)
    for i in range(m):
        row, normal = part(v.memory, d + i * units, n), part(v.memory, x_hat + i * units, n)
        for j in range(n):
            by_gamma[j] += row[j] * normal[j]
    share = T(1) / T(m)
    for i in range(m):
        row, normal = part(v.memory, d + i * units, n), part(v.memory, x_hat + i * units, n)
        for j in range(n):
            rest = normal[j] * (by_gamma[j] * share) + by_beta[j] * share
            row[j] = (row[j] - rest) * (gamma[j] * inverse[j])
