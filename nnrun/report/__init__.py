"""A page of a run, a search or a folder of them: one HTML file from what lies in their directories.

`page` is how a page is made, `run`, `search` and `folder` what stands on it; a section is a function that returns one.
"""
