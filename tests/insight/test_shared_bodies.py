"""Runs of members that share a body: one model to whoever looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.models.model import load_model
from nnrun.runs.stored import StoredRun

QUICK = ("network.hidden=[8]", "network.members=3", "training.epochs=3")


@pytest.mark.parametrize("source", ["breast_cancer", "iris", "diabetes"])
def test_a_model_says_what_the_members_say_on_average(train_run: Any, source: str) -> None:
    model = load_model(StoredRun(train_run(f"data.source={source}", *QUICK).run))
    (member,) = model.members
    x = np.random.default_rng(0).standard_normal((700, model.n_features)).astype(model.dtype)  # more than a chunk
    theta = {name: tensor.astype(float) for name, tensor in member.weights.items()}
    said = []
    for k in range(3):
        h = np.maximum(x * theta["scales.R"][k] @ theta["dense1.W"] + theta["dense1.b"], 0)
        said.append(member.loss.predict(h @ theta["output.W"][k] + theta["output.b"][k]))
    whole = model.predict_features(x)
    apart = np.concatenate([logits.copy() for _, logits in model.opinions_of_each(x)], axis=1)
    np.testing.assert_allclose(member.loss.predict(apart), said, rtol=2e-4, atol=2e-5)
    expected = np.mean(said, axis=0)
    if member.target.classes is None:
        expected = expected[:, 0] * member.target.deviation + member.target.mean
    np.testing.assert_allclose(whole, expected, rtol=2e-4, atol=2e-5)


def test_an_ensemble_of_shared_bodies_is_one_of_networks(train_run: Any) -> None:
    model = load_model(StoredRun(train_run("data.source=iris", "network.ensemble=2", *QUICK).run))
    (x, opinions) = np.zeros((5, model.n_features), model.dtype), None
    for _, found in model.opinions(x):
        opinions = found.copy()
    assert opinions is not None
    assert opinions.shape == (2, 5, 3)


@pytest.mark.parametrize("source", ["iris", "diabetes"])
def test_checks_find_nothing_wrong(tmp_path: Path, source: str) -> None:
    context = open_context(load_config(None, [f"data.source={source}", *QUICK]), tmp_path / "runs")
    found = {name: finding.status for name, finding in preflight(context)}
    assert [name for name, status in found.items() if status == "fail"] == []
    assert found["gradient"] == found["first_loss"] == found["cost"] == "pass"
