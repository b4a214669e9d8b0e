"""One run: its directory, its training, what is recorded of it, and its verdict.

Only this room knows the names of a run's files. Others call `verbs` (train, resume; of folds in `folds`), `finding`
(which run is meant), `stored` (what it holds) and `rundir` (to write there), and hear of a training by `session`'s
Listener; the keys of the files are in `records`, what a run says on screen in `telling`.
"""
