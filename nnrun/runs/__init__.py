"""One run: its directory, its training, what is recorded of it, and its verdict.

Only this room knows the names of a run's files. Others call `verbs` (train, resume), `finding` (which run is meant),
`stored` (what it holds) and `rundir` (to write there); what a run says on screen is in `telling`.
"""
