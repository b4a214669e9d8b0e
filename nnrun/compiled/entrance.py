"""What stands in front of the layers: rows that are gathered, embeddings of codes, and the scales that members see the
features through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled.backward import by_inputs
from nnrun.compiled.codes import EMBEDDING, Rows
from nnrun.compiled.functions import copy, inlined, part
from nnrun.compiled.products import address, product
from nnrun.compiled.updating import update


@inlined
def from_the_front(plan: Any, rows: Any, first: int) -> Any:
    """Rows of which those of a batch, counted from `first` on, lie at the front of what is gathered."""
    features = plan.entrance.features
    return Rows(
        part(rows.x, -first * features, rows.x.size),
        part(rows.y, -first * values(plan, rows), rows.y.size),
        part(rows.weights, -first, rows.weights.size),
        rows.chance, rows.least, rows.scale, rows.logits, rows.losses,
        rows.order, rows.all_x, rows.all_y, rows.all_weights,
    )  # fmt: skip


@inlined
def values(plan: Any, rows: Any) -> int:
    """Numbers of y that an example has."""
    return rows.all_y.size // (rows.all_x.size // plan.entrance.features)


@inlined
def gather(plan: Any, rows: Any, begin: int, end: int) -> None:
    """Rows of the batch from where they lie among all examples, with their targets and weights."""
    features, each = plan.entrance.features, values(plan, rows)
    for i in range(begin, end):
        place = rows.order[i]
        copy(part(rows.all_x, place * features, features), part(rows.x, i * features, features))
        copy(part(rows.all_y, place * each, each), part(rows.y, i * each, each))
        if rows.weights.size > 0:
            rows.weights[i] = rows.all_weights[place]


@inlined
def look_up(plan: Any, v: Any, rows: Any, first: int, begin: int, end: int) -> None:
    """Rows of the batch as the layers take them: features that are numbers, then what each code has learned."""
    way, width = plan.entrance, plan.widths[0]
    for i in range(begin, end):
        x, start = part(rows.x, (first + i) * way.features, way.features), way.embedded + i * width
        plain = part(v.memory, start, way.plain.size)
        for j in range(plain.size):
            plain[j] = x[way.plain[j]]
        for e in range(way.embeddings.size // EMBEDDING):
            told = part(way.embeddings, EMBEDDING * e, EMBEDDING)
            place, size, E, column = told[0], told[2], told[3], told[4]
            learned = part(v.theta, E + np.int64(x[place]) * size, size)
            copy(learned, part(v.memory, start + column, size))
        drop_inputs(plan, rows, first + i, 0, part(v.memory, start, width))


@inlined
def drop_inputs(plan: Any, rows: Any, row: int, column: int, numbers: Any) -> None:
    """Dropout of what was looked up, from a column on."""
    if plan.entrance.masked >= 0:
        T, padded = numbers.dtype.type, (plan.widths[0] + 3) // 4 * 4
        chance = part(rows.chance, plan.entrance.masked + row * padded + column, numbers.size)
        for j in range(numbers.size):
            numbers[j] *= rows.scale[0] if chance[j] >= rows.least[0] else T(0)


@inlined
def enter(plan: Any, v: Any, rows: Any, first: int, m: int, lo: int, hi: int) -> None:
    """Columns of what members see: block k is x·R[k]."""
    way, n_in, n = plan.entrance, plan.widths[0], hi - lo
    for k in range(plan.members):
        scale = part(v.theta, way.scales + k * n_in + lo, n)
        for i in range(m):
            if way.embedded >= 0:
                x = part(v.memory, way.embedded + i * n_in + lo, n)
            else:
                x = part(rows.x, (first + i) * n_in + lo, n)
            seen = part(v.memory, way.seen + (k * m + i) * n_in + lo, n)
            for j in range(n):
                seen[j] = x[j] * scale[j]


@inlined
def leave(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, lo: int, hi: int) -> None:
    """Columns of the gradient by what goes into the layers; that by the scales, which move, and by what they scale."""
    way, n_in, n = plan.entrance, plan.widths[0], hi - lo
    by_inputs(plan, v, plan.members * m, 0, lo, n, way.arriving)
    if way.scales >= 0:
        for k in range(plan.members):
            R, block = way.scales + k * n_in + lo, way.arriving + k * m * n_in + lo
            by_scale(plan, v, rows, first, m, lo, block, part(v.gradient, R, n))
            if way.embedded >= 0:
                through_scale(v, way.arriving + lo, block, n_in, m, part(v.theta, R, n))
            if not plan.clipped:
                update(plan, v, constants, R, n, False)


@inlined
def scaled_weights(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, lo: int, hi: int) -> None:
    """Rows of the first W and columns of the scales, in place of `leave` where nothing else learns in front.

    With Gₖ = dᵀ·x of each member's block the gradient by Wᵀ is Σ Gₖ·R[k], that by R[k] the column sums of Wᵀ·Gₖ: no
    product more than those by W, of which there would be half as many again.
    """
    way, n_in, n_out, n = plan.entrance, plan.widths[0], plan.widths[1], hi - lo
    W, size = plan.W[0] + lo * n_out, n * n_out
    G = way.turned + 3 * lo * n_out
    turned, by_weights = part(v.memory, G + size, size), part(v.memory, G + 2 * size, size)
    transpose(part(v.theta, W, size), turned, n_out)
    by_weights[:] = by_weights.dtype.type(0)
    for k in range(plan.members):
        product(plan.gemm, True, False, n_out, n, m,
                address(v.memory, plan.d[0] + k * m * n_out), n_out,
                address(rows.x, first * n_in + lo), n_in,
                v.memory, G, n)  # fmt: skip
        R = way.scales + k * n_in + lo
        scale, by_scales = part(v.theta, R, n), part(v.gradient, R, n)
        by_scales[:] = by_scales.dtype.type(0)
        for u in range(n_out):
            of_unit, weights, total = part(v.memory, G + u * n, n), part(turned, u * n, n), part(by_weights, u * n, n)
            for j in range(n):
                by_scales[j] += weights[j] * of_unit[j]
            for j in range(n):
                total[j] += scale[j] * of_unit[j]
        if not plan.clipped:
            update(plan, v, constants, R, n, False)
    transpose(by_weights, part(v.gradient, W, size), n)
    if not plan.clipped:
        update(plan, v, constants, W, size, True)


@inlined
def transpose(matrix: Any, out: Any, columns: int) -> None:
    """The columns of a matrix become rows of `out`."""
    count = matrix.size // columns
    for i in range(count):
        row = part(matrix, i * columns, columns)
        for j in range(columns):
            out[j * count + i] = row[j]


@inlined
def by_scale(plan: Any, v: Any, rows: Any, first: int, m: int, lo: int, block: int, out: Any) -> None:
    """Σ d·x over a member's block of rows, for some columns."""
    way, n_in = plan.entrance, plan.widths[0]
    out[:] = out.dtype.type(0)
    for i in range(m):
        if way.embedded >= 0:
            x = part(v.memory, way.embedded + i * n_in + lo, out.size)
        else:
            x = part(rows.x, (first + i) * n_in + lo, out.size)
        d = part(v.memory, block + i * n_in, out.size)
        for j in range(out.size):
            out[j] += d[j] * x[j]


@inlined
def through_scale(v: Any, start: int, block: int, n_in: int, m: int, scale: Any) -> None:
    """Back through a member's scales: added to the first block, which is scaled as it is."""
    T = v.memory.dtype.type
    for i in range(m):
        total, d = part(v.memory, start + i * n_in, scale.size), part(v.memory, block + i * n_in, scale.size)
        for j in range(scale.size):
            total[j] = (T(0) if block == start else total[j]) + d[j] * scale[j]


@inlined
def by_row(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, e: int) -> None:
    """The gradient by the rows of an embedding, each the sum over the examples of its code; E moves."""
    way = plan.entrance
    told = part(way.embeddings, EMBEDDING * e, EMBEDDING)
    place, count, size, E, column = told[0], told[1], told[2], told[3], told[4]
    gradient = part(v.gradient, E, count * size)
    gradient[:] = gradient.dtype.type(0)
    for i in range(m):
        d = part(v.memory, way.arriving + i * plan.widths[0] + column, size)
        drop_inputs(plan, rows, first + i, column, d)
        out = part(gradient, np.int64(rows.x[(first + i) * way.features + place]) * size, size)
        for j in range(size):
            out[j] += d[j]
    if not plan.clipped:
        update(plan, v, constants, E, count * size, False)
