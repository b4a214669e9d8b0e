"""Threads share steps until other programs want their cores, then one trains alone for a while; no bit tells."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from nnrun.compiled import pace
from nnrun.compiled.pace import LEAST, LONGEST, PAUSE, SHORT, STRETCH, Pace, Spent, spent_on
from nnrun.compiled.steps import CompiledSteps
from nnrun.machine import threads
from tests.conftest import trainer

STEP = 0.0003  # seconds


def calm(steps: int) -> list[Spent]:
    """What two threads spend that have a core each."""
    return [Spent(STEP * steps, STEP * steps), Spent(0.9 * STEP * steps, 0.88 * STEP * steps)]


def disturbed(steps: int, of: int = 1) -> list[Spent]:
    """What they spend while one waits for its core, and the other for it."""
    spent = [Spent(50 * STEP * steps, 49 * STEP * steps)] * 2
    spent[of] = Spent(50 * STEP * steps, STEP * steps)
    return spent


def test_stretches_grow_as_long_as_nothing_disturbs_them() -> None:
    own, seen = Pace(), []
    for _ in range(12):
        seen.append(own.steps)
        own.took(own.steps, calm(own.steps))
        assert own.shared
    assert seen[:4] == [LEAST, 2 * LEAST, 4 * LEAST, 8 * LEAST]
    assert seen[-1] == int(STRETCH / STEP)


def test_a_step_that_takes_longer_than_a_stretch_is_one() -> None:
    own = Pace()
    own.took(LEAST, [Spent(LEAST * 3 * STRETCH, LEAST * 3 * STRETCH)] * 2)
    assert (own.steps, own.shared) == (1, True)


@pytest.mark.parametrize("of", [0, 1])
def test_whoever_is_disturbed_all_pause_for_longer_and_longer(of: int) -> None:
    own, pauses = Pace(), []
    for _ in range(12):
        assert own.shared
        own.took(LEAST, disturbed(LEAST, of))
        alone = 0.0
        while not own.shared:
            alone += STEP * own.steps
            own.took(own.steps, [Spent(STEP * own.steps, STEP * own.steps)])
        assert own.steps == LEAST, "it is tried with few steps"
        pauses.append(alone)
    expected = [min(LONGEST, PAUSE * 2**k) for k in range(12)]
    assert pauses == pytest.approx(expected, abs=2 * STRETCH)
    for _ in range(20):
        own.took(own.steps, calm(own.steps))
    own.took(LEAST, disturbed(LEAST, of))
    own.took(1, [Spent(PAUSE + STEP, PAUSE)])
    assert own.shared, "after a calm time the pause is short again"


def test_a_moment_says_nothing() -> None:
    own = Pace()
    own.took(LEAST, [Spent(STEP, STEP), Spent(SHORT / 2, 0.0)])  # a helper that came when all was done
    assert own.shared


def test_time_on_a_core_is_told_from_time_without_one() -> None:
    waited = spent_on(lambda: time.sleep(0.02))
    assert waited.passed >= 0.02 > 4 * waited.run

    def work() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    assert spent_on(work).run >= 0.02


@pytest.mark.parametrize("options", [{}, {"members": 3, "batch_norm": True, "dropout": 0.2}])
def test_bits_do_not_hang_on_who_is_disturbed_when(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.compiled.work.WIDE", 0)
    monkeypatch.setattr("nnrun.compiled.work.PIECE", 16)
    monkeypatch.setenv(threads.OURS, "2")
    found, tasks, took = set(), set[int](), Pace.took

    def noted(own: Pace, steps: int, spent: Sequence[Spent]) -> None:
        tasks.add(len(spent))
        took(own, steps, spent)

    monkeypatch.setattr(Pace, "took", noted)
    for own, seconds, by in ((0.0, 0.03, {2}), (9.0, 1e-5, {1, 2}), (9.0, 100.0, {1, 2})):
        monkeypatch.setattr(pace, "OWN", own)  # nothing disturbs, or everything does, for a while or for ever
        monkeypatch.setattr(pace, "SHORT", 0.0)
        monkeypatch.setattr(pace, "PAUSE", seconds)
        tasks.clear()
        trained = trainer(hidden=(64, 48), optimizer="adam", batch_size=5, engine=CompiledSteps, **options)
        list(trained.epochs(10))
        assert tasks == by
        found.add(trained.theta.tobytes() + trained.state.tobytes())
    assert len(found) == 1
