"""A trained network as a file that needs no nnrun; `FORMATS` has the ways to write one."""
