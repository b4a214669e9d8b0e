"""What is wrong with a run, how sure that is, and which command to run next.

Others call `verbs` (numbers, a run, closer looks at a run) and `searches` (a search). A new rule is a function in
`against_bias`, `against_variance` or `in_doubt`, and its line in `recipe.REMEDIES`; it returns a Move, of `origin`.
"""
