"""Contracts of the engine hold for both engines: what trains is the NumPy engine first, then the compiled one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nnrun.engine.trainer import Trainer
from tests.conftest import trainer


@pytest.fixture(params=["numpy", "compiled"])
def make_trainer(request: pytest.FixtureRequest) -> Callable[..., Trainer]:
    if request.param == "numpy":
        return trainer
    pytest.importorskip("numba")
    from nnrun.compiled.steps import CompiledSteps

    def compiled(*arguments: Any, **options: Any) -> Trainer:
        return trainer(*arguments, engine=CompiledSteps, **options)

    return compiled
