"""What a test asks of a search."""

from __future__ import annotations

from typing import Any

from nnrun.search.plan import Limits
from nnrun.search.state import Options


def asking(**given: Any) -> Options:
    """Those of a search by their names, limits among them."""
    limits: Any = {name: given.pop(name) for name in Limits.__annotations__ if name in given}
    return Options(**given, limits=limits)
