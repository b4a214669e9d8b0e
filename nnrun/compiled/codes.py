"""What the compiled step is told in numbers: codes for names of the engine, and the places of things in vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Activations, by their names in the engine's table.
RELU, LEAKY_RELU, TANH, SIGMOID, LINEAR, ELU, GELU, SILU = range(8)
ACTIVATIONS = {
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "linear": LINEAR,
    "elu": ELU,
    "gelu": GELU,
    "silu": SILU,
}

# Losses and the transforms of optimizers, by the names of their classes.
SOFTMAX_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR, HUBER = range(4)
LOSSES = {
    "SoftmaxCrossEntropy": SOFTMAX_CROSS_ENTROPY,
    "SigmoidCrossEntropy": SIGMOID_CROSS_ENTROPY,
    "SquaredError": SQUARED_ERROR,
    "Huber": HUBER,
}
PLAIN, MOMENTUM, NESTEROV, RMSPROP, ADAM = range(5)
RULES = {"Momentum": MOMENTUM, "Nesterov": NESTEROV, "RMSprop": RMSPROP, "Adam": ADAM}

# What a piece of the step does, and its three numbers.
FORWARD = 0  # the layer, and from which of its units to which
OUTPUT = 1  # the member whose head it is, or 0, and which of how many stretches of the rows
BACKWARD = 2  # the layer, and from which of the units before it to which
WEIGHTS = 3  # a hidden layer, and from which row of its W to which
NORM = 4  # its place among the sums of squares, and from which parameter to which
UPDATE = 5  # whether they are weights, and from which parameter to which
MEASURE = 6  # the output layer, how many rows are one sum, and whether the logits are there already
LOOK_UP = 7  # nothing, and which of how many stretches of the rows
ENTER = 8  # nothing, and from which column of what goes into the layers to which
LEAVE = 9  # the same
BY_ROW = 10  # the embedding
HEAD = 11  # the same member, and from which row of its W in the output layer to which
SCALED = 12  # nothing, and from which row of the first W to which
GATHER = 13  # nothing, and which of how many stretches of the rows

# Columns of the constants of a step. FIRST to THIRD are those of the rule, in the order in which it names them; KEPT is
# the share of the average that stays, EVEN that of each target which all classes get alike.
L2, L1, FIRST, SECOND, THIRD, DECAY, FACTOR, CLIP, KEPT, EVEN = range(10)
CONSTANTS = 10

NONE = -1  # the place of something that is not there

SUMS = 8  # of squares, side by side
TAKEN, DONE, COUNTS = 0, 8, 16  # places of two counts of pieces, in cache lines of their own, and how many places


EMBEDDING = 5  # numbers that an embedding is told in


class Entrance(NamedTuple):
    """What learns in front of the layers, or NONE: embeddings, and scales R that members see the features through."""

    features: int  # of a row, codes among them
    scales: int  # where R lies in theta
    embedded: int  # in memory, rows with what was looked up, behind it dropout of the input
    seen: int  # what goes into the layers, a block of rows for each member
    arriving: int  # the gradient by what goes into the layers
    turned: int  # in place of that, room for products that give the gradients by R and by the first W
    masked: int  # uniform numbers for dropout of what was looked up
    plain: Any  # which features are numbers
    embeddings: Any  # of each: its feature, how many rows and numbers in each E has, where E lies, its first column


class Plan(NamedTuple):
    """A network and its step in integers. Arrays hold one a dense layer, counted from 0; the output layer is the last.

    Fields are written in this order by `packed`, and read in it by `kernels.unpacked`: all three change together.

    Where W, b (β under batch norm) and γ lie in theta, μ and σ² in the state, uniform numbers for dropout in those of
    the group, and in the memory: `z` what goes into the activation, `y` what comes out, `a` what dropout leaves of it,
    `d` the gradient by z, x̂ and 1/√(σ² + ε) of batch norm. Members that share the body are blocks of rows in memory,
    one below the other; the arrays of their heads lie side by side in theta.
    """

    widths: Any  # (layers + 1,): what goes in, units, logits
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
    members: int  # that share the body
    batch_norm: bool
    penalised: bool  # whether L1 or L2 acts
    clipped: bool  # whether the update waits for the norm of the gradient
    measuring: bool  # whether batch norm goes by its running averages, and nothing is trained
    entrance: Entrance


class Vectors(NamedTuple):
    """What one member's step reads and writes, each flat."""

    theta: Any
    state: Any
    gradient: Any
    first: Any  # slots of the optimizer, empty where it has none
    second: Any
    average: Any  # of theta, then of the state; empty where there is none
    sums: Any  # in double precision: of the gradient's squares, by piece, or of losses, then mistakes, by chunk
    memory: Any


class Rows(NamedTuple):
    """Rows of several batches, gathered before, or of one, which gathers them to the front of x, y and weights."""

    x: Any  # (rows · features,); where logits are there already, these of one network after the other
    y: Any  # (rows,) classes, or (rows · values,)
    weights: Any  # (rows,), or empty
    chance: Any  # for dropout, what was drawn for each row, of each member, and unit
    least: Any  # with which a unit is kept: of what goes in, then of each layer
    scale: Any  # what it is multiplied by then
    logits: Any  # (rows · width,), where those that are measured are to be seen, or empty
    losses: Any  # (rows · members,), in double precision: of each row that is trained on, or empty
    order: Any  # (rows,), where each lies among all examples, which follow; all empty where rows were gathered before
    all_x: Any
    all_y: Any
    all_weights: Any


ARRAYS = Plan._fields.index("gemm")  # of a packed plan
NUMBERS = 1 + len(Plan._fields[ARRAYS:-1]) + len(Entrance._fields)  # how many layers there are is the first of them


def packed(plan: Plan) -> NDArray[np.int64]:
    """A plan as compiled code takes it: its numbers, its arrays, each with room for one more than the layers, and those
    of the entrance.
    """
    *ways, plain, embeddings = plan.entrance
    numbers = [len(plan.widths) - 1, *plan[ARRAYS:-1], *ways, len(plain), len(embeddings)]
    arrays = np.zeros((ARRAYS, len(plan.widths)), np.int64)
    for k in range(ARRAYS):
        array = np.asarray(plan[k])
        arrays[k, : len(array)] = array
    return np.array([*numbers, *arrays.ravel(), *plain, *embeddings], np.int64)


# Rows of the table of what a call is given: the address of each array, and its size.
THETA, STATE, GRADIENT, FIRST_SLOT, SECOND_SLOT, AVERAGE, SUMMED, MEMORY = range(8)
X, Y, ROW_WEIGHTS, CHANCE, LEAST, SCALE, CONSTANTS_OF_STEPS, SPANS, PIECES, LOGITS, EACH_LOSS = range(8, 19)
ORDER, ALL_X, ALL_Y, ALL_WEIGHTS, PLAN, COUNTED = range(19, 25)
GIVEN = 25
LENT = 4  # of these rows, from MEMORY on: those that a lane has arrays for

# A list of turns: at its top where they lie, where their counts do, and the address of the system's `sched_yield`.
LISTING, MARKS, GIVE_WAY, TOP = 0, 1, 4, 6
# Columns of a turn: address and size of its table; BORROWS, rows of the table that its thread's lane lends it, 0 where
# several threads share it; FIRST_STEP and STEPS; it waits until the count AFTER has come to MANY, and adds to MARK.
PLACES, BORROWS, FIRST_STEP, STEPS, AFTER, MANY, MARK, TURN = 0, 2, 3, 4, 5, 6, 7, 8
