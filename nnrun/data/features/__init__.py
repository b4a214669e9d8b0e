"""What is learned from the training rows: columns, target and weights, and the way from a row to features."""
