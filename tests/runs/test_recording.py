"""Metrics as what decides: between epochs, when to stop, between trials; and what they leave in a run's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.engine.evaluation import logits_in_chunks
from nnrun.engine.metrics import METRICS, metrics_of
from nnrun.engine.scores import primary_keys, scores_of_row
from nnrun.errors import ConfigError
from nnrun.models.trained import trained
from nnrun.runs.assembly import examples
from nnrun.runs.listener import Outcome
from nnrun.runs.preparing import prepare
from nnrun.runs.session import Session
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]

CANCER = ("data.source=breast_cancer", "network.hidden=[16]", "optimizer.learning_rate=0.02", "training.epochs=12")


def probabilities(outcome: Outcome, part: str) -> tuple[Any, Any]:
    """Targets and what the best parameters say, worked out anew from the checkpoint."""
    found = trained(StoredRun(outcome.run))
    session = Session([found.config], found.dataset)
    session.load(outcome.run)
    trainer, measured = session.trainer, examples(found.dataset, part)
    bound = trainer.network.bind(session.best.theta, session.best.state, np.empty_like(trainer.theta))
    chunks = logits_in_chunks(trainer.network, bound, measured.x, trainer.recipe.loss)
    logits = [z[0].astype(float).copy() for _, z in chunks]
    return measured.y, trainer.recipe.loss.predict(np.concatenate(logits))


def test_the_primary_metric_is_in_every_epoch_and_in_the_final_numbers(train_run: Train) -> None:
    outcome = train_run(*CANCER, "metrics.primary=auc")
    rows, final = outcome.run.metrics(), outcome.record["final"]
    best = min(rows, key=lambda row: (-row["dev_auc"], row["dev_loss"], row["epoch"]))
    assert outcome.record["best_epoch"] == best["epoch"]
    for part in ("train", "dev", "test"):
        y, p = probabilities(outcome, part)
        assert final[f"{part}_auc"] == pytest.approx(reference.roc_auc_score(y, p[:, 1]), abs=1e-9)
    assert final["dev_auc"] == best["dev_auc"] and final["train_auc"] == best["train_auc"]
    log = outcome.run.read("log.txt").decode()
    assert f" auc {rows[0]['dev_auc']:.4g}" in log
    assert any(line.split()[:1] == ["auc"] and len(line.split()) == 4 for line in log.splitlines())


@pytest.mark.parametrize("primary", metrics_of("classification"))
def test_every_metric_of_classes_decides_between_epochs(train_run: Train, primary: str) -> None:
    outcome = train_run("data.source=wine", "network.hidden=[6]", "training.epochs=15", f"metrics.primary={primary}")
    rows = outcome.run.metrics()
    best = min(rows, key=lambda row: (scores_of_row(row, primary), row["epoch"]))
    assert outcome.record["best_epoch"] == best["epoch"]
    assert outcome.record["final"][f"dev_{primary}"] == pytest.approx(best[f"dev_{primary}"], rel=1e-6)


@pytest.mark.parametrize("primary", metrics_of("regression"))
def test_every_metric_of_numbers_decides_between_epochs(train_run: Train, primary: str) -> None:
    outcome = train_run(
        "data.source=diabetes", "network.hidden=[6]", "training.epochs=15", "optimizer.learning_rate=0.03",
        f"metrics.primary={primary}",
    )  # fmt: skip
    rows, final = outcome.run.metrics(), outcome.record["final"]
    best = min(rows, key=lambda row: (scores_of_row(row, primary), row["epoch"]))
    assert outcome.record["best_epoch"] == best["epoch"]
    assert final[f"dev_{primary}"] == pytest.approx(best[f"dev_{primary}"], rel=1e-6)
    assert final["dev_rmse"] > 40, "in the target's own unit, whose deviation is 77"
    deviation = outcome.run.read_json("data.json")["target"]["deviation"]
    assert final["dev_loss"] == pytest.approx((final["dev_rmse"] / deviation) ** 2, rel=1e-5)


def test_error_and_loss_leave_nothing_else_in_the_records(train_run: Train) -> None:
    outcome = train_run(*CANCER, "training.epochs=1", "metrics.primary=loss")
    names = {"loss", "error"}
    assert {key.partition("_")[2] for key in outcome.run.metrics()[0] if key.startswith("dev_")} == names
    assert {key.partition("_")[2] for key in outcome.record["final"] if key.startswith("dev_")} == names


def test_the_parameters_do_not_depend_on_what_decides(train_run: Train, bits: Callable[..., dict[str, Any]]) -> None:
    """Only which epoch is the best one does."""
    by_error, by_f1 = (train_run(*CANCER, f"metrics.primary={primary}") for primary in ("error", "f1"))
    assert bits(by_error.run)["last"] == bits(by_f1.run)["last"]
    of_f1 = {"train_f1", "dev_f1"}
    rows = [{key: value for key, value in row.items() if key not in of_f1} for row in bits(by_f1.run)["metrics"]]
    assert rows == bits(by_error.run)["metrics"]


def test_early_stopping_waits_for_the_metric(train_run: Train) -> None:
    outcome = train_run(
        *CANCER, "training.epochs=100", "regularization.early_stopping={patience: 4}", "metrics.primary=auc"
    )
    rows = outcome.run.metrics()
    assert outcome.record["stopped_early"] and len(rows) < 100
    assert outcome.record["best_epoch"] == len(rows) - 4


def test_a_member_has_the_numbers_that_it_has_alone(tmp_path: Path) -> None:
    loaded = load_config(None, [*CANCER, "metrics.primary=brier"])
    dataset = load_dataset(loaded.config.data, "float32", tmp_path)
    configs = [loaded.config.model_copy(update={"seed": seed}) for seed in (3, 4)]

    def scores(session: Session) -> list[Any]:
        return [
            session.stage.judge.scores(epoch, session.stage.judge.measure(epoch)).tolist()
            for epoch in session.trainer.epochs(3)
        ]

    together, alone = scores(Session(configs, dataset)), scores(Session(configs[1:], dataset))
    assert [epoch[1:] for epoch in together] == alone


def test_a_member_that_has_stopped_has_no_numbers(tmp_path: Path) -> None:
    loaded = load_config(None, [*CANCER, "metrics.primary=auc"])
    dataset = load_dataset(loaded.config.data, "float32", tmp_path)
    session = Session([loaded.config, loaded.config.model_copy(update={"seed": 1})], dataset)
    for epoch in session.trainer.epochs(2):
        measured = session.stage.judge.measure(epoch)
        session.trainer.freeze(np.array([True, False]))
    assert np.isnan(measured["dev_auc"]).tolist() == [True, False]
    assert session.stage.judge.scores(epoch, measured)[0].tolist() == [np.inf, np.inf]


def test_a_run_that_diverges_keeps_its_metric_apart(train_run: Train) -> None:
    outcome = train_run(
        *CANCER, "optimizer.name=sgd", "optimizer.learning_rate=1e30", "metrics.primary=calibration_error"
    )
    assert outcome.status == "diverged"


@pytest.mark.parametrize(
    ("source", "primary", "problem"),
    [
        ("diabetes", "auc", "auc needs classes to predict, and the target is a number; use error"),
        ("iris", "mae", "mae needs numbers to predict, and the target is classes; use error"),
    ],
)
def test_a_metric_that_the_task_lacks_is_told_with_its_place(
    tmp_path: Path, source: str, primary: str, problem: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"data: {{source: {source}}}\nmetrics:\n  primary: {primary}\n")
    with pytest.raises(ConfigError) as caught:
        prepare(load_config(path), tmp_path)
    assert str(caught.value) == f"{path}:3:12: metrics.primary: {problem}"


def test_a_metric_that_the_dev_set_leaves_undefined(tmp_path: Path) -> None:
    """By time all rows of a class may come early."""
    rows = "".join(f"{i},{i % 7},{'late' if i > 40 or i % 2 else 'early'}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("when,x,y\n" + rows)
    values = [f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.time=when"]
    with pytest.raises(ConfigError, match="auc is not defined on the dev set, which has rows of one class only"):
        prepare(load_config(None, [*values, "metrics.primary=auc"]), tmp_path)
    with pytest.raises(ConfigError, match="auc is not defined on the dev set of fold 3 of 4, which has rows"):
        prepare(load_config(None, [*values, "metrics.primary=auc", "data.folds=4", "data.fold=3"]), tmp_path)
    prepare(load_config(None, [*values, "metrics.primary=f1"]), tmp_path)


def test_targets_that_are_equal_on_the_dev_set_leave_the_error_undefined(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{i if i < 60 else 5}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("when,x,y\n" + rows)
    values = [f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.task=regression", "data.time=when"]
    with pytest.raises(ConfigError, match=r"metrics\.primary: error is not defined on the dev set, .*; use rmse"):
        prepare(load_config(None, values), tmp_path)
    prepare(load_config(None, [*values, "metrics.primary=rmse"]), tmp_path)


def test_the_metric_of_a_search_follows_the_primary_one() -> None:
    def metric(*settings: str) -> str:
        return load_config(None, settings).config.search.metric

    assert metric() == "dev_error"
    assert metric("metrics.primary=loss") == "dev_loss"
    assert metric("metrics.primary=auc") == metric("metrics.primary=auc", "search.metric=null") == "-dev_auc"
    assert metric("metrics.primary=auc", "search.metric=dev_loss") == "dev_loss"


def test_the_columns_of_every_metric_exist() -> None:
    assert {primary_keys(name)[0] for name in METRICS} == {f"dev_{name}" for name in METRICS}
