"""New rows beside those of training: what is counted of them, what is more than chance, and what is said of it."""
