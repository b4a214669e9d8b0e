"""Several runs as one: which of them, with what weights, and the directory that holds them.

`verbs` is the way in. `candidates` reads what each run says of the dev set, `selection` chooses by that alone, `making`
writes the directory, `telling` puts it on a screen.
"""
