"""Interpreters that libraries start here with a program of one line: for these, modules of the current directory come
first, so that a file named random.py there would be run in place of Python's own."""

from __future__ import annotations

from contextlib import AbstractContextManager

from nnrun.machine.environment import held

SAFE_PATH = "PYTHONSAFEPATH"


def blind_to_the_folder() -> AbstractContextManager[None]:
    """Interpreters started in the block, and those that they start, import nothing of the current directory."""
    return held(**{SAFE_PATH: "1"})
