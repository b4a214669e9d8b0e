"""From a source to arrays: read, check, split, fit on the training part, transform, cache.

`files` reads, `facts` finds what columns hold, `features` learns them; others call `dataset`.
A new format of files, kind of column or part of a date is one entry in its table.
"""
