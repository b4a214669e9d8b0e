"""The machine and the system nnrun runs on: which systems, what a process may use of them, what POSIX alone has."""
