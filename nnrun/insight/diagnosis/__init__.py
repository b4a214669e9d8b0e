"""What is wrong with a run, how sure that is, and which command to run next.

Others call `verbs` (numbers, a run, closer looks at a run) and `searches` (a search). A new rule is a function in
`remedies` or `recipe`, and its line in `recipe.REMEDIES`; what it returns is a Move, of `origin`.
"""
