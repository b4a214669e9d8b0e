"""nnrun: a command-line experiment runner for neural networks."""
