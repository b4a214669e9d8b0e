"""A model in files that other programs run, each checked after writing."""
