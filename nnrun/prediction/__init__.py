"""A trained network as a run directory holds it, and what it says about rows."""
