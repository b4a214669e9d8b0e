"""The pieces of a training step in loops, with few passes over memory; what they work out is the NumPy engine's.

Numbers lie in flat vectors and a `Plan` says where. Matrices have examples in rows. A piece covers the columns `lo` to
`hi` of a layer, or some rows of the batch. No sum crosses pieces, so that the bits are the same whoever works on them
and in whatever order within a phase.

Machine code is kept under a hash of this wing's files: nothing here comes from the rest of nnrun.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nnrun.compiled import codes
from nnrun.compiled.backward import backward, weights
from nnrun.compiled.forward import forward, output
from nnrun.compiled.functions import borrowed, inlined, part
from nnrun.compiled.updating import clipped_update, sum_of_squares


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
    ones: int  # where in the memory as many ones lie as a batch has rows
    gemm: int  # address of the BLAS routine
    activation: int
    loss: int
    rule: int
    batch_norm: bool
    penalised: bool  # whether L1 or L2 acts
    clipped: bool  # whether the update waits for the norm of the gradient


class Vectors(NamedTuple):
    """What one member's step reads and writes, each flat and of one precision."""

    theta: Any
    state: Any
    gradient: Any
    first: Any  # slots of the optimizer, empty where it has none
    second: Any
    memory: Any
    squares: Any  # of the gradient, summed piece by piece


class Rows(NamedTuple):
    """Rows that were gathered for several batches."""

    x: int  # address of the inputs, (rows, features)
    y: Any  # (rows,) classes, or (rows · values,)
    weights: Any  # (rows,), or empty
    chance: Any  # for dropout, what was drawn for each row and unit
    least: Any  # with which a unit is kept, (layers,)
    scale: Any  # what it is multiplied by then, (layers,)


@inlined
def run(plan: Any, v: Any, rows: Any, constants: Any, spans: Any, pieces: Any, steps: Any, chosen: Any) -> None:
    """Work through steps `steps[0]` to `steps[1]`, in each through the pieces `chosen[0]` to `chosen[1]`.

    `spans (steps, 2)` says which of the rows are a batch, `constants (steps, CONSTANTS)` what the update needs, `pieces
    (pieces, 4)` what is to be done: a code, the layer, and two numbers of its own.
    """
    plan, v, rows = borrowed(plan), borrowed(v), borrowed(rows)
    for step in range(steps[0], steps[1]):
        first, m = spans[step, 0], spans[step, 1] - spans[step, 0]
        for k in range(chosen[0], chosen[1]):
            kind, layer, lo, hi = pieces[k, 0], pieces[k, 1], pieces[k, 2], pieces[k, 3]
            if kind == codes.FORWARD:
                forward(plan, v, rows, first, m, layer, lo, hi)
            elif kind == codes.OUTPUT:
                output(plan, v, rows, first, m, layer, lo * m // hi, (lo + 1) * m // hi)
            elif kind == codes.BACKWARD:
                backward(plan, v, rows, constants[step], first, m, layer, lo, hi)
            elif kind == codes.WEIGHTS:
                weights(plan, v, rows, constants[step], first, m, layer, lo, hi)
            elif kind == codes.NORM:
                v.squares[layer] = sum_of_squares(part(v.gradient, lo, hi - lo))
            else:
                clipped_update(plan, v, constants[step], lo, hi - lo, layer == 1)
