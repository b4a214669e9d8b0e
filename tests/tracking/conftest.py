"""A folder with a run, a run of folds and a search, which nobody writes to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nnrun
from nnrun.runs.labels import note, tag
from nnrun.runs.rundir import RunDir


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tracked") / "runs"
    data = {"source": "iris"}
    training = {"epochs": 4, "layer_statistics": True}
    run = nnrun.train({"name": "one", "data": data, "training": training, "network": {"hidden": [5]}}, root)
    nnrun.train({"name": "folds", "data": {**data, "folds": 2}, "training": {"epochs": 2}}, root)
    nnrun.search({"name": "many", "data": data, "training": {"epochs": 3}}, trials=2, workers=1, runs=root)
    tag(RunDir(run.path), ["good", "old"])
    note(RunDir(run.path), "why it's good")
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def found(root: Path, name: str) -> RunDir:
    return RunDir(next(path for path in root.glob(f"*-{name}-????")))
