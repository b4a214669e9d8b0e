"""What may come back from a worker: no trial has more, whatever its config, and none may have much more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.data.fitted import Fitted
from nnrun.runs.environment import describe
from nnrun.runs.removing import size_of
from nnrun.search.cluster import allowance
from nnrun.search.trials import Job, train_trials
from tests.search.conftest import CONFIG

# Each lets another part of a directory grow.
CASES = {
    "long": ["training.epochs=200", "metrics.primary=balanced_error"],
    "more epochs later": ["training.epochs=20", "training.changes={10: {training.epochs: 150}}"],
    "steps": ["training.epochs=40", "training.record=steps", "training.batch_size=2"],
    "more steps later": ["training.epochs=40", "training.record=steps",
                         "training.changes={3: {training.batch_size: 1}}"],
    "layers": ["training.epochs=40", "training.layer_statistics=true", "network.hidden=[9,8,7,6,5,4,3]",
               "network.batch_norm=true", "regularization.dropout=0.1"],
    "large": ["network.hidden=[128,128,128]", "network.batch_norm=true", "training.average={ema: 0.9}",
              "training.dtype=float64"],
    "ensemble": ["training.epochs=60", "network.ensemble=12", "network.hidden=[32,32]"],
    "members": ["network.members=12", "network.hidden=[64,64]"],
    "folds": ["training.epochs=60", "data.folds=3", "data.split=[0.6,0.2,0.2]"],
}  # fmt: skip


@pytest.fixture
def fitted(tmp_path: Path) -> Callable[[Config], Fitted]:
    return lambda config: load_dataset(config.data, config.training.dtype, tmp_path / "cache").fitted


@pytest.mark.parametrize("case", CASES)
def test_no_trial_has_more(
    case: str, fitted: Callable[[Config], Fitted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a small run.json alone, so that all that grows has to be counted."""
    config = load_config(None, ["optimizer.name=adam", *CASES[case]], text=CONFIG).config
    job: Job = {
        "folder": str(tmp_path / "trials"),
        "cache": str(tmp_path / "cache"),
        "continued": True,
        "here": describe(),
        "trials": [{"number": 0, "values": {}, "config": config.resolved(), "resume": None}],
    }
    (tmp_path / "trials").mkdir()
    (result,) = train_trials(job)["results"]
    assert result["status"] == "done"
    monkeypatch.setattr(allowance, "ROOM", 10_000)
    size, most = size_of(tmp_path / "trials/0000"), allowance.of_each(job, fitted)
    assert most / 20 < size < most
