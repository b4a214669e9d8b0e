"""Networks, losses, optimizers and the training loop; NumPy and the standard library only."""
