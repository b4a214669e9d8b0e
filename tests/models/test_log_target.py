"""A target whose logarithm is learned: what is said of it is in its own unit, errors are those of the logarithm."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.raw import read_parts
from nnrun.errors import ConfigError, DataError
from nnrun.insight.comparison import lines
from nnrun.insight.comparison.listing import Entry
from nnrun.insight.diagnosis.regions import by_column
from nnrun.insight.diagnosis.verbs import of_a_run
from nnrun.models.calibrating import calibrate
from nnrun.models.export.formats import FORMATS, TOLERANCE, check, export
from nnrun.models.model import Model, load_model
from nnrun.models.rows import Predictions
from nnrun.models.telling import calibration_page, page
from nnrun.models.uncertainty import asked_for
from nnrun.models.verbs import evaluate
from nnrun.report.folder.report import folder_page
from nnrun.report.verbs import report_of
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import summary
from tests.engines import LACKING

Train = Callable[..., Outcome]
LOG = "data.target_transform=log"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices that are products of what they follow from."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 3)), columns=["a", "b", "c"])
    frame["price"] = np.exp(8 + 1.2 * frame.a + 0.5 * frame.b * frame.c + 0.4 * rng.normal(size=600))
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    frame.to_csv(path, index=False)
    return path


def trained(file: Path, folder: Path, *settings: str) -> StoredRun:
    usual = (f"data.source={file}", "data.target=price", "network.hidden=[16]", "training.epochs=15",
             "optimizer.learning_rate=1e-2")  # fmt: skip
    return StoredRun(verbs.train(load_config(None, (*usual, *settings)), folder).run)


@pytest.fixture(scope="module")
def model(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(trained(file, tmp_path_factory.mktemp("runs"), LOG))


def test_what_is_said_and_measured_is_in_the_targets_own_unit(model: Model) -> None:
    dev = read_parts(model.config.data)["dev"]
    true, said = dev.frame["price"].to_numpy(), model.predict(dev)
    found = evaluate(model)
    of = found.results["dev"]["network"]
    assert of["rmse"] == pytest.approx(np.sqrt(np.mean((true - said) ** 2)), rel=1e-6)
    assert of["mae"] == pytest.approx(np.abs(true - said).mean(), rel=1e-6)
    logs = np.log(true), np.log(said)
    assert of["error"] == pytest.approx(np.mean((logs[0] - logs[1]) ** 2) / logs[0].var(), rel=1e-6)
    assert of["error"] < 0.5
    final = model.run.final
    assert final["dev_rmse"] == pytest.approx(of["rmse"], rel=1e-5)
    assert final["dev_error"] == pytest.approx(of["error"], rel=1e-5)
    assert model.run.rows[-1]["train_rmse"] > 0
    assert any(line.startswith("error (1 − R² of the log)") for line in page(found))
    assert any("the logarithm of the target is learned" in notice for notice in model.fitted.notices)


def test_errors_are_called_those_of_the_logarithm(model: Model, tmp_path: Path) -> None:
    assert any(line.startswith("1 − R² of the log ") for line in summary(model.run.record, model.config, "done"))
    assert "regression (error = 1 − R² of the log)" in (model.run.path / "log.txt").read_text(encoding="utf-8")
    told = " ".join(" ".join(of_a_run(model.run, None, None, tmp_path, ()).lines).split())
    assert "Errors are 1 − R² of the log, the share of the variance of the target's logarithm that stays" in told
    assert by_column(model.run, "target")["unit"] == "1 − R² of the log"
    report = report_of(model.run, tmp_path)
    assert report.count("dev 1 − R² of the log") > 2 and not re.search(r"1 − R²(?! of the log)", report)


def test_intervals_are_as_many_times_smaller_and_larger(file: Path, tmp_path: Path) -> None:
    model = load_model(trained(file, tmp_path, LOG))
    found = calibrate(model)
    assert "divided and multiplied by" in calibration_page(found)[2]
    predictions = Predictions(found.model, (), asked_for(found.model, "90%", False))
    table = read_parts(model.config.data)["dev"].frame
    frame = predictions.of_rows(table)
    assert (frame.lower > 0).all()
    assert np.allclose(frame.prediction / frame.lower, frame.upper / frame.prediction)
    inside = (table.price.to_numpy() >= frame.lower) & (table.price.to_numpy() <= frame.upper)
    assert inside.mean() == pytest.approx(0.9, abs=0.1)
    (told,) = (notice for notice in predictions.notices() if "divided and multiplied by" in notice)
    test = read_parts(model.config.data)["test"]
    rmse = np.sqrt(np.mean(np.log(test.frame.price / model.predict(test)) ** 2))
    plain = np.exp(1.645 * rmse)
    assert f"exp(1.645 · rmse of the logarithms of the same rows) would be {plain:.4g}" in told


@pytest.mark.parametrize("format", FORMATS)
def test_an_exported_model_says_the_same(model: Model, tmp_path: Path, format: str) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    path, rows = tmp_path / f"model{FORMATS[format].suffix}", read_parts(model.config.data)["dev"]
    FORMATS[format].write(model, path)
    found = FORMATS[format].run(model, path, rows)
    assert found == pytest.approx(model.predict(rows), rel=1e-4)
    assert check(model, model.predict(rows), found) <= 1e-5


def test_several_networks_pool_logarithms(file: Path, tmp_path: Path) -> None:
    run = trained(file, tmp_path, LOG, "network.ensemble=2", "training.epochs=4", "metrics.primary=rmse")
    model, dev = load_model(run), read_parts(run.config.data)["dev"]
    frame = Predictions(model, (), asked_for(model, None, True)).of_rows(dev.frame)
    assert np.allclose(np.sqrt(frame["member 1"] * frame["member 2"]), frame.prediction, rtol=1e-5)
    assert run.final["dev_rmse"] == pytest.approx(evaluate(model).results["dev"]["network"]["rmse"], rel=1e-5)


@LACKING
def test_both_engines_agree_and_a_resumed_run_is_the_uninterrupted_one(file: Path, tmp_path: Path) -> None:
    runs = {engine: trained(file, tmp_path / engine, LOG, f"training.engine={engine}", "training.epochs=3")
            for engine in ("numpy", "compiled")}  # fmt: skip
    assert runs["numpy"].final["dev_rmse"] == pytest.approx(runs["compiled"].final["dev_rmse"], rel=1e-3)
    half = trained(file, tmp_path / "half", LOG, "training.engine=numpy", "training.epochs=2")
    verbs.resume(half.directory, 3)
    assert StoredRun(half.directory).final == runs["numpy"].final


def test_without_it_nothing_of_it_is_written(file: Path, tmp_path: Path) -> None:
    run = trained(file, tmp_path, "training.epochs=1")
    assert set(json.loads((run.path / "data.json").read_text())["target"]) == {"name", "kind", "mean", "deviation"}


def test_what_has_no_logarithm_is_refused_where_it_stands(file: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(file)
    frame.loc[7, "price"] = 0.0
    frame.to_csv(tmp_path / "zero.csv", index=False)
    with pytest.raises(DataError, match=r"zero.csv:9:4: 0.0 in column 'price' is not above 0, and has no logarithm"):
        trained(tmp_path / "zero.csv", tmp_path / "runs", LOG)
    with pytest.raises(DataError, match="log needs numbers to predict"):
        verbs.train(load_config(None, ("data.source=iris", LOG)), tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"needs numbers, and data\.task is classification"):
        load_config(None, ("data.task=classification", LOG))


def test_a_prediction_beyond_float64_is_told_without_a_warning(
    model: Model, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    file = tmp_path / "wild.csv"
    file.write_text("a,b,c,price\n0,0,0,3000\n3e7,0,0,3000\n1,0,0,3000\n-3e7,0,0,3000\n")
    calibrate(model)
    told = Predictions(model, beside=asked_for(model, 0.9, members=False))
    assert len(pd.concat(told.of_source(str(file)))) == 4
    notice = (
        "2 predictions are 0 or the largest number there is, as the logarithm that the network gives is beyond (the "
        f"first: {file}:3); look for wild values in these rows"
    )
    assert notice in told.notices()
    assert notice in evaluate(model, str(file), boosting=True).notes
    assert not [str(one.message) for one in recwarn]


def test_so_is_one_of_a_run_itself(file: Path, tmp_path: Path) -> None:
    rows = file.read_text().splitlines()
    wild = tmp_path / "dev.csv"
    wild.write_text("\n".join([*rows[:50], "3e7,0,0,3000"]) + "\n")
    run = trained(file, tmp_path / "runs", LOG, f"data.source={{train: {file}, dev: {wild}}}")
    (note,) = _wild(run)
    assert note.startswith("dev: 1 prediction is 0 or the largest number there is")
    assert f"(the first: {wild}:51)" in note


def test_where_a_prediction_is_0_intervals_and_files_are_made(file: Path, tmp_path: Path) -> None:
    wild = tmp_path / "dev.csv"
    wild.write_text("\n".join([*file.read_text().splitlines()[:30], *["-3e7,0,0,3000", "3e7,0,0,3000"] * 15]) + "\n")
    run = trained(file, tmp_path / "runs", LOG, f"data.source={{train: {file}, dev: {wild}}}")
    told = calibration_page(calibrate(load_model(run)))
    assert any("divided and multiplied by" in line for line in told)
    model = load_model(run)
    frame = pd.concat(Predictions(model, beside=asked_for(model, 0.9, members=False)).of_source(str(wild)))
    assert 0 in frame.prediction.tolist()
    assert not frame.isna().any(axis=None)
    for name, format in FORMATS.items():
        assert export(model, format, tmp_path / f"{name}{format.suffix}").difference <= TOLERANCE


def test_and_of_its_folds(file: Path, tmp_path: Path) -> None:
    wild = tmp_path / "wild.csv"
    wild.write_text("\n".join([*file.read_text().splitlines()[:90], "3e7,0,0,3000"]) + "\n")
    (note,) = _wild(trained(wild, tmp_path / "runs", LOG, "data.folds=3", "training.epochs=2"))
    assert note.startswith("dev: 1 prediction") and f"(the first: {wild}:91)" in note


def _wild(run: StoredRun) -> list[str]:
    return [note for note in evaluate(load_model(run)).notes if "look for wild values" in note]


def test_lists_and_the_page_of_all_runs_keep_errors_of_the_log_apart(file: Path, tmp_path: Path) -> None:
    log, plain = (Entry(trained(file, tmp_path, "training.epochs=2", *more)) for more in ([LOG], []))
    assert [lines.error_is(each) for each in (log, plain)] == ["1 − R² of the log", "1 − R²"]
    for listed in (map(lines.plain, (log, plain)), lines.rows([log, plain])):
        assert [(each["target_transform"], each["error_kind"]) for each in listed] == [("log", None), (None, None)]
    text = folder_page(tmp_path, [log, plain]).render()
    assert f"prices.csv, errors of the log: {log.run.id} has the lowest" in text
    assert f"prices.csv, errors of the value: {plain.run.id} has the lowest" in text
