"""New rows in a DataFrame: what stands beside its predictions, and what is told of its cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nnrun
from nnrun.data.files.table import Table
from nnrun.errors import DataWarning
from nnrun.models.model import Model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nnrun.Run:
    """It learned from a number in kg and a category; `id` was left out."""
    frame = pd.DataFrame({"id": range(60), "w": [f"{k}.5 kg" for k in range(60)], "c": ["a", "b"] * 30})
    data = {"target": "y", "drop": ["id"]}
    settings = {"data": data, "network": {"hidden": [2]}, "training": {"epochs": 1}}
    return nnrun.train(settings, tmp_path_factory.mktemp("runs"), data=frame.assign(y=["no", "yes", "no"] * 20))


def new(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"w": ["1 kg", "2 kg", "3 kg"], "c": ["a", "b", "a"]}).assign(**columns)


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
@pytest.mark.parametrize("named", [(), ("id",)])
def test_identifiers_stay_the_numbers_that_they_are(run: nnrun.Run, named: tuple[str, ...], dtype: Any) -> None:
    """Of which one is missing, too, and which float64 would round."""
    rows = new(id=pd.array([2**60 + 1, 2**60 + 2, None], dtype=dtype))
    pd.testing.assert_series_equal(run.predict(rows, named)["id"], rows["id"])


@pytest.mark.parametrize("index", [[5, 3, 4], [*"uvu"], pd.MultiIndex.from_tuples([(1, 2), (1, 3), (2, 2)])])
def test_predictions_have_the_index_of_their_rows(run: nnrun.Run, index: Any) -> None:
    rows = new().set_axis(index)
    found = run.predict(rows)
    assert found.index.equals(rows.index) and found["row"].tolist() == [1, 2, 3]
    pd.testing.assert_frame_equal(found.reset_index(drop=True), run.predict(new()))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"w": [1.0, 2.0, 3.0]}, r"the numbers of column 'w' have no unit; they are taken for kg"),
        ({"w": [True, False, True]}, r"column 'w' holds true and false, .* taken for 1 and 0"),
        ({"c": ["a", "z", "z"]}, r"^2 values of column 'c' were not seen in training \(the first: the rows: row 2\)$"),
        ({"c": ["a", None, "b"]}, r"^1 value of column 'c' was missing, as none was in training"),
    ],
)
def test_values_that_training_did_not_have_are_warned_of(
    run: nnrun.Run, tmp_path: Path, columns: dict[str, Any], told: str
) -> None:
    rows = new(**columns)
    with pytest.warns(DataWarning, match=told) as warned:
        run.predict(rows)
    assert warned[0].filename == __file__
    rows.to_csv(tmp_path / "new.csv", index=False)
    with pytest.warns(DataWarning, match=told.replace("the rows: row 2", ".*new.csv:3:2")):
        run.predict(tmp_path / "new.csv")


def test_the_missing_pixels_of_an_image_are_warned_of_at_once(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((60, 4, 2))
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(60) % 2)
    data = {"source": str(tmp_path / "x.npz"), "target": "y"}
    run = nnrun.train({"data": data, "network": {"hidden": [2]}, "training": {"epochs": 1}}, tmp_path / "runs")
    x[7, 0], x[8:10] = np.nan, np.nan
    with pytest.warns(DataWarning) as warned:
        run.predict(x[:8])
    assert len(warned) == 2, "one a pixel of a few"
    with pytest.warns(DataWarning) as warned:
        run.predict(x)
    (told,) = warned
    assert "18 values of 8 columns, such as 'x[0,0,0]', were missing, as none was in training" in str(told.message)
    assert "(the first: the rows: row 8)" in str(told.message)


def test_many_rows_are_predicted_in_pieces(run: nnrun.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a file are, so that the memory does not grow with the features of all."""
    rows = new(id=pd.Categorical([*"uvw"])).set_axis([*"xyz"])
    whole, seen, features = run.predict(rows), list[int](), Model.features

    def features_seen(model: Model, table: Table) -> Any:
        seen.append(len(table))
        return features(model, table)

    monkeypatch.setattr("nnrun.models.rows.rows_at_once", lambda model: 2)
    monkeypatch.setattr(Model, "features", features_seen)
    pd.testing.assert_frame_equal(run.predict(rows), whole)
    assert seen == [2, 1] and len(run.predict(rows[:0])) == 0


def test_nothing_is_warned_of_rows_like_those_of_training(run: nnrun.Run, recwarn: pytest.WarningsRecorder) -> None:
    run.predict(new(other=1, y="no"), threshold=0.4)
    assert not recwarn.list


@pytest.mark.parametrize("values", [[0, 1], [True, False], [1, 2, 30]])
def test_predicted_classes_are_the_texts_of_the_values(tmp_path: Path, values: list[Any]) -> None:
    frame = pd.DataFrame({"x": [float(k % len(values)) for k in range(90)]})
    frame["y"] = [values[int(x)] for x in frame.x]
    settings = {"data": {"target": "y"}, "optimizer": {"learning_rate": 0.1}, "training": {"epochs": 30}}
    run = nnrun.train(settings, tmp_path, data=frame)
    assert (run.predict(frame).prediction == frame.y.astype(str)).all()
