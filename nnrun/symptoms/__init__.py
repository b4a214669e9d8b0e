"""What goes wrong in training, read from what a run has recorded."""
