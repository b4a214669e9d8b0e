"""What is measured: the logits of rows that went forward, pooled where members share a body; losses and mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.forward import logits
from nnrun.compiled.functions import exp, inlined, part


@inlined
def measure(plan: Any, v: Any, rows: Any, first: int, m: int, layer: int) -> None:
    """The output layer of rows that are measured: their losses and mistakes are added to the two sums."""
    width = plan.widths[layer + 1]
    for k in range(plan.members):
        logits(plan, v, rows, first, layer, k, k * m, m)
    if plan.members > 1:
        all_numbers = plan.members * m * width
        z, scratch = part(v.memory, plan.z[layer], all_numbers), part(v.memory, plan.d[layer], all_numbers)
        pool(plan.loss, z, scratch, plan.members, width)
    z, known = part(v.memory, plan.z[layer], m * width), part(v.memory, plan.d[layer], m * width)
    if rows.logits.size > 0:
        shown = part(rows.logits, first * width, m * width)
        for k in range(m * width):
            shown[k] = z[k]
    each = 1 if plan.loss == codes.SOFTMAX_CROSS_ENTROPY else width
    y = part(rows.y, first * each, m * each)
    if plan.loss == codes.SOFTMAX_CROSS_ENTROPY:
        compare_classes(z, y, known, width)
    for i in range(m):
        if plan.loss == codes.SOFTMAX_CROSS_ENTROPY:
            loss, mistake = of_classes(part(z, i * width, width), known[i], known[m + i])
        elif plan.loss == codes.SIGMOID_CROSS_ENTROPY:
            loss, mistake = of_two_classes(np.float64(z[i]), np.float64(y[i]))
        else:
            loss, mistake = of_values(part(z, i * width, width), part(y, i * width, width), plan.loss == codes.HUBER)
        weight = np.float64(rows.weights[first + i]) if rows.weights.size > 0 else 1.0
        v.sums[0] += loss * weight
        v.sums[1] += mistake * weight


@inlined
def record(plan: Any, v: Any, rows: Any, first: int, m: int, head: int, begin: int, end: int) -> None:
    """The loss of each of some rows that are trained on, where that is kept; `softmax` has left log Σ e^z there."""
    if rows.losses.size > 0:
        layer, n, start = len(plan.widths) - 2, end - begin, head * m + begin
        width = plan.widths[layer + 1]
        each = 1 if plan.loss == codes.SOFTMAX_CROSS_ENTROPY else width
        z, y = part(v.memory, plan.z[layer] + start * width, n * width), part(rows.y, (first + begin) * each, n * each)
        found = part(rows.losses, plan.members * first + start, n)
        for i in range(n):
            if plan.loss == codes.SOFTMAX_CROSS_ENTROPY:
                found[i] -= np.float64(z[i * width + np.int64(y[i])])
            elif plan.loss == codes.SIGMOID_CROSS_ENTROPY:
                found[i], _ = of_two_classes(np.float64(z[i]), np.float64(y[i]))
            else:
                huber = plan.loss == codes.HUBER
                found[i], _ = of_values(part(z, i * width, width), part(y, i * width, width), huber)
            if rows.weights.size > 0:
                found[i] *= np.float64(rows.weights[first + begin + i])


@inlined
def pool(loss: int, z: Any, scratch: Any, members: int, width: int) -> None:
    """The first block's logits become those whose prediction is the mean of what all blocks' say; `Loss.pool`."""
    T, n = z.dtype.type, z.size // members
    if loss == codes.SOFTMAX_CROSS_ENTROPY:
        log_softmax(z, scratch, width)
        log_mean(z, members)
    elif loss == codes.SIGMOID_CROSS_ENTROPY:
        for k in range(z.size):
            below = np.float64(z[k] if z[k] < T(0) else T(0) * z[k])
            log = T(below - np.log1p(np.exp(-abs(np.float64(z[k])))))
            z[k], scratch[k] = log, log - z[k]  # log σ(z), log σ(−z)
        log_mean(z, members)
        log_mean(scratch, members)
        for k in range(n):
            z[k] -= scratch[k]
    else:
        for k in range(n):
            total = 0.0
            for block in range(members):
                total += np.float64(z[block * n + k])
            z[k] = T(total / members)


@inlined
def log_softmax(z: Any, powers: Any, width: int) -> None:
    """z − max z − log Σ e^(z − max z) in each row."""
    T = z.dtype.type
    for i in range(z.size // width):
        row = part(z, i * width, width)
        largest = row[0]
        for j in range(1, width):
            largest = row[j] if row[j] > largest else largest
        for j in range(width):
            row[j] -= largest
    for k in range(z.size):
        powers[k] = exp(z[k])
    for i in range(z.size // width):
        row, of_row, total = part(z, i * width, width), part(powers, i * width, width), 0.0
        for j in range(width):
            total += np.float64(of_row[j])
        log = T(np.log(total))
        for j in range(width):
            row[j] -= log


@inlined
def log_mean(logs: Any, members: int) -> None:
    """The first block becomes the logarithm of the mean of e^l over the blocks, which is stable at any l."""
    T, n = logs.dtype.type, logs.size // members
    for k in range(n):
        top, total = logs[k], 0.0
        for block in range(1, members):
            top = logs[block * n + k] if logs[block * n + k] > top else top
        for block in range(members):
            total += np.float64(exp(logs[block * n + k] - top))
        logs[k] = top + T(np.log(total / members))


@inlined
def compare_classes(z: Any, y: Any, known: Any, width: int) -> None:
    """z = e^(z − max z); known: of each row z − max z of its class, then whether another one is the largest.

    Of equal logits the first counts. There are three classes or more, so there is room.
    """
    T = z.dtype.type
    for i in range(y.size):
        row, best, true = part(z, i * width, width), 0, np.int64(y[i])
        for j in range(1, width):
            best = j if row[j] > row[best] else best
        largest = row[best]
        for j in range(width):
            row[j] -= largest
        known[i], known[y.size + i] = row[true], T(0) if best == true else T(1)
    for k in range(z.size):
        z[k] = exp(z[k])


@inlined
def of_classes(powers: Any, right: Any, mistake: Any) -> Any:
    """log Σ e^z − z[true], and whether the largest logit is another class."""
    total = 0.0
    for j in range(powers.size):
        total += np.float64(powers[j])
    return np.log(total) - np.float64(right), np.float64(mistake)


@inlined
def of_two_classes(z: float, y: float) -> Any:
    """max(z, 0) − z·y + log(1 + e^−|z|), and whether the sign is wrong."""
    loss = (z if z > 0 else 0 * z) - z * y + np.log1p(np.exp(-abs(z)))
    return loss, 0.0 if (z > 0) == (y > 0.5) else 1.0


@inlined
def of_values(z: Any, y: Any, huber: bool) -> Any:
    """The loss and the squared error, each the mean over the outputs."""
    loss = square = 0.0
    for j in range(z.size):
        residual = np.float64(z[j]) - np.float64(y[j])
        size = abs(residual)
        square += residual * residual
        loss += size - 0.5 if huber and size > 1 else (0.5 if huber else 1.0) * residual * residual
    return loss / z.size, square / z.size
