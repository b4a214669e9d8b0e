"""An old search retested: its best settings and fresh random ones on today's data or network, a few seeds each.

A retest is a search whose trials are known before the first: `design` says which, `standing` what became of the old
ranking, `record` what is written of both, `verbs` begins and resumes one, `telling` tells it.
"""
