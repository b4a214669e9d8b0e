"""The command line: it parses, calls and prints; one file a command, called like the command.

A new command is a function here and a line in `app`. What commands share stands in `common` and, where it is of the
terminal, in the room `terminal`. Nothing heavy is imported before a command is chosen.
"""
