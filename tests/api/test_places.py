"""Runs and searches are found again from whatever folder the process goes to, and told as seen from it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.errors import DataError
from nnrun.runs.rundir import RunDir

VALUES: dict[str, Any] = {"data": {"source": "iris"}, "network": {"hidden": [2]}, "training": {"epochs": 2}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_found_from_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = nnrun.train(VALUES)
    child, found = nnrun.rewind(run, 1), nnrun.load_run(run.id)
    assert run.evaluate()["path"] == f"runs/{run.id}" and run.path == found.path == here / "runs" / run.id
    for folder in (Path("/"), run.path):
        monkeypatch.chdir(folder)
        assert (repr(run), len(run.epochs)) == (f"<Run {run.id}: done>", 2)
        assert [other.path for other in run.children] == [child.path] and run.report().is_file()
    assert nnrun.resume(found, epochs=3).metrics == run.metrics and len(run.metrics) == 3


def test_a_search_is_found_from_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    search = nnrun.search(VALUES, trials=2, workers=1)
    monkeypatch.chdir("/")
    assert search.best is not None and search.trial(1).status == "done"
    assert len(nnrun.resume(search, trials=3, workers=1).trials) == 3
    assert nnrun.ensemble(search, top=2, runs=search.path.parent).status == "done"


def test_a_training_stays_where_it_began(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another thread leaves the folder."""
    create = RunDir.create

    def create_and_leave(*given: Any) -> RunDir:
        made = create(*given)
        os.chdir("/")
        return made

    monkeypatch.setattr(RunDir, "create", create_and_leave)
    run = nnrun.train(VALUES)
    assert run.status == "done" and run.weights() and run.path.parent == here / "runs"


def test_a_directory_that_is_gone_is_no_search_without_results() -> None:
    search = nnrun.search(VALUES, trials=2, workers=1)
    run = nnrun.train(VALUES)
    for gone in (search.path, run.path):
        shutil.move(gone, "elsewhere")
    for ask in (lambda: search.best, lambda: run.epochs, lambda: run.children):
        with pytest.raises(DataError, match=r"run\.json: No such file or directory"):
            ask()
