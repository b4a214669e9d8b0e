"""The pieces of a training step in loops, with few passes over memory; what they work out is the NumPy engine's.

Numbers lie in flat vectors and a `Plan` says where. Matrices have examples in rows. A piece covers the columns `lo` to
`hi` of a layer, or some rows of the batch. No sum crosses pieces but the norm, in their order, so that the bits are the
same whoever works on them and in whatever order within a phase.

Machine code is kept under a hash of this wing's files: nothing that is compiled comes from the rest of nnrun.
"""

from __future__ import annotations

from typing import Any

from numba import carray

from nnrun.compiled import codes
from nnrun.compiled.backward import backward, weights
from nnrun.compiled.codes import SUMS, Plan, Rows, Vectors
from nnrun.compiled.forward import forward, measure, output
from nnrun.compiled.functions import inlined, part, table, vector
from nnrun.compiled.together import done, take, wait
from nnrun.compiled.updating import clipped_update, sum_of_squares


@inlined
def steps(plan: Any, given: Any, number: Any, double: Any, drawn: Any) -> None:
    """The function that is kept: `run` on a packed plan and a table of addresses and sizes, by pointers alone.

    `number` points to a number of the precision, `double` to one in double precision, `drawn` to what dropout draws.
    """
    places = carray(given, (codes.GIVEN, 2))
    v = Vectors(
        vector(places, codes.THETA, number),
        vector(places, codes.STATE, number),
        vector(places, codes.GRADIENT, number),
        vector(places, codes.FIRST_SLOT, number),
        vector(places, codes.SECOND_SLOT, number),
        vector(places, codes.AVERAGE, number),
        vector(places, codes.MEMORY, number),
        vector(places, codes.SUMMED, double),
    )
    rows = Rows(
        places[codes.X, 0],
        vector(places, codes.Y, number),
        vector(places, codes.ROW_WEIGHTS, number),
        vector(places, codes.CHANCE, drawn),
        vector(places, codes.LEAST, drawn),
        vector(places, codes.SCALE, number),
    )
    constants = table(places, codes.CONSTANTS_OF_STEPS, number, codes.CONSTANTS)
    spans, pieces = table(places, codes.SPANS, plan, 2), table(places, codes.PIECES, plan, 5)
    run(unpacked(plan), v, rows, constants, spans, pieces, vector(places, codes.COUNTED, plan))


@inlined
def unpacked(packed: Any) -> Any:
    """The plan; see `codes.packed`."""
    n = packed[0] + 1
    p = carray(packed, codes.NUMBERS + codes.ARRAYS * n)
    return Plan(
        row(p, 0, n), row(p, 1, n), row(p, 2, n), row(p, 3, n), row(p, 4, n), row(p, 5, n), row(p, 6, n),
        row(p, 7, n), row(p, 8, n), row(p, 9, n), row(p, 10, n), row(p, 11, n), row(p, 12, n), row(p, 13, n),
        p[1], p[2], p[3], p[4], p[5], p[6] != 0, p[7] != 0, p[8] != 0, p[9] != 0,
    )  # fmt: skip


@inlined
def row(packed: Any, k: int, n: int) -> Any:
    """One of the arrays of a packed plan."""
    return part(packed, codes.NUMBERS + k * n, n)


@inlined
def run(plan: Any, v: Any, rows: Any, constants: Any, spans: Any, pieces: Any, counts: Any) -> None:
    """Work through some steps, alone or with other threads that were given the same.

    `spans (steps, 2)` says which of the rows are a batch, `constants (steps, CONSTANTS)` what the update needs, `pieces
    (pieces, 5)` what is to be done: a code and three numbers of its own, and how many before it must be done.
    """
    a_step, step, k = len(pieces), 0, take(counts)
    while True:
        while k >= a_step:
            step, k = step + 1, k - a_step
        if step >= len(spans):
            break
        first, m = spans[step, 0], spans[step, 1] - spans[step, 0]
        wait(counts, step * a_step + pieces[k, 4], plan.give_way)
        do(plan, v, rows, constants[step], first, m, pieces[k])
        done(counts)
        k = take(counts) - step * a_step


@inlined
def do(plan: Any, v: Any, rows: Any, constants: Any, first: int, m: int, piece: Any) -> None:
    """One piece of a step on rows `first` to `first + m`. It must not raise: others would wait for it for ever."""
    kind, layer, lo, hi = piece[0], piece[1], piece[2], piece[3]
    if kind == codes.FORWARD:
        forward(plan, v, rows, constants, first, m, layer, lo, hi)
    elif kind == codes.OUTPUT:
        output(plan, v, rows, first, m, layer, lo * m // hi, (lo + 1) * m // hi)
    elif kind == codes.BACKWARD:
        backward(plan, v, rows, constants, first, m, layer, lo, hi)
    elif kind == codes.WEIGHTS:
        weights(plan, v, rows, constants, first, m, layer, lo, hi)
    elif kind == codes.NORM:
        sum_of_squares(part(v.gradient, lo, hi - lo), part(v.sums, SUMS * layer, SUMS))
    elif kind == codes.UPDATE:
        clipped_update(plan, v, constants, lo, hi - lo, layer == 1)
    elif kind == codes.MEASURE:
        measure(plan, v, rows, first, m, layer)
