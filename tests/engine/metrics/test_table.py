"""What holds for every metric of the table."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nnrun.engine.metrics import METRICS, metrics_of, misfit
from nnrun.engine.scores import HIGHER_IS_BETTER, Objective, scores_of_row, to_minimise

MEASURED = [name for name, metric in METRICS.items() if metric.of]


@pytest.mark.parametrize("name", MEASURED)
def test_the_direction_is_right(name: str) -> None:
    """The truth scores better than noise."""
    rng, metric = np.random.default_rng(0), METRICS[name]
    assert metric.of
    for task in metric.tasks:
        y = rng.integers(0, 3, 90) if task == "classification" else rng.standard_normal((90, 1))
        truth = 0.9 * np.eye(3)[y] + 0.1 / 3 if task == "classification" else y
        noise = rng.permutation(truth)
        scores = [to_minimise(name, metric.of(y, guess, None)) for guess in (truth, noise)]
        assert scores[0] < scores[1]


def test_each_task_has_its_metrics() -> None:
    assert {"error", "loss", "auc", "f1"} <= set(metrics_of("classification"))
    assert {"error", "loss", "mae", "rmse"} <= set(metrics_of("regression"))
    assert misfit("auc", "classification") is None
    assert misfit("auc", "regression") == "needs classes to predict, and the target is a number"
    assert misfit("mae", "classification") == "needs numbers to predict, and the target is classes"


def test_of_no_other_name_is_more_better() -> None:
    assert set(METRICS) >= HIGHER_IS_BETTER


def test_a_search_maximises_what_is_better_higher() -> None:
    assert [Objective.of(name).written for name in ("auc", "brier", "error")] == ["-dev_auc", "dev_brier", "dev_error"]


@pytest.mark.parametrize(
    ("written", "key", "part", "name", "sign"),
    [
        ("dev_error", "dev_error", "dev", "error", 1),
        ("-dev_average_precision", "dev_average_precision", "dev", "average_precision", -1),
        ("train_loss", "train_loss", "train", "loss", 1),
        ("cost", "cost", "cost", "", 1),
    ],
)
def test_an_objective_is_a_number_of_a_run_with_a_sign(written: str, key: str, part: str, name: str, sign: int) -> None:
    objective = Objective(written)
    assert (objective.key, objective.part, objective.name, objective.sign) == (key, part, name, sign)
    assert objective.maximised == (sign < 0)


def test_an_epoch_is_compared_by_the_primary_metric_then_by_another() -> None:
    row = {"dev_error": 0.1, "dev_loss": 0.3, "dev_auc": 0.9}
    assert scores_of_row(row, "error") == (0.1, 0.3)
    assert scores_of_row(row, "loss") == (0.3, 0.1)
    assert scores_of_row(row, "auc") == (-0.9, 0.3)
    assert scores_of_row(row | {"dev_auc": None}, "auc") == (float("inf"), 0.3)


def test_the_table_loads_no_scikit_learn() -> None:
    code = "import sys, nnrun.engine.metrics; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
