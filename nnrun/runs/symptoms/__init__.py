"""The rules on curves and layers: what went wrong in a training, and the change that may help; one table for all."""
