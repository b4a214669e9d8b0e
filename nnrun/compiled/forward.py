"""The way forward: hidden layers by their columns, and the output layer with its loss by rows of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.activations import activate
from nnrun.compiled.functions import exp, inlined, part, sigmoid
from nnrun.compiled.products import address, product, source, sum_of_rows
from nnrun.compiled.updating import follow

BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON = 0.9, 1e-5  # as in engine/, whose files compiled code is not kept by


@inlined
def forward(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, layer: int, lo: int, hi: int) -> None:
    """Columns of a hidden layer: product, bias or batch norm, activation, dropout."""
    n_in, units, n = plan.widths[layer], plan.widths[layer + 1], hi - lo
    z, y = plan.z[layer] + lo, plan.y[layer] + lo
    product(plan.gemm, False, False, m, n, n_in,
            source(plan, v, rows, first, layer, 0), n_in,
            address(v.theta, plan.W[layer] + lo), units,
            v.memory, z, units)  # fmt: skip
    if plan.batch_norm and plan.measuring:
        normalise_as_known(plan, v, m, layer, lo, n)
    elif plan.batch_norm:
        normalise(plan, v, constants, m, layer, lo, n)
    else:
        add_to_rows(v.memory, z, units, part(v.theta, plan.b[layer] + lo, n), m)
    if n == units:  # the columns lie in one stretch
        activate(plan.activation, part(v.memory, z, m * n), part(v.memory, y, m * n))
    else:
        for i in range(m):
            activate(plan.activation, part(v.memory, z + i * units, n), part(v.memory, y + i * units, n))
    if plan.chance[layer] >= 0:
        drop(plan, v, rows, first, m, layer, lo, n)


@inlined
def add_to_rows(memory: Any, start: int, stride: int, b: Any, m: int) -> None:
    """Add the numbers `b` to each of `m` rows."""
    for i in range(m):
        row = part(memory, start + i * stride, b.size)
        for j in range(b.size):
            row[j] += b[j]


@inlined
def normalise(plan: Any, v: Any, constants: Any, m: int, layer: int, lo: int, n: int) -> None:
    """z = γ·x̂ + β with x̂ = (z − μ)/√(σ² + ε) over the batch; the running averages follow (Ioffe & Szegedy 2015)."""
    T = v.memory.dtype.type
    units, z, x_hat = plan.widths[layer + 1], plan.z[layer] + lo, plan.x_hat[layer] + lo
    gamma, beta = part(v.theta, plan.gamma[layer] + lo, n), part(v.theta, plan.b[layer] + lo, n)
    inverse = part(v.memory, plan.inverse[layer] + lo, n)
    mean = part(v.memory, plan.centre[layer] + lo, n)
    sum_of_rows(v.memory, z, units, m, mean)
    inverse[:] = T(0)
    for j in range(n):
        mean[j] /= T(m)
    for i in range(m):
        row, centred = part(v.memory, z + i * units, n), part(v.memory, x_hat + i * units, n)
        for j in range(n):
            centred[j] = row[j] - mean[j]
            inverse[j] += centred[j] * centred[j]
    track(v, constants, plan.mean[layer] + lo, mean, T(1))
    track(v, constants, plan.variance[layer] + lo, inverse, T(1) / T(max(1, m - 1)))
    for j in range(n):
        inverse[j] = T(1) / np.sqrt(inverse[j] / T(m) + T(BATCH_NORM_EPSILON))
    for i in range(m):
        row, centred = part(v.memory, z + i * units, n), part(v.memory, x_hat + i * units, n)
        for j in range(n):
            centred[j] *= inverse[j]
            row[j] = centred[j] * gamma[j] + beta[j]


@inlined
def normalise_as_known(plan: Any, v: Any, m: int, layer: int, lo: int, n: int) -> None:
    """Batch norm with the running averages, which stay as they are."""
    T = v.memory.dtype.type
    units, z = plan.widths[layer + 1], plan.z[layer] + lo
    gamma, beta = part(v.theta, plan.gamma[layer] + lo, n), part(v.theta, plan.b[layer] + lo, n)
    mean, variance = part(v.state, plan.mean[layer] + lo, n), part(v.state, plan.variance[layer] + lo, n)
    inverse = part(v.memory, plan.inverse[layer] + lo, n)
    for j in range(n):
        inverse[j] = T(1) / np.sqrt(variance[j] + T(BATCH_NORM_EPSILON))
    for i in range(m):
        row = part(v.memory, z + i * units, n)
        for j in range(n):
            row[j] = (row[j] - mean[j]) * inverse[j] * gamma[j] + beta[j]


@inlined
def track(v: Any, constants: Any, start: int, values: Any, scale: Any) -> None:
    """A stretch of the state, running averages, moves towards values · scale; and what averages follows it."""
    running = part(v.state, start, values.size)
    T = running.dtype.type
    keep = T(BATCH_NORM_MOMENTUM)
    for j in range(running.size):
        running[j] = running[j] * keep + (T(1) - keep) * (values[j] * scale)
    if constants[codes.KEPT] != 1:
        follow(part(v.average, v.theta.size + start, running.size), running, constants[codes.KEPT])


@inlined
def drop(plan: Any, v: Any, rows: Any, first: int, m: int, layer: int, lo: int, n: int) -> None:
    """a = y/(1 − rate) where a unit is kept, else 0 (Srivastava et al. 2014)."""
    T, units = v.memory.dtype.type, plan.widths[layer + 1]
    least, scale = rows.least[layer + 1], rows.scale[layer + 1]
    for i in range(m):
        chance = part(rows.chance, drawn(plan, layer, first + i) + lo, n)
        y, a = part(v.memory, plan.y[layer] + i * units + lo, n), part(v.memory, plan.a[layer] + i * units + lo, n)
        for j in range(n):
            a[j] = y[j] * (scale if chance[j] >= least else T(0))


@inlined
def drawn(plan: Any, layer: int, row: int) -> int:
    """Where what was drawn for a row's units begins; four numbers are drawn at once, so there may be some to spare."""
    padded = (plan.widths[layer + 1] + 3) // 4 * 4
    return plan.chance[layer] + row * padded


