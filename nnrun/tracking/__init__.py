"""What other tools are told of runs: curves, settings and what came of them, by libraries of their own.

Commands call `verbs`. `story` says what is told, `trackers` to whom: a module a tool, which writes it down.
"""
