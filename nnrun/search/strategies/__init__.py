"""Which point comes next: a strategy a module, asked for points and told results; `STRATEGIES` has them by name."""
