"""What nnrun tells beside training: before it, just before, after, and between runs.

The rooms `scaffold`, `preflight`, `diagnosis` and `comparison` are strangers: none imports another.
"""
