"""Both engines for tests that hold of either, the compiled one where its extra is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

LACKING = pytest.mark.skipif(find_spec("numba") is None, reason="the extra `fast` is not installed")
ENGINES = ("numpy", pytest.param("compiled", marks=LACKING))
