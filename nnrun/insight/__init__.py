"""What nnrun tells beside training: before it, just before, after, and between runs.

The rooms `scaffold`, `preflight`, `diagnosis` and `comparison` are strangers: none imports another. Where a
room has `verbs` and `telling`, others enter there.
"""
