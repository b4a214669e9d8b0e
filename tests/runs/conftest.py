"""What tests of what is asked of a run that trains share."""

from __future__ import annotations

import pytest

from nnrun.runs import requests, steering


@pytest.fixture
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not five times a second: these epochs take a millisecond."""
    for module in (requests, steering):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.0)
