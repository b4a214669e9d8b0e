"""What the compiled step is told in numbers: codes for names of the engine, and the places of things in vectors.

The order of a table is part of the machine code; a new entry goes last.
"""

from __future__ import annotations

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

# What a piece of the step does.
FORWARD, OUTPUT, BACKWARD, WEIGHTS, NORM, UPDATE = range(6)

# Columns of the constants of a step. FIRST to THIRD are those of the rule, in the order in which it names them.
L2, L1, FIRST, SECOND, THIRD, DECAY, FACTOR, CLIP = range(8)
CONSTANTS = 8

NONE = -1  # the place of something that is not there
