"""How good predictions are, by the names that a config may use."""