@inlined
def output(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, head: int, begin: int, end: int) -> None:
    """Rows of the output layer: the logits, and the gradient of the mean loss of the whole batch by them.

    That of members is the mean of what each has, so each head has a share.
    """
    layer, n, start = len(plan.widths) - 2, end - begin, head * m + begin
    width = plan.widths[layer + 1]
    logits(plan, v, rows, first, layer, head, start, n)
    each = 1 if plan.loss == codes.SOFTMAX_CROSS_ENTROPY else width  # numbers of y that an example has
    z, d = part(v.memory, plan.z[layer] + start * width, n * width), plan.d[layer] + start * width
    gradient, y = part(v.memory, d, n * width), part(rows.y, (first + begin) * each, n * each)
    found = part(rows.losses, plan.members * first + start, n if rows.losses.size > 0 else 0)
    loss_gradient(plan.loss, z, y, gradient, plan.members * m, width, constants[codes.EVEN], found)
    if rows.weights.size > 0:
        for i in range(n):
            row = part(gradient, i * width, width)
            for j in range(width):
                row[j] *= rows.weights[first + begin + i]


@inlined
def logits(plan: Any, v: Any, rows: Any, first: int, layer: int, k: int, begin: int, n: int) -> None:
    """What the head of member k gives for some rows of all blocks."""
    n_in, width = plan.widths[layer], plan.widths[layer + 1]
    z = plan.z[layer] + begin * width
    into = source(plan, v, rows, first, layer, 0) + begin * n_in * v.memory.itemsize
    product(plan.gemm, False, False, n, width, n_in,
            into, n_in, address(v.theta, plan.W[layer] + k * n_in * width), width, v.memory, z, width)  # fmt: skip
    add_to_rows(v.memory, z, width, part(v.theta, plan.b[layer] + k * width, width), n)


@inlined
def loss_gradient(loss: int, z: Any, y: Any, d: Any, m: int, width: int, even: Any, found: Any) -> None:
    """The gradient by logits of some rows out of `m`; of more than two classes y holds the index.

    Targets of classes are smoothed, (1 − even)·y + even/classes (Szegedy et al. 2016). Into `found`, where there is
    room, goes what the loss of a row begins with; see `softmax`.
    """
    T = z.dtype.type
    own = T(1) - even
    if loss == codes.SOFTMAX_CROSS_ENTROPY:
        share = T(1) / T(m)
        softmax(z, d, width, share, found)
        if even > T(0):
            for k in range(d.size):
                d[k] -= share * even / T(width)
        for i in range(y.size):
            d[i * width + np.int64(y[i])] -= share * own
    elif loss == codes.SIGMOID_CROSS_ENTROPY:
        share = T(1) / T(m)
        for k in range(z.size):
            d[k] = (sigmoid(z[k]) - (own * y[k] + even / T(2))) * share
    elif loss == codes.SQUARED_ERROR:
        share = T(2) / T(m * width)
        for k in range(z.size):
            d[k] = (z[k] - y[k]) * share
    elif loss == codes.HUBER:
        share = T(1) / T(m * width)
        for k in range(z.size):
            residual = z[k] - y[k]
            residual = T(1) if residual > T(1) else residual
            d[k] = (T(-1) if residual < T(-1) else residual) * share


@inlined
def softmax(z: Any, p: Any, width: int, share: Any, found: Any) -> None:
    """e^(z − max z) / Σ e^(z − max z) in each row, times `share`; log Σ e^z into `found`, where there is room."""
    for i in range(z.size // width):
        row, shifted = part(z, i * width, width), part(p, i * width, width)
        largest = row[0]
        for j in range(1, width):
            largest = row[j] if row[j] > largest else largest
        for j in range(width):
            shifted[j] = row[j] - largest
        if found.size > 0:
            found[i] = np.float64(largest)
    for k in range(p.size):
        p[k] = exp(p[k])
    for i in range(z.size // width):
        row = part(p, i * width, width)
        total = row[0]
        for j in range(1, width):
            total += row[j]
        if found.size > 0:
            found[i] += np.float64(np.log(total))
        total = share / total
        for j in range(width):
            row[j] *= total
