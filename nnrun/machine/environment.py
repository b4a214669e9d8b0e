"""Environment variables of this process, which those that it starts take over."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

_before = defaultdict[str, list[str | None]](list)  # of each variable, what it was for each block that has not ended
_lock = threading.Lock()


@contextmanager
def held(**variables: str) -> Iterator[None]:
    """Variables have these values in the block.

    Blocks of several threads may overlap, if all ask for the same value; after the last a variable is what it was
    before the first.
    """
    with _lock:
        for name, value in variables.items():
            _before[name].append(os.environ.get(name))
            os.environ[name] = value
    try:
        yield
    finally:
        with _lock:
            for name in variables:
                earlier = _before[name].pop()
                if not _before[name]:
                    os.environ.pop(name, None)
                    if earlier is not None:
                        os.environ[name] = earlier
