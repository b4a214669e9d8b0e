"""Runs whose examples count differently, from the configuration to the numbers in run.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.models.trained import trained
from nnrun.runs import verbs
from nnrun.runs.assembly import make_trainer
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

SETTINGS = ("data.source=breast_cancer", "data.class_weight=balanced", "network.hidden=[8]", "training.epochs=4")


def test_balanced_errors_are_those_of_scikit_learn(train_run: Callable[..., Outcome]) -> None:
    outcome = train_run(*SETTINGS)
    model = trained(StoredRun(outcome.run))
    for part in ("train", "dev", "test"):
        y, wrong = model.dataset.parts[part].y, model.mistakes(part).astype(bool)
        expected = 1 - balanced_accuracy_score(y, np.where(wrong, 1 - y, y))
        assert outcome.record["final"][f"{part}_error"] == pytest.approx(expected, rel=1e-6)
        assert outcome.record["final"][f"{part}_error"] != pytest.approx(wrong.mean(), rel=1e-6)
    assert "losses and errors count every class alike, however many rows it has" in outcome.run.read("log.txt").decode()


def test_resumed_as_without_a_break(
    train_run: Callable[..., Outcome], bits: Callable[[RunDir], dict[str, Any]], tmp_path: Path
) -> None:
    whole = train_run(*SETTINGS)
    first = train_run(*SETTINGS[:-1], "training.epochs=2", root=tmp_path / "other")
    assert bits(verbs.resume(first.run, epochs=4).run) == bits(whole.run)


def test_members_of_a_search_weigh_as_each_alone(tmp_path: Path) -> None:
    configs = [load_config(None, [*SETTINGS, f"seed={k}", f"optimizer.learning_rate=1e-{k}"]).config for k in (2, 3)]
    dataset = load_dataset(configs[0].data, "float32", tmp_path)
    together = make_trainer(configs, dataset)
    list(together.epochs(3))
    for k, config in enumerate(configs):
        alone = make_trainer([config], dataset)
        list(alone.epochs(3))
        assert alone.theta[0].tobytes() == together.theta[k].tobytes()


def test_metrics_that_decide_are_weighted(train_run: Callable[..., Outcome]) -> None:
    by_f1, by_error = (train_run(*SETTINGS, f"metrics.primary={primary}") for primary in ("balanced_error", "error"))
    for row, known in zip(by_f1.run.metrics(), by_error.run.metrics(), strict=True):
        assert row["dev_balanced_error"] == pytest.approx(known["dev_error"], rel=1e-6), "balanced weights, both"
