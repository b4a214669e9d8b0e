"""The command line: it parses, calls and prints; one file a command, called like the command.

A new command is a function here and a line in `app`. Nothing heavy is imported before a command is chosen.
"""
