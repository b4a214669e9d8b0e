"""What is measured: the logits of rows that went forward, pooled where members share a body; losses and mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.forward import logits
from nnrun.compiled.functions import copy, exp, inlined, log, part


@inlined
def measure(plan: Any, v: Any, rows: Any, first: int, m: int, layer: int, chunk: int, there: bool) -> None:
    """The output layer of rows that are measured: what their losses and mistakes come to goes to the sums of a chunk.

    Logits and sums go nowhere if there is no place for them; the logits of those that are pooled may be there already.
    """
    width = plan.widths[layer + 1]
    n = m * width
    z, scratch = part(v.memory, plan.z[layer], plan.members * n), part(v.memory, plan.d[layer], (plan.members + 1) * n)
    for k in range(plan.members):
        if there:
            copy(part(rows.x, k * (rows.x.size // plan.members) + first * width, n), part(z, k * n, n))
        else:
            logits(plan, v, rows, first, layer, k, k * m, m)
    if plan.members > 1:
        pool(plan.loss, z, scratch, plan.members, width)
    if rows.logits.size > 0:
        copy(part(z, 0, n), part(rows.logits, first * width, n))
    if v.sums.size > 0:
        loss, mistake = sums(plan.loss, rows, part(z, 0, n), scratch, first, width)
        place = first // chunk
        v.sums[place], v.sums[v.sums.size // 2 + place] = loss, mistake


@inlined
def sums(loss: int, rows: Any, z: Any, scratch: Any, first: int, width: int) -> Any:
    """Summed loss and summed mistakes of rows with these logits, each times its weight."""
    m = z.size // width
    each = 1 if loss == codes.SOFTMAX_CROSS_ENTROPY else width
    y = part(rows.y, first * each, m * each)
    known = part(scratch, z.size, 3 * m)
    losses = mistakes = 0.0
    if loss == codes.SOFTMAX_CROSS_ENTROPY:
        compare_classes(z, y, part(scratch, 0, z.size), known, width)
    for i in range(m):
        if loss == codes.SOFTMAX_CROSS_ENTROPY:
            found, mistake = np.log(1.0 + np.float64(known[i])) - np.float64(known[m + i]), np.float64(known[2 * m + i])
        elif loss == codes.SIGMOID_CROSS_ENTROPY:
            found, mistake = of_two_classes(np.float64(z[i]), np.float64(y[i]))
        else:
            found, mistake = of_values(part(z, i * width, width), part(y, i * width, width), loss == codes.HUBER)
        weight = np.float64(rows.weights[first + i]) if rows.weights.size > 0 else 1.0
        losses += found * weight
        mistakes += mistake * weight
    return losses, mistakes


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
        pool_classes(z, scratch, members, width)
    elif loss == codes.SIGMOID_CROSS_ENTROPY:
        pool_two_classes(z, scratch, members)
    else:
        for k in range(n):
            total = 0.0
            for block in range(members):
                total += np.float64(z[block * n + k])
            z[k] = T(total / members)


@inlined
def pool_classes(z: Any, scratch: Any, members: int, width: int) -> None:
    """log of the mean of softmax(z), from the logarithms alone where that is next to nothing.

    Worked out with the rows side by side, as rows of a few classes are too short for vector instructions.
    """
    T, n = z.dtype.type, z.size // members
    m = n // width
    powers, mean = part(scratch, 0, n), part(scratch, n, n)
    top, total = part(scratch, members * n, m), part(scratch, members * n + m, m)
    mean[:] = T(0)
    for block in range(members):
        largest(part(z, block * n, n), powers, top, width)
        total[:] = T(0)
        for j in range(width):
            of_class = part(powers, j * m, m)
            for i in range(m):
                of_class[i] = exp(of_class[i] - top[i])
                total[i] += of_class[i]
        for i in range(m):
            total[i] = T(1) / (total[i] * T(members))
        for j in range(width):
            of_class, shares = part(powers, j * m, m), part(mean, j * m, m)
            for i in range(m):
                shares[i] += of_class[i] * total[i]
    for k in range(n):
        powers[k] = log(mean[k])
    if smallest(mean) < next_to_nothing(z):
        for k in range(n):
            if mean[k] < next_to_nothing(z):
                powers[k] = log_mean_of_shares(z, members, width, k % m, k // m)
    for i in range(m):
        row = part(z, i * width, width)
        for j in range(width):
            row[j] = powers[j * m + i]


@inlined
def largest(z: Any, side_by_side: Any, top: Any, width: int) -> None:
    """Logits `(m, width)` with the rows side by side, `(width, m)`, and of each row the largest."""
    m = z.size // width
    for i in range(m):
        row = part(z, i * width, width)
        for j in range(width):
            side_by_side[j * m + i] = row[j]
    copy(part(side_by_side, 0, m), top)
    for j in range(1, width):
        of_class = part(side_by_side, j * m, m)
        for i in range(m):
            top[i] = of_class[i] if of_class[i] > top[i] else top[i]


@inlined
def smallest(numbers: Any) -> Any:
    """Of all that are numbers."""
    least = numbers[0]
    for k in range(numbers.size):
        least = numbers[k] if numbers[k] < least else least
    return least


@inlined
def next_to_nothing(z: Any) -> Any:
    """A share that `exp`, which has a least value, and its sums still tell to the last digits."""
    return z.dtype.type(1e-30) if z.itemsize == 4 else z.dtype.type(1e-290)


@inlined
def log_mean_of_shares(z: Any, members: int, width: int, i: int, j: int) -> Any:
    """Of class j in row i, which is stable at any logits."""
    T, n = z.dtype.type, z.size // members
    top, total = log_share(part(z, i * width, width), j), 0.0
    for block in range(1, members):
        log = log_share(part(z, block * n + i * width, width), j)
        top = log if log > top else top
    for block in range(members):
        total += exp(log_share(part(z, block * n + i * width, width), j) - top)
    return T(top + np.log(total / members))


@inlined
def log_share(row: Any, j: int) -> Any:
    """z − max z − log Σ e^(z − max z) of class j, in double precision."""
    top, total = np.float64(row[0]), 0.0
    for k in range(1, row.size):
        top = np.float64(row[k]) if row[k] > top else top
    for k in range(row.size):
        total += exp(np.float64(row[k]) - top)
    return np.float64(row[j]) - top - np.log(total)


@inlined
def pool_two_classes(z: Any, scratch: Any, members: int) -> None:
    """log of the mean of σ(z) less that of σ(−z), likewise."""
    T, n = z.dtype.type, z.size // members
    yes, no = part(scratch, 0, n), part(scratch, n, n)
    yes[:] = T(0)
    no[:] = T(0)
    for block in range(members):
        own = part(z, block * n, n)
        for k in range(n):
            e = exp(-abs(own[k]))
            more = T(1) / ((T(1) + e) * T(members))
            yes[k] += more if own[k] > T(0) else more * e
            no[k] += more * e if own[k] > T(0) else more
    few = min(smallest(yes), smallest(no)) < next_to_nothing(z)
    for k in range(n):
        if few and min(yes[k], no[k]) < next_to_nothing(z):
            z[k] = T(log_mean_of_sigmoid(z, members, k, 1.0) - log_mean_of_sigmoid(z, members, k, -1.0))
        else:
            z[k] = np.log(yes[k]) - np.log(no[k])


@inlined
def log_mean_of_sigmoid(z: Any, members: int, k: int, sign: float) -> Any:
    """Of what all blocks say of one row, in double precision."""
    n, total = z.size // members, 0.0
    top = log_sigmoid(sign * np.float64(z[k]))
    for block in range(1, members):
        log = log_sigmoid(sign * np.float64(z[block * n + k]))
        top = log if log > top else top
    for block in range(members):
        total += exp(log_sigmoid(sign * np.float64(z[block * n + k])) - top)
    return top + np.log(total / members)


@inlined
def log_sigmoid(x: float) -> float:
    """min(x, 0) − log(1 + e^−|x|)."""
    return (x if x < 0 else 0 * x) - np.log1p(np.exp(-abs(x)))


@inlined
def compare_classes(z: Any, y: Any, side_by_side: Any, known: Any, width: int) -> None:
    """Of each row Σ e^(z − max z) over all classes but the largest, z − max z of its own, and whether that is another.

    Of equal logits the first counts.
    """
    T, m = z.dtype.type, y.size
    others, right, first = part(known, 0, m), part(known, m, m), part(known, 2 * m, m)
    largest(z, side_by_side, right, width)
    first[:] = T(0)
    for back in range(1, width + 1):
        of_class = part(side_by_side, (width - back) * m, m)
        for i in range(m):
            first[i] = T(width - back) if of_class[i] == right[i] else first[i]
    others[:] = T(0)
    for j in range(width):
        of_class = part(side_by_side, j * m, m)
        for i in range(m):
            power = exp(of_class[i] - right[i])
            others[i] += T(0) if first[i] == T(j) else power
    for i in range(m):
        right[i] = side_by_side[np.int64(y[i]) * m + i] - right[i]
        first[i] = T(0) if first[i] == y[i] else T(1)


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
