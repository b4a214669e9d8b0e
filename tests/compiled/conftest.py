"""What is compiled is tried where the extra `fast` is installed."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
