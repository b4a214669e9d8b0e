"""Interpreters that libraries start here with a program of one line: for these, modules of the current directory come
first, so that a file named random.py there would be run in place of Python's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH = "PYTHONSAFEPATH"

_before = list[str | None]()  # what the variable was for each block that has not ended; the first found it as it was
_lock = threading.Lock()


@contextmanager
def blind_to_the_folder() -> Iterator[None]:
    """Interpreters started in the block, and those that they start, import nothing of the current directory.

    Blocks of several threads may overlap; after the last the variable is as it was.
    """
    with _lock:
        _before.append(os.environ.get(SAFE_PATH))
        os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        with _lock:
            value = _before.pop()
            if not _before:
                os.environ.pop(SAFE_PATH)
                if value is not None:
                    os.environ[SAFE_PATH] = value
