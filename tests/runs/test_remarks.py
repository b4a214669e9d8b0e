"""What log.txt says beside what the screen shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nnrun.runs.listener import Outcome

Train = Callable[..., Outcome]
AIMS, FULL = "early stopping mixes two aims", "batch_size: full fits a set as small as this"


def logged(outcome: Outcome) -> str:
    return " ".join(outcome.run.read("log.txt").decode().split())


def test_a_run_that_stopped_early_remarks_that_it_mixes_two_aims(train_run: Train) -> None:
    patient = "regularization.early_stopping={patience: 1, min_delta: 0.9}"
    stopped = train_run("data.source=iris", "training.epochs=50", patient)
    assert stopped.record["stopped_early"]
    assert AIMS in logged(stopped)
    assert AIMS not in logged(train_run("data.source=iris", "training.epochs=1", patient))


@pytest.mark.parametrize(("size", "told"), [("auto", True), ("32", False), ("full", False)])
def test_the_size_of_a_batch_that_was_left_open_is_remarked_on_small_data(
    train_run: Train, size: str, told: bool
) -> None:
    outcome = train_run("data.source=iris", "training.epochs=1", f"training.batch_size={size}")
    assert (FULL in logged(outcome)) == told
