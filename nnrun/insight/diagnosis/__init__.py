"""What is wrong with a run, how sure that is, and which command to run next.

Others call `verbs` (numbers, a run), `searches` (a search) and `looks` (closer looks at a run). A new
rule is a function in `against_bias`, `against_variance` or `recipe`, and its line in `recipe.REMEDIES`; what it returns
is a Move, of `origin`.
"""
