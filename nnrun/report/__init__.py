"""A page of a run or a search: one HTML file from what lies in its directory.

`page` is how a page is made, `run` and `search` what stands on it; a new section is a function that returns one.
"""
