"""What the compiled step is told in numbers: codes for names of the engine, and the places of things in vectors."""

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

# What a piece of the step does, and its three numbers.
FORWARD = 0  # the layer, and from which of its units to which
OUTPUT = 1  # the layer, and which of how many stretches of the rows
BACKWARD = 2  # the layer, and from which of the units before it to which
WEIGHTS = 3  # the layer, and from which row of its W to which
NORM = 4  # its place among the sums of squares, and from which parameter to which
UPDATE = 5  # whether they are weights, and from which parameter to which

# Columns of the constants of a step. FIRST to THIRD are those of the rule, in the order in which it names them.
L2, L1, FIRST, SECOND, THIRD, DECAY, FACTOR, CLIP = range(8)
CONSTANTS = 8

NONE = -1  # the place of something that is not there
