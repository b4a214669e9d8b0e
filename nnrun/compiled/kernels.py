"""The pieces of a training step in loops, with few passes over memory; what they work out is the NumPy engine's.

Numbers lie in flat vectors and a `Plan` says where. Matrices have examples in rows. A piece covers the columns `lo` to
`hi` of a layer, or some rows of the batch. No sum crosses pieces but the norm, in their order, so that the bits are the
same whoever works on them and in whatever order within a phase.

Machine code is kept under a hash of this wing's files: nothing that is compiled comes from the rest of nnrun.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nnrun.compiled import codes
from nnrun.compiled.backward import backward, weights
from nnrun.compiled.forward import forward, output
from nnrun.compiled.functions import borrowed, inlined, part
from nnrun.compiled.together import done, take, wait
from nnrun.compiled.updating import SUMS, clipped_update, sum_of_squares


class Plan(NamedTuple):
    """A network and its step in integers. Arrays hold one a dense layer, counted from 0; the output layer is the last.

    Where W, b (β under batch norm) and γ lie in theta, μ and σ² in the state, uniform numbers for dropout in those of
    the group, and in the memory: `z` what goes into the activation, `y` what comes out, `a` what dropout leaves of it,
    `d` the gradient by z, x̂ and 1/√(σ² + ε) of batch norm.
    """

    widths: Any  # (layers + 1,): features, units, logits
    W: Any
    b: Any
    gamma: Any
    mean: Any
    variance: Any
    chance: Any
    z: Any
    y: Any
    a: Any
    d: Any
    x_hat: Any
    inverse: Any
    centre: Any
    gemm: int  # address of the BLAS routine
    give_way: int  # and of the system's, by which a thread that waits lets others run
    activation: int
    loss: int
    rule: int
    batch_norm: bool
    penalised: bool  # whether L1 or L2 acts
    clipped: bool  # whether the update waits for the norm of the gradient


class Vectors(NamedTuple):
    """What one member's step reads and writes, each flat."""

    theta: Any
    state: Any
    gradient: Any
    first: Any  # slots of the optimizer, empty where it has none
    second: Any
    memory: Any
    squares: Any  # of the gradient, summed piece by piece, in double precision


class Rows(NamedTuple):
    """Rows that were gathered for several batches."""

    x: int  # address of the inputs, (rows, features)
    y: Any  # (rows,) classes, or (rows · values,)
    weights: Any  # (rows,), or empty
    chance: Any  # for dropout, what was drawn for each row and unit
    least: Any  # with which a unit is kept, (layers,)
    scale: Any  # what it is multiplied by then, (layers,)


@inlined
def run(plan: Any, v: Any, rows: Any, constants: Any, spans: Any, pieces: Any, counts: Any) -> None:
    """Work through some steps, alone or with other threads that were given the same.

    `spans (steps, 2)` says which of the rows are a batch, `constants (steps, CONSTANTS)` what the update needs, `pieces
    (pieces, 5)` what is to be done: a code and three numbers of its own, and how many before it must be done.
    """
    plan, v, rows = borrowed(plan), borrowed(v), borrowed(rows)
    constants, pieces = borrowed(constants), borrowed(pieces)
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
        forward(plan, v, rows, first, m, layer, lo, hi)
    elif kind == codes.OUTPUT:
        output(plan, v, rows, first, m, layer, lo * m // hi, (lo + 1) * m // hi)
    elif kind == codes.BACKWARD:
        backward(plan, v, rows, constants, first, m, layer, lo, hi)
    elif kind == codes.WEIGHTS:
        weights(plan, v, rows, constants, first, m, layer, lo, hi)
    elif kind == codes.NORM:
        sum_of_squares(part(v.gradient, lo, hi - lo), part(v.squares, SUMS * layer, SUMS))
    elif kind == codes.UPDATE:
        clipped_update(plan, v, constants, lo, hi - lo, layer == 1)
