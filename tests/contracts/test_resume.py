"""Training that goes on from a snapshot ends with the same bits as training without a break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from nnrun.engine.epoch import Epoch
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import Trainer
from tests.contracts.test_gradients import CODES, with_codes

OPTIONS: dict[str, dict[str, Any]] = {
    "table": {"factors": {2: 0.5, 6: 2.0, 9: 0.1}},
    "staircase": {"every": 3},
    "warmup": {"epochs": 8},
}
EVERYTHING: dict[str, Any] = {
    "seeds": [4, 9],
    "batch_norm": True,
    "dropout": [0.3, 0.0],
    "input_dropout": [0.0, 0.1],
    "l2": [0.5, 0.0],
    "l1": [0.0, 0.1],
    "clip_norm": [0.5, np.inf],
    "weight_decay": 0.01,
    "dtype": "float32",
    "learning_rate": [1e-2, 3e-3],
    "ema": [0.9, 0.3],
}

Make = Callable[..., Trainer]


def bits(trainer: Trainer) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in trainer.snapshot().items()}


def history(epochs: list[Epoch]) -> list[dict[str, Any]]:
    rows = [{k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in asdict(e).items()} for e in epochs]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_five_epochs_and_seven_more_are_twelve(make_trainer: Make, optimizer: str, schedule: str) -> None:
    settings = EVERYTHING | {"optimizer": optimizer, "schedule": SCHEDULES[schedule](**OPTIONS.get(schedule, {}))}
    whole = make_trainer(**settings)
    curve = list(whole.epochs(12))

    first = make_trainer(**settings)
    before = list(first.epochs(5))
    saved = first.snapshot()
    list(first.epochs(7))  # what goes on in the first process must not reach into the snapshot
    second = make_trainer(**settings)
    second.restore(saved)
    after = list(second.epochs(12))

    assert [e.number for e in before + after] == list(range(1, 13))
    assert history(before + after) == history(curve)
    assert bits(second) == bits(whole)


def test_snapshot_has_all_that_changes(make_trainer: Make) -> None:
    trainer = make_trainer(**EVERYTHING, optimizer="adam")
    list(trainer.epochs(2))
    saved = trainer.snapshot()
    assert set(saved) == {"theta", "state", "v", "S", "average", "epoch", "step"}
    assert (int(saved["epoch"]), int(saved["step"])) == (2, 8)  # 50 rows at 16: 4 steps an epoch
    for name in ("theta", "state", "v", "S", "average"):
        assert not np.shares_memory(saved[name], trainer._vectors()[name])
        assert saved[name].any()


@pytest.mark.parametrize("steps_done", [1, 2, 4], ids=["first step", "middle", "last step"])
def test_told_to_stop_goes_back_to_the_last_whole_epoch(make_trainer: Make, steps_done: int) -> None:
    settings = EVERYTHING | {"optimizer": "adam", "schedule": SCHEDULES["cosine"]()}
    two_epochs = make_trainer(**settings)
    times: list[int] = []  # once a step, of which an epoch has 4, or once a group of them

    def count() -> bool:
        times.append(two_epochs.epoch)
        return False

    list(two_epochs.epochs(2, count))
    trainer = make_trainer(**settings)
    asked = []

    def told_to_stop() -> bool:
        if trainer.epoch == 2:
            asked.append(trainer.theta.copy())
        return len(asked) == min(steps_done, times.count(1))

    assert [e.number for e in trainer.epochs(12, told_to_stop)] == [1, 2]
    assert not np.array_equal(asked[-1], trainer.theta), "it had moved on"
    assert bits(trainer) == bits(two_epochs)

    whole = make_trainer(**settings)
    list(whole.epochs(12))
    assert [e.number for e in trainer.epochs(12)] == list(range(3, 13))
    assert bits(trainer) == bits(whole)


def test_same_seed_same_bits(make_trainer: Make) -> None:
    runs = [make_trainer(**EVERYTHING | {"seeds": seeds}, optimizer="adam") for seeds in ([4, 9], [4, 9], [4, 10])]
    for run in runs:
        list(run.epochs(3))
    assert bits(runs[0]) == bits(runs[1])
    assert (runs[0].theta[0] == runs[2].theta[0]).all()
    assert not (runs[0].theta[1] == runs[2].theta[1]).any()


def test_members_that_share_a_body_go_on_with_the_same_bits(make_trainer: Make) -> None:
    assert_goes_on(make_trainer, {"members": 4})


def test_embeddings_go_on_with_the_same_bits(make_trainer: Make) -> None:
    parts = {"train": with_codes(50, 1, "float32"), "dev": with_codes(30, 2, "float32")}
    assert_goes_on(make_trainer, {**parts, "embeddings": CODES})


def assert_goes_on(make: Make, more: dict[str, Any]) -> None:
    settings = EVERYTHING | {"optimizer": "adam"} | more
    whole, first, second = (make(**settings) for _ in range(3))
    list(whole.epochs(6))
    list(first.epochs(2))
    second.restore(first.snapshot())
    list(second.epochs(6))
    assert bits(second) == bits(whole)
