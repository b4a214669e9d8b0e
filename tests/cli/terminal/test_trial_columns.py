"""Trials below each other: which settings have a column, and what one line shows of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnrun.cli.terminal.trial_columns import TrialColumns, in_training_lines, running_settings, whole_time
from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.plan import Plan
from nnrun.search.trials import Trial
from nnrun.watching.running import InTraining

SPACE = {
    "optimizer.learning_rate": {"log": [1e-4, 1]},
    "network.hidden": {"choice": [[64], [64, 32]]},
    "regularization.dropout": {"choice": [0.2]},
    "training.batch_size": {"int": [16, 64]},
}
VALUES = {"optimizer.learning_rate": 0.00012345, "network.hidden": [64, 32], "regularization.dropout": 0.2,
          "training.batch_size": 32}  # fmt: skip


def plan(space: Mapping[str, Any] = SPACE, prune: str | None = None) -> Plan:
    return Plan([20], {}, None, "random", "dev_error", 0, 9, Space.of(space), [], prune)


def ended(value: float | None = 0.0123, status: str = "done", **more: Any) -> Any:
    return {"number": 3, "values": VALUES, "status": status, "metric": value, "final": {}, "epochs": 4, **more}


def test_what_all_trials_have_alike_is_left_out() -> None:
    alike = {**VALUES, "optimizer.learning_rate": 0.1}
    assert TrialColumns(plan(), [alike]).keys == ["network.hidden", "optimizer.learning_rate", "training.batch_size"]
    assert len(TrialColumns(plan(), [{**VALUES, "regularization.dropout": 0.0}]).keys) == 4, "the config has another"


def test_a_metric_that_is_maximised_is_titled_as_its_values_are() -> None:
    assert TrialColumns(replace(plan({}), metric="-dev_auc"), []).head(80) == "trial   dev_auc"


def test_titles_tell_keys_apart() -> None:
    keys = ("optimizer.schedule.epochs", "training.epochs")
    space = {key: {"int": [1, 9]} for key in keys}
    assert TrialColumns(plan(space), []).head(80).split() == [
        "trial", "dev_error", "schedule.epochs", "training.epochs",
    ]  # fmt: skip
    assert running_settings(dict.fromkeys(keys, 4), keys, 80) == "schedule.epochs 4, training.epochs 4"


def test_a_line_has_as_many_columns_as_fit() -> None:
    columns = TrialColumns(plan(), [])
    assert columns.head(80) == "trial  dev_error    hidden  learning_rate  batch_size"
    assert columns.row(ended(), 80) == "    3       1.2%  [64, 32]      0.0001234          32"
    assert columns.row(ended(None, "diverged"), 80).startswith("    3   diverged  [64, 32]")
    assert columns.head(52) == "trial  dev_error    hidden  learning_rate"
    assert columns.head(10) == "trial  dev_error", "which the terminal cuts"
    assert all(len(columns.row(ended(), width)) <= width for width in range(16, 80))


def test_a_pruned_trial_is_marked_and_takes_no_more_room() -> None:
    columns = TrialColumns(plan(prune="median"), [])
    row = columns.row(ended(pruned=True), 80)
    assert row.startswith("    3   pruned 1.2%  ")
    assert len(row) == len(columns.row(ended(), 80)) == len(columns.head(80))


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (80, "learning_rate 0.0001234, hidden [64, 32], batch_size 32"),
        (54, "learning_rate 0.0001234, hidden [64, 32]"),
        (30, "learning_rate 0.0001234"),
        (22, ""),
    ],
)
def test_settings_of_a_running_trial_are_whole_ones(width: int, told: str) -> None:
    keys = [key for key in VALUES if key != "regularization.dropout"]
    assert running_settings(VALUES, keys, width) == told


def test_running_trials_stand_below_each_other(tmp_path: Path) -> None:
    config = {"training": {"epochs": 50}, "data": {"folds": None}}
    first, second = (InTraining(tmp_path, Trial(n, VALUES, config), Objective("dev_error"), 0.0) for n in (9, 10))
    second.epoch, second.best = 10, 0.041
    lines = in_training_lines([first, second], ["training.batch_size"], 20.0, 80)
    assert lines == [
        "running   trial 9   epoch 0/50     –             batch_size 32",
        "         trial 10  epoch 10/50  4.1%  80 s left  batch_size 32",
    ]
    assert [len(line) <= 40 for line in in_training_lines([first], ["training.batch_size"], 20.0, 40)] == [True]
    assert in_training_lines([], [], 0.0, 80) == []


def test_before_the_first_trial_ends_those_in_training_tell_how_long_it_takes(tmp_path: Path) -> None:
    config = {"training": {"epochs": 50}, "data": {"folds": None}}
    running = [InTraining(tmp_path, Trial(n, VALUES, config), Objective("dev_error"), 0.0) for n in range(2)]
    assert whole_time(running, 10, 20.0) is None
    running[0].epoch, running[1].epoch = 10, 25
    # They take 100 and 40 s, of which 80 and 20 are left; the other eight, two at a time, four times 70 s.
    assert whole_time(running, 10, 20.0) == pytest.approx(80 + 4 * 70)
