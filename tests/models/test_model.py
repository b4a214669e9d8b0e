"""A model read from a run directory says of raw rows what the run measured on prepared ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.data.raw import read_parts
from nnrun.errors import DataError, UsageError
from nnrun.models.model import load_model
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]


def edited(run: RunDir, file: str, change: Callable[[Any], Any]) -> None:
    content = json.loads((run.path / file).read_text())
    (run.path / file).write_text(json.dumps(change(content) or content))


@pytest.fixture
def run(train_run: Train) -> RunDir:
    return train_run("data.source=iris", "training.epochs=3", "network.hidden=[5]", "network.batch_norm=true").run


def test_raw_rows_give_the_error_that_the_run_recorded(run: RunDir) -> None:
    model = load_model(StoredRun(run))
    dev = read_parts(model.config.data)["dev"]
    predicted = model.predict(dev)
    wrong = predicted.argmax(axis=1) != model.target.encode(dev, "float32")
    assert wrong.mean() == pytest.approx(run.read_json("run.json")["final"]["dev_error"])
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-6)


def test_prepared_rows_give_the_same(run: RunDir, tmp_path: Path) -> None:
    model = load_model(StoredRun(run))
    dataset = load_dataset(model.config.data, "float32", tmp_path / "cache")
    dev = read_parts(model.config.data)["dev"]
    np.testing.assert_array_equal(model.predict(dev), model.predict_features(dataset.parts["dev"].x))


def test_one_row_gives_what_it_gives_in_a_batch(run: RunDir) -> None:
    model = load_model(StoredRun(run))
    table = read_parts(model.config.data)["train"]
    whole = model.predict(table)
    for i in (0, 17, len(table) - 1):
        np.testing.assert_allclose(model.predict(table.take(np.array([i])))[0], whole[i], atol=1e-5)


def test_values_are_in_the_target_s_own_unit(train_run: Train) -> None:
    run = train_run("data.source=diabetes", "training.epochs=30", "network.hidden=[20]").run
    model = load_model(StoredRun(run))
    dev = read_parts(model.config.data)["dev"]
    predicted = model.predict(dev)
    actual = dev.frame[model.target.name].to_numpy()
    rest = float(np.square(predicted - actual).sum() / np.square(actual - actual.mean()).sum())  # 1 − R²
    assert rest == pytest.approx(run.read_json("run.json")["final"]["dev_error"], rel=1e-4)


def test_a_copied_run_is_enough(run: RunDir, tmp_path: Path) -> None:
    table = read_parts(load_config(run.path / "resolved.yaml").config.data)["dev"]
    here = load_model(StoredRun(run)).predict(table)
    elsewhere = RunDir(shutil.copytree(run.path, tmp_path / "elsewhere" / run.id))
    shutil.rmtree(run.path)
    np.testing.assert_array_equal(load_model(StoredRun(elsewhere)).predict(table), here)


def test_a_pruned_trial_says_how_to_train_it_again(run: RunDir) -> None:
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(UsageError, match=r"pruned.*nnrun train .*resolved\.yaml"):
        load_model(StoredRun(run))


def pop(key: str) -> Callable[[Any], Any]:
    return lambda info: info.pop(key) and None


def put(path: str, value: Any) -> Callable[[Any], Any]:
    def change(info: Any) -> None:
        *above, last = path.split(".")
        for key in above:
            info = info[int(key) if key.isdigit() else key]
        info[int(last) if last.isdigit() else last] = value

    return change


LIES = {
    "not an object": lambda info: [info],
    "no classes": put("classes", None),
    "one class": put("classes", ["setosa"]),
    "the same class twice": put("classes", ["a", "b", "a"]),
    "too many classes": put("classes", ["a", "b", "c", "d"]),
    "classes that are numbers": put("classes", [1, 2, 3]),
    "another task": put("task", "regression"),
    "no columns": pop("columns"),
    "columns that are text": put("columns", "abc"),
    "a column less": lambda info: info["columns"].pop() and None,
    "a column twice": lambda info: info["columns"].append(info["columns"][0]),
    "a kind that is none": put("columns.0.kind", "pickle"),
    "a vocabulary that is a number": put("columns.0.vocabulary", 7),
    "a mean that is not finite": put("means.0", float("nan")),
    "a mean that is text": put("means.0", "__import__('os')"),
    "means missing": put("means", []),
    "a deviation of 0": put("deviations.0", 0.0),
    "an infinite unit": put("target.deviation", float("inf")),
    "other features": put("features.0", "x"),
    "identifiers that are a number": put("left_out", 5),
    "identifiers that are lists": put("left_out", [["a"]]),
    "a delimiter of two letters": put("format.delimiter", "ab"),
    "an encoding that is none": put("format.encoding", "pickle"),
    "missing values that are a number": put("format.missing", 7),
    "weights that are a number": put("weights", 5),
    "weights of other classes": put("weights", {"column": None, "classes": {"a": 1.0}}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_data_json_that_lies_is_refused(run: RunDir, lie: Callable[[Any], Any]) -> None:
    edited(run, "data.json", lie)
    with pytest.raises(DataError, match=r"data\.json: |best\.safetensors: "):
        load_model(StoredRun(run))


def test_nested_json_is_refused(run: RunDir) -> None:
    (run.path / "data.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"data\.json: not valid JSON"):
        load_model(StoredRun(run))


@pytest.mark.parametrize(
    "text",
    ["", "network: {hidden: [1000000, 1000000]}\n", "data: {source: iris}\ntraining: {loss: huber}\n", "[" * 10_000,
     "network: !!python/object/apply:os.system [exit]\n", "a: &a [*a, *a]\n", "training: {dtype: float64}\n"],
)  # fmt: skip
def test_a_resolved_yaml_that_lies_is_refused(run: RunDir, text: str) -> None:
    (run.path / "resolved.yaml").write_text(text)
    with pytest.raises(DataError, match=r"resolved\.yaml|best\.safetensors"):
        load_model(StoredRun(run))


@pytest.mark.parametrize("file", ["data.json", "resolved.yaml"])
def test_a_missing_file_is_named(run: RunDir, file: str) -> None:
    (run.path / file).unlink()
    with pytest.raises(DataError, match=file):
        load_model(StoredRun(run))


def test_weights_that_are_not_finite_are_refused(run: RunDir) -> None:
    loaded = run.load_checkpoint("best")
    assert loaded is not None
    loaded[0]["output.b"][:] = np.nan
    run.save_checkpoint("best", loaded[0], {})
    with pytest.raises(DataError, match=r"output\.b holds numbers that are not finite"):
        load_model(StoredRun(run))
