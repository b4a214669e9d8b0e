"""What is wrong with a run, how sure that is, and which command to run next.

Others call `verbs` (numbers, a run), `searches` (a search) and `looks` (closer looks at a run).
"""
