"""A step that threads share: what comes of it has the same bits however many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnrun.compiled.steps import CompiledSteps
from nnrun.engine.evaluation import Examples
from nnrun.machine import threads
from tests.conftest import trainer

HIDDEN, BATCH = (1024, 1024), 256  # a step whose layers are cut
TECHNIQUES: list[dict[str, Any]] = [
    {},
    {"batch_norm": True, "dropout": 0.2, "l2": 0.1, "clip_norm": 0.5, "seeds": [1, 2]},
]


@pytest.fixture(scope="module")
def images() -> Examples:
    rng = np.random.default_rng(0)
    return Examples(rng.standard_normal((600, 784), np.float32), rng.integers(0, 10, 600))


@pytest.mark.parametrize("options", TECHNIQUES)
def test_the_number_of_threads_changes_no_bit(
    images: Examples, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[int] = []
    share = threads.share
    monkeypatch.setattr(threads, "share", lambda work, tasks: (shared.append(len(tasks)), share(work, tasks))[1])
    found = set()
    for count in (1, 2, 3, 4, 8):
        monkeypatch.setenv(threads.OURS, str(count))
        wide = trainer(
            train=images, dev=images, outputs=10, hidden=HIDDEN, batch_size=BATCH, optimizer="adam",
            dtype="float32", engine=CompiledSteps, **options,
        )  # fmt: skip
        (epoch,) = wide.epochs(1)
        found.add(wide.theta.tobytes() + wide.state.tobytes() + epoch.dev_loss.tobytes())
    assert len(found) == 1
    assert {1, 2, 3, 4} <= set(shared)  # as many took part as there were, and could have pieces


def test_a_small_step_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.OURS, "2")
    shared: list[int] = []
    share = threads.share
    monkeypatch.setattr(threads, "share", lambda work, tasks: (shared.append(len(tasks)), share(work, tasks))[1])
    list(trainer(hidden=(32,), engine=CompiledSteps).steps())
    assert set(shared) == {1}
