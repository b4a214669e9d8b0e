"""From a table to a first config: what the columns hold, what follows from it, and the YAML that says why."""
