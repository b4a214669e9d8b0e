"""Which columns matter to a network: how it is measured, which columns hold the same, and what is said of it."""
