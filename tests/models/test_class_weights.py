"""Runs whose classes are weighted: what errors are called, and probabilities that are those of the data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.features.weights import class_factors, error_kind, prior_shift
from nnrun.engine.metrics import calibration_error
from nnrun.insight.comparison.differences import compare
from nnrun.insight.comparison.lines import plain_dev, table
from nnrun.insight.comparison.listing import Entry, kept_best
from nnrun.insight.comparison.telling import told
from nnrun.models.export.formats import FORMATS, export
from nnrun.models.model import load_model
from nnrun.models.rows import Predictions
from nnrun.models.telling import metric_table
from nnrun.models.trained import trained
from nnrun.models.verbs import evaluate
from nnrun.report.folder.report import folder_page
from nnrun.report.run.quality import Classified, predicted
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import result_table, summary

YES, CLASSES = 0.1, ("no", "yes")
Train = Callable[..., Outcome]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of which a tenth are `yes`, or `maybe` for another twentieth, as far as x tells."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 3))
    score = 1.5 * x[:, 0] + rng.logistic(size=1500)
    rare, between = np.quantile(score, [1 - YES, 0.85 - YES])
    frame = pd.DataFrame(x, columns=list("abc"))
    frame["two"] = np.where(score > rare, "yes", "no")
    frame["three"] = np.where(score > rare, "yes", np.where(score > between, "maybe", "no"))
    path = tmp_path_factory.mktemp("weights") / "rows.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def run(file: Path, tmp_path: Path) -> Callable[..., Outcome]:
    def train(target: str = "two", *settings: str) -> Outcome:
        other = {"two": "three", "three": "two"}[target]
        given = (f"data.source={file}", f"data.target={target}", f"data.drop=[{other}]", "data.class_weight=balanced",
                 "network.hidden=[8]", "training.epochs=20", "optimizer.learning_rate=0.01", *settings)  # fmt: skip
        return verbs.train(load_config(None, given), tmp_path / "runs")

    return train


def given_out(outcome: Outcome, file: Path) -> pd.DataFrame:
    predictions = Predictions(load_model(StoredRun(outcome.run)))
    return pd.concat(predictions.of_source(str(file)), ignore_index=True)


@pytest.mark.parametrize("target", ["two", "three"])
def test_probabilities_are_those_of_the_data_and_classes_those_of_the_weights(
    run: Callable[..., Outcome], file: Path, target: str
) -> None:
    """The same network, whose parameters do not depend on the key: what it predicts stays, what it is sure of not."""
    corrected, raw = (given_out(run(target, f"data.correct_prior={key}"), file) for key in ("true", "false"))
    assert list(corrected["prediction"]) == list(raw["prediction"])
    assert raw["probability of yes"].mean() > 2 * YES
    assert corrected["probability of yes"].mean() == pytest.approx(YES, abs=0.02)
    assert np.allclose(corrected.filter(like="probability").sum(axis=1), 1, atol=1e-6)


def test_the_shift_of_two_classes_is_the_logarithm_of_their_odds() -> None:
    """Where 10% are yes, balanced rows have 9 times the odds: what the network calls 1/2 is 1 in 10."""
    factors = class_factors({"column": None, "classes": "balanced", "rows": {"no": 90, "yes": 10}}, CLASSES)
    assert factors is not None
    assert factors == pytest.approx([0.2, 1.8])
    shift = prior_shift(factors)
    assert shift[1] - shift[0] == pytest.approx(np.log(1 / 9))
    given = class_factors({"column": "w", "classes": {"no": 1.0, "yes": 3.0}}, CLASSES)
    assert given is not None
    assert np.diff(prior_shift(given)) == pytest.approx(-np.log(3))
    assert prior_shift(np.array([2.0, 0.0]))[1] == 0, "a class that counted nothing was not learned"
    of_three = class_factors({"column": None, "classes": {"no": 0.0, "yes": 1.0, "x": 1.0}}, (*CLASSES, "x"))
    assert of_three is not None and (prior_shift(of_three) == 0).all(), "nor do the others move"
    assert class_factors({"column": None, "classes": "balanced"}, CLASSES) is None, "an early run does not say"
    assert class_factors({"column": "w", "classes": None}, CLASSES) is None


@pytest.mark.parametrize(
    ("target", "format"), [("two", "numpy"), ("three", "numpy"), ("two", "onnx"), ("three", "onnx")]
)
def test_an_exported_model_says_the_same(
    run: Callable[..., Outcome], file: Path, tmp_path: Path, target: str, format: str
) -> None:
    outcome = run(target)
    path, expected = tmp_path / f"model{FORMATS[format].suffix}", given_out(outcome, file)
    assert export(load_model(StoredRun(outcome.run)), FORMATS[format], path).rows == 300
    if format == "numpy":
        done = subprocess.run([sys.executable, "-I", path, file], capture_output=True, text=True, check=True)
        labels = [line.split(",")[1 if "prediction" in line else -len(expected.columns) + 1]
                  for line in done.stdout.splitlines()[1:]]  # fmt: skip
    else:
        onnxruntime = pytest.importorskip("onnxruntime")
        session, frame = onnxruntime.InferenceSession(path), pd.read_csv(file)
        feed = {put.name: frame[[put.name]].to_numpy() for put in session.get_inputs()}
        shaped = {
            put.name: feed[put.name].astype("f4" if "float)" in put.type else "f8") for put in session.get_inputs()
        }
        labels = list(session.run(["label"], shaped)[0].ravel())
    assert labels == list(expected["prediction"])


def test_evaluation_names_both_scales_and_measures_what_is_given_out(run: Callable[..., Outcome], file: Path) -> None:
    outcome = run()
    model = load_model(StoredRun(outcome.run))
    found, known = evaluate(model), trained(StoredRun(outcome.run))
    titles = [line.split("  ")[0] for line in metric_table(found, "dev")]
    assert {"balanced error", "plain error", "balanced f1", "plain f1", "plain calibration error"} <= set(titles)
    assert len(titles) == len(set(titles) - {""}) + titles.count("")
    part = known.dataset.parts["dev"]
    given = model.predict_features(part.x)
    assert found.value("dev_plain_error") == pytest.approx((model.decided(given) != part.y).mean())
    assert found.value("dev_plain_error") == pytest.approx(outcome.record["final"]["dev_plain_error"])
    assert found.value("dev_error") == pytest.approx(outcome.record["final"]["dev_error"], rel=1e-6)
    assert found.value("dev_plain_loss") == pytest.approx(
        -np.log(given[np.arange(len(given)), part.y]).mean(), rel=1e-5
    )
    page = predicted(known)
    assert isinstance(page, Classified)
    assert found.value("dev_plain_calibration_error") == pytest.approx(calibration_error(page.true, page.p), rel=1e-5)
    assert found.plain["dev"]["constant"]["error"] == pytest.approx((part.y == 1).mean()), "always saying no"
    of_file = evaluate(model, str(file)).document["parts"]["data"]
    assert set(of_file["plain"]["network"]) == set(of_file["metrics"]["network"])


def test_where_rows_count_alike_nothing_is_added(run: Callable[..., Outcome]) -> None:
    outcome = run("two", "data.class_weight=null")
    assert not [key for key in outcome.record["final"] if "plain" in key]
    found = evaluate(load_model(StoredRun(outcome.run)))
    assert "plain" not in found.document["parts"]["dev"]
    assert found.value("dev_plain_error") == found.value("dev_error")


def test_a_run_tells_its_error_by_its_true_name_and_the_plain_one(run: Callable[..., Outcome]) -> None:
    outcome = run()
    assert outcome.record["data"]["error_kind"] == "balanced"
    lines = summary(outcome.record, StoredRun(outcome.run).config, "done")
    assert [line.split("  ")[0] for line in lines if "error" in line][:2] == ["balanced error", "plain error"]
    assert "2 classes (error = balanced error)" in outcome.run.read("log.txt").decode()


WEIGHED: list[Any] = [("w", None), ("w", "balanced"), (None, {"a": 2.0}), (None, "balanced"), (None, None)]


def test_weights_of_a_column_make_a_weighted_error() -> None:
    kinds = [error_kind({"column": column, "classes": classes}) for column, classes in WEIGHED]
    assert kinds == ["weighted", "weighted", "weighted", "balanced", None]
    assert error_kind(None) is None
    final = {"train_error": 0.1, "train_plain_error": 0.2, "train_rmse": 3.0, "train_loss": 1.0, "cost": 1.0}
    titles = [line[:16].strip() for line in result_table(final, {"rows": {}, "error_kind": "weighted"})[1:]]
    assert titles == ["weighted 1 − R²", "plain 1 − R²", "weighted rmse", "weighted loss", "cost"]


def test_lists_and_comparisons_keep_the_scales_apart(run: Callable[..., Outcome], tmp_path: Path) -> None:
    outcomes = [run(), run("two", "data.class_weight=null"), run("two", "seed=1")]
    balanced, plain, other = (outcome.run for outcome in outcomes)
    lines = table([Entry(StoredRun(each)) for each in (balanced, plain)], [balanced.id, plain.id], None, 120, cut=False)
    assert lines[0].split()[-3:] == ["is", "plain", "dev"] or "error is  plain dev" in lines[0]
    assert "balanced" in lines[1]
    assert "plain" in lines[2]
    mixed = "\n".join(told(compare(tmp_path / "runs", [str(balanced.path), str(plain.path)]), 80, False, "", False))
    assert "A (balanced errors); B (plain errors)" in " ".join(mixed.split())
    assert "dev_plain_error" in mixed
    same = "\n".join(told(compare(tmp_path / "runs", [str(balanced.path), str(other.path)]), 80, False, "", False))
    assert "dev_balanced_error" in same
    assert "dev balanced error by epoch" in same
    entries = [Entry(StoredRun(each)) for each in (balanced, plain)]
    assert [entry.facts["error_kind"] for entry in entries] == ["balanced", None]
    keys = ("dev_plain_error", "dev_error")
    assert [plain_dev(entry) for entry in entries] == [entries[i].final[key] for i, key in enumerate(keys)]
    assert kept_best(entries, 1) == entries
    page = folder_page(tmp_path / "runs", entries).render()
    assert f", balanced errors: {balanced.id} has the lowest dev balanced error, " in page
    assert f", plain errors: {plain.id} has the lowest dev error, " in page
    assert all(each in page for each in (">error is<", ">plain dev error<", ">Dev balanced error</h3>"))
