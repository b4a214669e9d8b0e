"""The engine: networks and their training, with NumPy and the standard library alone; it knows neither files nor YAML.

Every table is one plain dictionary (ACTIVATIONS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES, INITIALIZERS, AUGMENTATIONS):
a new entry is a class or a function and its line there; an activation that is exported has its piece in `models.export`
as well.
"""
