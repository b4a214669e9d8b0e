"""The search for hyperparameters: what may be drawn, which point comes next, which parameter mattered."""
