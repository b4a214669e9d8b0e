"""The YAML file: its schema, where each value stands, and overrides."""
