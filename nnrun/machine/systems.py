"""The systems that nnrun is made for."""

from __future__ import annotations

import sys

from nnrun.errors import UsageError

SYSTEMS = ("linux", "darwin")  # as sys.platform calls them


def refuse_others() -> None:
    """Raise UsageError where locks would lock nothing and workers could not be limited or replaced."""
    if sys.platform not in SYSTEMS:
        raise UsageError("nnrun runs on Linux and macOS, and on Windows inside WSL")
