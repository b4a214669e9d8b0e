"""Rows as arrays: images and tables of numbers, which mean what they would in a file of NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nnrun
from nnrun.errors import DataError, UsageError

SETTINGS = {"network": {"hidden": [3]}, "training": {"epochs": 1}}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By the shape of one, `(60, …)`."""
    rng = np.random.default_rng(0)
    return {"grey": rng.normal(size=(60, 6, 5)).astype(np.float32), "colour": rng.integers(0, 255, (60, 6, 5, 3))}


@pytest.fixture(scope="module", params=["grey", "colour"])
def trained(request: pytest.FixtureRequest, images: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that has learned from images in an archive, the archive, and what it holds."""
    folder, x = tmp_path_factory.mktemp("images"), images[request.param]
    y = np.array(["cat", "dog"] * 30)
    np.savez(folder / "images.npz", x=x, y=y)
    run = nnrun.train({"data": {"source": str(folder / "images.npz")}, **SETTINGS}, folder / "runs")
    return run, folder / "images.npz", x, y


def test_images_are_predicted_as_those_of_a_file(trained: Any) -> None:
    run, file, x, _ = trained
    of_file = run.predict(file)
    for rows in (x, list(x), {"x": x}, np.load(file), x.reshape(60, -1)):
        pd.testing.assert_frame_equal(run.predict(rows), of_file)
    assert run.drift(x) == run.drift(file)


def test_images_are_evaluated_with_their_targets(trained: Any) -> None:
    run, file, x, y = trained
    of_file = run.evaluate(file)["parts"]
    for rows in ({"x": x, "y": y}, {"x": x, "y": pd.Series(y)}, {"x": x, "y": [*y]}, np.load(file)):
        assert run.evaluate(rows)["parts"] == of_file
    with pytest.raises(DataError, match="the rows: no column 'y'"):
        run.evaluate(x)


def test_images_of_another_shape_are_refused_with_both(trained: Any) -> None:
    run, _, x, _ = trained
    known = r"where the run learned from 6 × 5(?: × [2-9])?"
    with pytest.raises(DataError, match=f"the rows: images of 5 × 6.*, {known}$"):
        run.predict(x.swapaxes(1, 2))
    with pytest.raises(DataError, match=rf"{known}; of one image write x\[None\]"):
        run.predict(x[0])
    assert len(run.predict(x[:1])) == 1
    with pytest.raises(UsageError, match="all input arrays must have the same shape"):
        run.predict([x[0], x[0][:3]])


@pytest.mark.filterwarnings("ignore:1 value .* was missing:nnrun.errors.DataWarning")
def test_numbers_without_names_serve_where_they_are_as_many(tmp_path: Path) -> None:
    run = nnrun.train({"data": {"source": "iris"}, **SETTINGS}, tmp_path)
    x = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 2.8, 6.0, np.nan]])
    by_name = run.predict(pd.DataFrame(x, columns=run._stored.data.columns))
    for rows in (x, np.ma.masked_array(np.nan_to_num(x), np.isnan(x))):
        pd.testing.assert_frame_equal(run.predict(rows), by_name)
    called = run.evaluate({"x": x, "target": ["setosa", "virginica"]})
    assert called["data"] == "the rows"
    assert run.evaluate({"x": x, "y": ["setosa", "virginica"]})["parts"] == called["parts"]
    for y, told in ((["setosa"], "'x' has 2 rows but 'y' has 1"), (np.eye(2), "'y' has shape"), ([1j, 2j], "of type")):
        with pytest.raises(DataError, match=f"the rows: target column 'target' is unfit: .*{told}"):
            run.evaluate({"x": x, "y": np.array(y)})
        pd.testing.assert_frame_equal(run.predict({"x": x, "y": np.array(y)}), by_name)
    with pytest.raises(DataError, match="no columns 'sepal length"):
        run.predict(x[:, :3])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "got None"),
        (5, "got 5: DataFrame constructor"),
        ({"a": [1], "b": [1, 2]}, "All arrays must be of the same length"),
        ({"x": np.ones((2, 4)), "y": [["a"], "b"]}, "setting an array element"),
    ],
)
def test_what_is_no_table_is_told_in_words(trained: Any, data: Any, told: str) -> None:
    for verb in (trained[0].predict, trained[0].drift):
        with pytest.raises(
            UsageError, match="data: expected a file's path, a DataFrame, an array, or what pandas"
        ) as no:
            verb(data)
        assert told in str(no.value)


def test_images_to_train_on_are_written_to_a_file_first(images: dict[str, Any], tmp_path: Path) -> None:
    for data in (images["grey"], {"x": images["grey"], "y": [1] * 60}):
        with pytest.raises(UsageError, match=r"numpy\.savez\('data\.npz', x=…, y=…\) writes a file"):
            nnrun.train(SETTINGS, tmp_path, data=data)


def test_there_is_nothing_to_evaluate_on_no_rows(tmp_path: Path) -> None:
    run = nnrun.train({"data": {"source": "iris"}, **SETTINGS}, tmp_path)
    with pytest.raises(DataError, match="the rows: no rows with a target"):
        run.evaluate([])
