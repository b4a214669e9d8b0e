"""How long a search will take, told before its first trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.config.space.space import Space
from nnrun.data.dataset import load_dataset
from nnrun.engine.trainer import NumpyEngine, Trainer
from nnrun.machine import threads
from nnrun.search import duration
from nnrun.search.plan import Plan


def search(
    trials: int, finished: int = 0, strategy: str = "random", timeout: float | None = None, *settings: str
) -> Any:
    """As much of a search as the line depends on: trials of 50 epochs, two workers."""
    config = load_config(None, [f"search.strategy={strategy}", *settings]).config
    return SimpleNamespace(
        config=config,
        dataset=None,
        total=trials,
        options=SimpleNamespace(workers=2, limits={"timeout": timeout}),
        executor=SimpleNamespace(workers=2),
        ledger=SimpleNamespace(read=lambda: ([{"number": n} for n in range(finished)], 0)),
        plan=Plan.of(config, Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}}), [trials], {}, None),
        space=SimpleNamespace(keys=list(config.search.space)),
    )


def test_trials_take_some_time_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "epoch_seconds", lambda config, dataset: 0.0)
    assert f"about {1000 * duration.BESIDE:.0f} s for 2,000 trials" in duration.expected_time(search(2000))[0]


def test_trials_take_their_epochs_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "BESIDE", 0.0)
    monkeypatch.setattr(duration, "epoch_seconds", lambda config, dataset: 0.2)
    assert duration.expected_time(search(30)) == [
        "time     about 2 min for 30 trials of 50 epochs, if all are like the config as written"  # 0.2 · 50 · 30 / 2
    ]
    assert "about 10 s for 1 trial of" in duration.expected_time(search(30, finished=29))[0], (
        "one worker is enough for it"
    )
    assert duration.expected_time(search(30, finished=30)) == []
    assert "for 1,000,000,000,000 trials" in duration.expected_time(search(10**12))[0], (
        "as many as fit, none is counted"
    )
    early = search(30, 0, "random", None, "regularization.early_stopping={patience: 5}")
    assert "up to 2 min" in duration.expected_time(early)[0], "trials may stop before"


def test_trials_that_continue_others_take_the_epochs_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config for 50 epochs; then 9 trials until 6, 3 from there until 17, 1 from there until 50."""
    monkeypatch.setattr(duration, "epoch_seconds", lambda config, dataset: 0.2)
    (told,) = duration.expected_time(search(14, strategy="halving"))
    assert told.startswith("time     about 17 s for 14 trials of 170 epochs in all, if")  # 50 + 9 · 6 + 3 · 11 + 33
    (told,) = duration.expected_time(search(14, 13, "halving"))
    assert told.startswith("time     about 7 s for 1 trial of 33 epochs, if")
    (told,) = duration.expected_time(search(16, strategy="coarse_to_fine_halving"))
    assert "16 trials of 369 epochs in all" in told  # 50 + 11 · 17 + 4 · 33


def test_a_long_search_offers_ways_to_shorten_it_unless_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "epoch_seconds", lambda config, dataset: 1.0)
    assert "--timeout 300" in duration.expected_time(search(30))[1]
    assert "--strategy halving" in duration.expected_time(search(30))[1]
    assert len(duration.expected_time(search(30, timeout=60.0))) == 1
    assert len(duration.expected_time(search(30, strategy="halving"))) == 1


def test_how_many_networks_a_trial_trains_is_said_before_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "epoch_seconds", lambda config, dataset: 0.01)

    def told(finished: int, *settings: str) -> list[str]:
        return duration.expected_time(search(30, finished, "random", None, *settings))[1:]

    (line,) = told(0, "network.ensemble=5")
    assert "each trial trains 5 networks" in line and "--set network.ensemble=1 searches with one" in line
    assert told(3, "network.ensemble=5") == [], "it is too late to change it"
    assert told(0) == told(0, "network.ensemble=5", "search.space={network.ensemble: {choice: [1, 3]}}") == []


@pytest.mark.parametrize("settings", [(), ("data.source=diabetes",), ("training.batch_size=full",),
                                      ("data.source=breast_cancer", "data.class_weight=balanced")])  # fmt: skip
def test_steps_of_any_config_can_be_timed(settings: tuple[str, ...], tmp_path: Path) -> None:
    config = load_config(None, settings).config
    assert 0 < duration.epoch_seconds(config, load_dataset(config.data, "float32", tmp_path)) < 600


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], list[tuple[type[NumpyEngine], int]]]:
    """By which engines, and with how many threads, steps are timed for a config that says this one."""
    made, make_trainer = list[tuple[type[NumpyEngine], int]](), duration.make_trainer

    def noted(*given: Any) -> Trainer:
        trainer = make_trainer(*given)
        made.append((type(trainer.engine), threads.count()))
        return trainer

    def time(engine: str) -> list[tuple[type[NumpyEngine], int]]:
        config = load_config(None, [f"training.engine={engine}"]).config
        assert duration.epoch_seconds(config, load_dataset(config.data, "float32", tmp_path)) > 0
        return made

    monkeypatch.setattr(duration, "make_trainer", noted)
    monkeypatch.setenv(threads.OURS, "3")
    return time


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_the_engine_is_timed_that_will_train_in_one_thread_as_workers_have(
    engine: str, timed: Callable[[str], list[tuple[type[NumpyEngine], int]]]
) -> None:
    expected = NumpyEngine
    if engine == "compiled":
        pytest.importorskip("numba")
        from nnrun.compiled import machine_code, steps

        machine_code.load(np.dtype("float32"))  # as a search has it done before it begins
        expected = steps.CompiledSteps
    assert {*timed(engine)} == {(expected, 1)}
    assert threads.count() == 3, "all as it was"


def test_nothing_is_compiled_to_time_it(
    timed: Callable[[str], list[tuple[type[NumpyEngine], int]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("NNRUN_COMPILED_CACHE", str(tmp_path / "compiled"))
    assert {*timed("compiled")} == {(NumpyEngine, 1)}
    assert not [*(tmp_path / "compiled").iterdir()]
