"""How far a trial is that is in training, by its directory alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnrun.engine.scores import Objective
from nnrun.search.trials import Trial
from nnrun.watching.running import InTraining


def trial(resume: int | None = None, folds: int | None = None) -> Trial:
    return Trial(7, {}, {"training": {"epochs": 10}, "data": {"folds": folds}}, resume=resume)


def write(directory: Path, epoch: int, **values: Any) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": epoch, **values}) + "\n")


def test_epoch_best_and_time_left(tmp_path: Path) -> None:
    found = InTraining(tmp_path / "0007", trial(), Objective("dev_error"), now=100.0)
    found.look(101.0)
    assert (found.epoch, found.best, found.left(101.0)) == (0, None, None), "its directory is not there yet"
    for epoch, error in ((1, 0.5), (2, 0.3), (3, None), (4, 0.4)):
        write(tmp_path / "0007", epoch, dev_error=error)
    found.look(108.0)
    assert (found.epoch, found.best) == (4, 0.3)
    assert found.left(108.0) == pytest.approx(8 / 4 * 6)


def test_another_attempt_begins_anew(tmp_path: Path) -> None:
    found = InTraining(tmp_path, trial(), Objective("dev_error"), now=0.0)
    write(tmp_path, 9, dev_error=0.1)
    found.look(9.0)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "other").touch()  # which would else have the inode of the old file
    write(tmp_path, 1, dev_error=0.6)
    found.look(10.0)
    assert (found.epoch, found.best) == (1, 0.6)


def test_one_that_goes_on_is_as_fast_as_its_own_epochs(tmp_path: Path) -> None:
    found = InTraining(tmp_path, trial(resume=2), Objective("dev_error"), now=0.0)
    write(tmp_path, 6, dev_error=0.4)
    found.look(20.0)
    assert found.left(20.0) is None
    write(tmp_path, 8, dev_error=0.3)
    found.look(24.0)
    assert found.left(24.0) == pytest.approx(4 / 2 * 2)


def test_folds_come_one_after_the_other(tmp_path: Path) -> None:
    found = InTraining(tmp_path, trial(folds=5), Objective("dev_error"), now=0.0)
    write(tmp_path / "members/01", 10, dev_error=0.1)
    write(tmp_path / "members/02", 5, dev_error=0.2)
    found.look(30.0)
    assert (found.fold, found.folds, found.epoch, found.best) == (2, 5, 5, 0.2)
    assert found.left(30.0) == pytest.approx(30 / 15 * 35)


@pytest.mark.parametrize(
    ("metric", "best", "told"), [("-dev_auc", -0.9, "-dev_auc"), ("dev_loss", 0.2, "dev_loss"), ("cost", 0.1, "cost"),
                                 ("-dev_f1", 0.5, "dev_error")],
)  # fmt: skip
def test_it_is_the_metric_of_the_search_where_epochs_have_it(
    tmp_path: Path, metric: str, best: float, told: str
) -> None:
    found = InTraining(tmp_path, trial(), Objective(metric), now=0.0)
    write(tmp_path, 1, dev_error=0.5, dev_auc=0.9, dev_loss=0.2, cost=0.1)
    found.look(1.0)
    assert (found.metric.written, found.best) == (told, best)
