"""The search for hyperparameters: which trial comes next, many at once, and a ledger that survives any end.

Others call `verbs` (begin, resume) and `telling`, and read what a search has written by `plan` (search.yaml), `ledger`
and `trials` (trials.jsonl) and `record` (run.json). A new strategy is a class and its line in `strategies`.
"""
