"""The search for hyperparameters: which trial comes next, many at once, and a ledger that survives any end.

Others call `verbs` (begin, resume) and `telling`, read what a search has written by `stored`, and hear of it by
`study`'s Watcher. A new strategy is a class and its line in `strategies`.
"""
