"""A step that threads share: what comes of it has the same bits however many there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nnrun.compiled.steps import CompiledSteps
from nnrun.engine.evaluation import Examples
from nnrun.machine import threads
from tests.conftest import made_up, trainer
from tests.contracts.test_gradients import CODES, with_codes

HIDDEN, BATCH = (1024, 1024), 256  # a step whose layers are cut
TECHNIQUES: list[dict[str, Any]] = [
    {},
    {"batch_norm": True, "dropout": 0.2, "l2": 0.1, "clip_norm": 0.5, "seeds": [1, 2]},
]


def begin_together(monkeypatch: pytest.MonkeyPatch, seen: set[int]) -> None:
    """As many threads as there are tasks begin at once, busy cores or not; `seen` is how many that were."""
    monkeypatch.setattr("nnrun.compiled.pace.OWN", 0.0)
    share = threads.share

    def together(work: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        barrier = threading.Barrier(len(tasks), timeout=60)
        seen.add(len(tasks))
        return share(lambda task: (barrier.wait(), work(task))[1], tasks)

    monkeypatch.setattr(threads, "share", together)


@pytest.fixture(scope="module")
def images() -> Examples:
    rng = np.random.default_rng(0)
    return Examples(rng.standard_normal((400, 784), np.float32), rng.integers(0, 10, 400))


@pytest.mark.parametrize("options", TECHNIQUES)
def test_the_number_of_threads_changes_no_bit(
    images: Examples, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    begin_together(monkeypatch, seen)
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
    assert {1, 2, 3, 4} <= seen


@pytest.mark.parametrize("left", [1, 2])  # ensembles
@pytest.mark.parametrize("shown", [1, 1 << 20])  # logits at once, so that parts are measured in one go or in several
def test_threads_that_share_members_change_no_bit(shown: int, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it matter whether an epoch is measured right behind its steps or afterwards."""
    monkeypatch.setattr("nnrun.compiled.turns.SHARED", 0)
    monkeypatch.setattr("nnrun.compiled.judging.SHOWN", shown)
    monkeypatch.setattr("nnrun.compiled.judging.MEASURED_ROWS", 8)
    seen: set[int] = set()
    begin_together(monkeypatch, seen)
    found = set()
    for count in (1, 2, 3):
        monkeypatch.setenv(threads.OURS, str(count))
        options: dict[str, Any] = {"dropout": 0.3, "batch_norm": True, "optimizer": "adam", "clip_norm": 0.5}
        narrow = trainer([1, 2, 3, 4], ensemble=2, engine=CompiledSteps, **options)
        list(narrow.epochs(1))
        narrow.freeze(np.array([left == 1, False]))
        last = list(narrow.epochs(3))[-1]
        found.add(narrow.theta.tobytes() + last.dev_loss.tobytes() + last.dev_losses.tobytes())
        losses, _ = narrow.on_dev.means(narrow.engine.measure(narrow)[1])
        assert losses.tobytes() == last.dev_loss.tobytes()
        np.testing.assert_allclose(losses[1], narrow.on_dev(narrow.bound)[0][1], rtol=1e-4)
    assert len(found) == 1
    assert {1, 2, 3} <= seen


def test_a_small_step_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.OURS, "2")
    seen: set[int] = set()
    begin_together(monkeypatch, seen)
    list(trainer([1, 2], hidden=(32,), engine=CompiledSteps).epochs(1))
    assert seen == {1}


MEMBERS = {"members": 3, "batch_norm": True, "dropout": 0.2, "input_dropout": 0.1}
WIDE_ROWS = {"train": made_up(50, "cross_entropy", 3, n_in=40), "dev": made_up(30, "cross_entropy", 3, n_in=40)}
LOOKED_UP = {"embeddings": CODES, "train": with_codes(50, 1), "dev": with_codes(30, 2)}


@pytest.mark.parametrize("options", [*TECHNIQUES, {**MEMBERS, **WIDE_ROWS}, {**MEMBERS, **LOOKED_UP}])
@pytest.mark.parametrize("huge", [0, 1 << 29])  # threads share each step of several members, or the members
def test_many_threads_in_many_small_pieces(options: dict[str, Any], huge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.compiled.work.WIDE", 0)
    monkeypatch.setattr("nnrun.compiled.work.HUGE", huge)
    monkeypatch.setattr("nnrun.compiled.work.PIECE", 16)
    monkeypatch.setattr("nnrun.compiled.work.OUTPUT_ROWS", 4)
    begin_together(monkeypatch, set())
    found = set()
    for count in (1, 8):
        monkeypatch.setenv(threads.OURS, str(count))
        small = trainer(hidden=(128, 96), optimizer="adam", batch_size=25, engine=CompiledSteps, **options)
        list(small.epochs(20))
        found.add(small.theta.tobytes() + small.state.tobytes())
    assert len(found) == 1
