"""What cells mean that stand in the source in another way than values do: the NumPy file reads them as the run does."""

from __future__ import annotations

import ast
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from nnrun.data.features.categories import codes_of
from nnrun.data.features.columns import Column
from nnrun.data.raw import as_spelled
from nnrun.engine.parameters import Array
from nnrun.errors import NnrunError
from nnrun.models.export import numpy_file, standalone
from nnrun.models.export.formats import FORMATS, TOLERANCE, dev_rows, export
from nnrun.models.incoming import in_memory
from nnrun.models.model import Model, load_model
from nnrun.models.unlike import Unlike
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.data.reading import read_table

Train = Callable[..., Outcome]


def trained(train_run: Train, source: Path, *more: str) -> Model:
    settings = ("data.target=y", "training.epochs=5", "network.hidden=[6]", "training.dtype=float64")
    return load_model(StoredRun(train_run(f"data.source={source}", *settings, *more).run))


def written(model: Model, folder: Path) -> dict[str, Any]:
    """What the file defines."""
    numpy_file.write(model, folder / "model.py")
    space: dict[str, Any] = {"__name__": "model"}
    exec((folder / "model.py").read_text(encoding="utf-8"), space)
    return space


def commanded(path: Path, rows: Path) -> Array:
    """The last probability of each row, as the file says it on the command line."""
    done = subprocess.run([sys.executable, "-I", path, rows], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.array([float(line.rsplit(",", 1)[1]) for line in done.stdout.splitlines()[1:]])


def towns(words: list[str], rows: int = 120) -> pd.DataFrame:
    """A table whose target is told by the word, or by a number beside it."""
    rng = np.random.default_rng(0)
    town, x = rng.choice(np.array(words, object), rows), rng.normal(size=rows).round(2)
    return pd.DataFrame({"x": x, "town": town, "y": np.where((town == words[0]) ^ (x > 1), "p", "q")})


def test_the_check_is_given_cells_as_they_are_spelled(train_run: Train, tmp_path: Path) -> None:
    """So that a file is refused which reads the values but not the text that they have in the source."""
    table = towns(["NA", "Ulm", "Bonn"])
    table["x"] = [f"${x}" for x in table["x"]]
    table.to_csv(tmp_path / "towns.csv", index=False)
    model = trained(train_run, tmp_path / "towns.csv")

    def without_signs(model: Model, path: Path) -> None:
        numpy_file.write(model, path)
        path.write_text(path.read_text(encoding="utf-8").replace("$€£¥", ""), encoding="utf-8")

    with pytest.raises(NnrunError, match=r"'\$-?\d\.\d+' in column 'x' is not a finite number"):
        export(model, FORMATS["numpy"]._replace(write=without_signs), tmp_path / "towns.py")
    assert export(model, FORMATS["numpy"], tmp_path / "towns.py").difference < TOLERANCE


@pytest.mark.parametrize("source", ["towns.parquet", "towns.csv"])
def test_the_check_is_given_categories_with_blanks(train_run: Train, tmp_path: Path, source: str) -> None:
    table = towns(["NA", "Ulm", "Bonn"])
    (table.to_csv if source == "towns.csv" else table.to_parquet)(tmp_path / source, index=False)
    model = trained(train_run, tmp_path / source)

    def as_it_stands(model: Model, path: Path) -> None:
        numpy_file.write(model, path)
        path.write_text(path.read_text(encoding="utf-8").replace(", _cell(value), str(value).strip())", ")"))

    with pytest.raises(NnrunError, match="the written model differs"):
        export(model, FORMATS["numpy"]._replace(write=as_it_stands), tmp_path / "towns.py")


def test_the_check_is_given_cells_that_have_to_be_quoted(train_run: Train, tmp_path: Path) -> None:
    """As they begin with a space, or a carriage return or another line break stands in them, or in a class."""
    table = towns([" a", "a", "b\rc"])
    table["y"] = table["y"] + "\u2028"
    table.to_csv(tmp_path / "towns.csv", index=False, quoting=csv.QUOTE_ALL)
    model = trained(train_run, tmp_path / "towns.csv")
    assert model.columns[1].vocabulary == (" a", "a", "b\rc")
    assert export(model, FORMATS["numpy"], tmp_path / "towns.py").difference < TOLERANCE


def everywhere(model: Model, folder: Path, rows: pd.DataFrame) -> Array:
    """The last probability of each row, which is the same in memory, in files whose values have types, and exported."""
    found = model.predict(in_memory(model, rows))[:, 1]
    rows.to_json(folder / "new.jsonl", orient="records", lines=True)
    rows.to_excel(folder / "new.xlsx", index=False)
    rows.to_parquet(folder / "new.parquet")
    for name in ("new.jsonl", "new.xlsx", "new.parquet"):
        np.testing.assert_array_equal(model.predict(read_table(folder / name, model.fitted.reading))[:, 1], found, name)
    says = written(model, folder)["predict"]
    np.testing.assert_allclose(says(rows.to_dict("records"))[:, 1], found, atol=TOLERANCE)
    return found


def test_a_category_is_looked_up_without_the_blanks_that_training_did_not_see(train_run: Train, tmp_path: Path) -> None:
    towns(["Ulm", "Bonn"]).to_csv(tmp_path / "towns.csv", index=False)
    text = (tmp_path / "towns.csv").read_text().replace(",", ", ")
    (tmp_path / "towns.csv").write_text(text)
    model = trained(train_run, tmp_path / "towns.csv")
    assert model.columns[1].vocabulary == ("Bonn", "Ulm")
    spelled = ["Ulm", " Ulm", "Ulm ", "  Ulm\t", "Bonn", " Bonn", "U lm"]
    found = everywhere(model, tmp_path, pd.DataFrame({"x": 0.5, "town": spelled}))
    assert len({*found[:4]}) == len({*found[4:6]}) == 1 and len({*found}) == 3
    unlike = Unlike()
    unlike.see(in_memory(model, pd.DataFrame({"x": 0.5, "town": spelled})), model.columns)
    assert [seen["town"].values for seen in unlike.found.values()] == [1]


def test_categories_that_blanks_alone_tell_apart_are_looked_up_as_they_stand(train_run: Train, tmp_path: Path) -> None:
    towns([" a", "a", "b "]).to_parquet(tmp_path / "towns.parquet")
    model = trained(train_run, tmp_path / "towns.parquet")
    found = everywhere(model, tmp_path, pd.DataFrame({"x": 0.5, "town": [" a", "a", "b ", "  a", "b", " b "]}))
    assert len({*found[:3]}) == 3 and found[3] == found[1] and found[4] == found[5] == found[2]
    export(model, FORMATS["onnx"], tmp_path / "towns.onnx")
    graph = onnxruntime.InferenceSession(tmp_path / "towns.onnx")
    told = json.loads(graph.get_modelmeta().custom_metadata_map["inputs"])
    assert told["town"] == "text with the blanks around it that it has in training, empty if missing"
    fed = {"x": np.full((4, 1), 0.5), "town": np.array([[" a"], ["a"], ["b "], ["b"]], object)}
    np.testing.assert_allclose(graph.run(["probabilities"], fed)[0][:, 1], found[[0, 1, 2, 4]], atol=TOLERANCE)


def test_rare_values_and_blanks_mean_the_same_in_the_run_and_in_its_file() -> None:
    texts = ["a", " a", "a ", "  a", "\ta"]
    for roles in product(("known", "rare", "unseen"), repeat=len(texts)):
        known, rare = (tuple(t for t, role in zip(texts, roles, strict=True) if role == of) for of in ("known", "rare"))
        column = Column("c", "category", vocabulary=known, other=bool(rare), pooled=rare, embedding=2)
        labels = pd.Series([column.label(text) for text in texts])
        in_file = ast.literal_eval(numpy_file._column(column, None))
        assert standalone.codes(in_file, texts)[:, 0].tolist() == (codes_of(labels, known) + 1).tolist(), (known, rare)


def test_cells_of_the_same_rows(train_run: Train, tmp_path: Path) -> None:
    """All that stands in them, from the first row to the last, but for a source with decimal commas."""
    table = towns(["NA", "Ulm"])
    table.to_csv(tmp_path / "towns.csv", index=False)
    model = trained(train_run, tmp_path / "towns.csv")
    rows = dev_rows(model)
    assert rows.frame["town"].isna().any()
    cells = as_spelled(model.config.data, rows)
    assert cells.frame.equals(table.astype(str).loc[rows.frame.index])
    table.to_csv(tmp_path / "towns.csv", index=False, sep=";", decimal=",")
    assert as_spelled(model.config.data, dev_rows(model)) is None


def test_words_for_a_missing_value_may_be_categories(train_run: Train, tmp_path: Path) -> None:
    """In a source whose values have types, they are words like others; elsewhere they stay missing."""
    towns(["NA", "None", "", "Ulm"]).to_parquet(tmp_path / "towns.parquet")
    model = trained(train_run, tmp_path / "towns.parquet")
    for format in ("numpy", "onnx"):
        assert export(model, FORMATS[format], tmp_path / f"towns.{format}").difference < TOLERANCE
    says = written(model, tmp_path)["predict"]
    frame = pd.DataFrame({"x": [0.5, 0.5, 0.5, None], "town": ["NA", "", None, "Ulm"]})
    frame.to_parquet(tmp_path / "new.parquet")
    new = model.predict(read_table(tmp_path / "new.parquet"))
    assert len(np.unique(new[:3, 1])) == 3
    np.testing.assert_allclose(says(frame.to_dict("list")), new, atol=TOLERANCE)
    np.testing.assert_allclose(says([{"x": "NA", "town": "Ulm"}]), new[3:], atol=TOLERANCE)


def test_words_for_a_missing_value_are_missing_as_they_stand(train_run: Train, tmp_path: Path) -> None:
    """But for spaces before them; with a blank behind them they are other words."""
    towns(["NA", "Ulm", "Bonn"]).to_csv(tmp_path / "towns.csv", index=False)
    model = trained(train_run, tmp_path / "towns.csv", "data.format.missing=[unknown]")
    rows = pd.DataFrame({"x": 0.5, "town": [None, " NA", "unknown ", "NA\t"]})
    found = model.predict(in_memory(model, rows))[:, 1]
    assert found[0] == found[1] != found[2] == found[3]
    np.testing.assert_allclose(written(model, tmp_path)["predict"](rows)[:, 1], found, atol=TOLERANCE)
    new = tmp_path / "new.csv"
    new.write_text("x,town\n0.5,\n0.5, NA\n0.5,unknown \n0.5,NA\t\n")
    np.testing.assert_allclose(commanded(tmp_path / "model.py", new), found, atol=TOLERANCE)
    np.testing.assert_array_equal(model.predict(read_table(new, model.fitted.reading))[:, 1], found)


def test_only_the_words_of_the_configuration_are_missing(train_run: Train, tmp_path: Path) -> None:
    source = tmp_path / "towns.csv"
    towns(["NA", "none", "Ulm"]).to_csv(source, index=False)
    model = trained(train_run, source, "data.format.missing={only: [none]}")
    assert model.columns[1].vocabulary == ("NA", "Ulm")
    written(model, tmp_path)
    expected = model.predict(read_table(source, model.fitted.reading))[:, 1]
    np.testing.assert_allclose(commanded(tmp_path / "model.py", source), expected, atol=TOLERANCE)


def test_markers_of_missing_numbers_are_numbers(train_run: Train, tmp_path: Path) -> None:
    """Whatever their spelling; a category is told by its spelling, as pandas does."""
    source, x = tmp_path / "markers.csv", np.random.default_rng(0).normal(size=120).round(2)
    frame = pd.DataFrame({"x": x, "code": np.resize(["a", "b", "-999.0"], 120), "y": np.where(x > 0, "p", "q")})
    frame.assign(x=np.where(x > 1, -999.0, x)).to_csv(source, index=False)
    model = trained(train_run, source, "data.format.missing=[-999]")
    assert export(model, FORMATS["numpy"], tmp_path / "markers.py").difference < TOLERANCE
    cells = ["-999", "-999.0", "-999.00", "-9.99e2", ""]
    (tmp_path / "new.csv").write_text("x,code\n" + "".join(f"{x},-999\n{x},-999.00\n" for x in cells))
    expected = model.predict(read_table(tmp_path / "new.csv", model.fitted.reading))[:, 1]
    assert len(np.unique(expected)) == 2
    np.testing.assert_allclose(commanded(tmp_path / "markers.py", tmp_path / "new.csv"), expected, atol=TOLERANCE)
    says = written(model, tmp_path)["predict"]
    gaps = says([{"x": x, "code": None} for x in (-999, -999.0, np.float32(-999), np.nan)])
    np.testing.assert_allclose(gaps[:, 1], expected[0], atol=TOLERANCE)


@pytest.mark.parametrize(("dtype", "encode"), [("float64", "onehot"), ("float32", "embedding")])
def test_a_category_may_be_a_number_with_a_fraction(train_run: Train, tmp_path: Path, dtype: str, encode: str) -> None:
    """And others of its column whole ones, which are called as they are spelled beside it."""
    source = tmp_path / "sizes.parquet"
    sizes = towns(["1.0", "3.1", "2.0"]).rename(columns={"town": "size"}).astype({"size": dtype})
    sizes.to_parquet(source)
    model = trained(train_run, source, "data.kinds={size: category}", f"data.encode_categories={encode}")
    assert export(model, FORMATS["numpy"], tmp_path / "sizes.py").difference < TOLERANCE
    says = written(model, tmp_path)["predict"]
    expected = model.predict(read_table(source))[:6]
    for values in (sizes["size"].to_numpy(), sizes["size"].astype(str)):
        np.testing.assert_allclose(says({"x": sizes["x"][:6], "size": values[:6]}), expected, atol=TOLERANCE)
    whole = sizes["size"].astype(str).str.removesuffix(".0").to_numpy(object)[:6]
    np.testing.assert_allclose(says({"x": sizes["x"][:6], "size": whole}), expected, atol=TOLERANCE)
    export(model, FORMATS["onnx"], tmp_path / "sizes.onnx")
    graph = onnxruntime.InferenceSession(tmp_path / "sizes.onnx")
    fed = {"x": sizes["x"].to_numpy()[:6, None], "size": whole[:, None]}
    np.testing.assert_allclose(graph.run(["probabilities"], fed)[0], expected, atol=TOLERANCE)


@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_a_whole_number_among_fractions_has_two_spellings(train_run: Train, tmp_path: Path, encode: str) -> None:
    source, new = tmp_path / "sizes.csv", tmp_path / "new.csv"
    towns(["1.0", "3.1", "2.0"]).rename(columns={"town": "size"}).to_csv(source, index=False)
    model = trained(train_run, source, "data.kinds={size: category}", f"data.encode_categories={encode}")
    assert model.columns[1].vocabulary == ("1.0", "2.0", "3.1")
    new.write_text("x,size\n" + "".join(f"1,{size}\n" for size in ("1", "1.0", "2", "2.0", "3.1")))
    expected = model.predict(read_table(new, model.fitted.reading))[:, 1]
    assert expected[0] == expected[1] and expected[2] == expected[3] and len(np.unique(expected)) == 3
    written(model, tmp_path)
    np.testing.assert_allclose(commanded(tmp_path / "model.py", new), expected, atol=TOLERANCE)
    export(model, FORMATS["onnx"], tmp_path / "sizes.onnx")
    graph = onnxruntime.InferenceSession(tmp_path / "sizes.onnx")
    fed = {"x": np.ones((5, 1)), "size": np.array([["1"], ["1.0"], ["2"], ["2.0"], ["3.1"]], object)}
    np.testing.assert_allclose(graph.run(["probabilities"], fed)[0][:, 1], expected, atol=TOLERANCE)


def test_dates_may_lack_the_time(train_run: Train, tmp_path: Path) -> None:
    """In training, or only in new rows, which are then at midnight, or at the full minute."""
    x = np.random.default_rng(0).normal(size=120).round(2)
    times = pd.date_range("2024-01-01", periods=120, freq="6h")
    formats = {"some": "%d.%m.%Y %H:%M", "all": "%d %b %Y %H:%M:%S"}
    texts = {name: times.strftime(format) for name, format in formats.items()}
    some = np.where(times.hour == 0, times.strftime("%d.%m.%Y"), texts["some"])
    frame = pd.DataFrame({"x": x, **texts, "some": some, "y": np.where(times.hour < 12, "p", "q")})
    frame.to_csv(tmp_path / "times.csv", index=False)
    model = trained(train_run, tmp_path / "times.csv")
    assert [column.format for column in model.columns[1:]] == list(formats.values())
    assert export(model, FORMATS["numpy"], tmp_path / "times.py").difference < TOLERANCE
    new = tmp_path / "new.csv"
    new.write_text(
        "x,some,all\n" + "".join(f"1,05.03.2024,05 Mar 2024{time}\n" for time in ("", " 18:30", " 18:30:09"))
    )
    expected = model.predict(read_table(new, model.fitted.reading))[:, 1]
    np.testing.assert_allclose(commanded(tmp_path / "times.py", new), expected, atol=TOLERANCE)
    with pytest.raises(ValueError, match=r"'5\. March' in column 'some' is not a date like %d\.%m\.%Y %H:%M"):
        written(model, tmp_path)["predict"]([{"x": 1, "some": "5. March", "all": None}])


UNLIKE = {
    "another unit": ({"way": "8.5 mi"}, "'8.5 mi' in column 'way' is in mi, where training had km"),
    "another sign": ({"way": "$8.5"}, r"'\$8\.5' in column 'way' is in \$, where training had km"),
    "a sign and none before": ({"price": "$1,200"}, r"'\$1,200' in column 'price' is in \$, where training had none"),
    "no percent": ({"share": "12"}, "'12' in column 'share' has no unit, where training had %"),
    "a fraction": ({"share": np.str_("0.12")}, "'0.12'. in column 'share' has no unit, where training had %"),
}


def test_numbers_have_the_unit_of_training(train_run: Train, tmp_path: Path) -> None:
    """In text, as new rows of the run; a number has none that could be another one."""
    x = np.random.default_rng(0).integers(100, 900, 120)
    frame = pd.DataFrame({"way": [f"{n}.5 km" for n in x], "share": [f"{n % 90}%" for n in x]})
    frame["price"] = [f"{n + 800:,}.5" for n in x]
    frame.assign(y=np.where(x > 500, "p", "q")).to_csv(tmp_path / "ways.csv", index=False)
    model = trained(train_run, tmp_path / "ways.csv")
    assert export(model, FORMATS["numpy"], tmp_path / "ways.py").difference < TOLERANCE
    says, row = written(model, tmp_path)["predict"], {"way": "8.5 km", "share": "12%", "price": "1,200"}
    expected = says([row])
    alike = [{"way": "8.5"}, {"way": 8.5}, {"way": " 8.5km"}, {"share": 12}, {"price": "1200"}, {"price": 1200.0}]
    for change in alike:
        np.testing.assert_array_equal(says([row | change]), expected)
    for change, message in UNLIKE.values():
        with pytest.raises(ValueError, match=message):
            says([row | change])
    known = json.loads((model.run.path / "data.json").read_text())
    del known["format"]["units"]  # as an early run does not have them
    (model.run.path / "data.json").write_text(json.dumps(known))
    early = written(load_model(StoredRun(RunDir(model.run.path))), tmp_path)["predict"]
    np.testing.assert_array_equal(early([row | {"way": "8.5 mi"}]), expected)


def told(path: Path, text: str) -> str:
    """What the command says of a file that it refuses."""
    path.with_suffix(".csv").write_text(text)
    done = subprocess.run([sys.executable, "-I", path, path.with_suffix(".csv")], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr.partition(": ")[2].strip()


def test_the_file_takes_rows_in_whatever_holds_them(train_run: Train, tmp_path: Path) -> None:
    """And refuses a table that nnrun predict refuses, too."""
    frame = towns(["Ulm", "Bonn"])
    frame["day"] = pd.date_range("2024-01-01", periods=120, tz="UTC").strftime("%Y-%m-%dT%H:%M%z")
    frame.to_csv(tmp_path / "towns.csv", index=False)
    model = trained(train_run, tmp_path / "towns.csv")
    says, path = written(model, tmp_path)["predict"], tmp_path / "model.py"
    expected, rows = model.predict(read_table(tmp_path / "towns.csv")), frame.to_dict("records")
    for several in (rows, iter(rows), frame, frame.to_dict("list"), map(dict, rows)):
        np.testing.assert_allclose(says(several), expected, atol=TOLERANCE)
    first = {"town": "Ulm", "day": "2024-01-01T00:00+00:00"}
    np.testing.assert_array_equal(says([first | {"x": True}, first | {"x": 1}])[0], says([first | {"x": 1}])[0])
    with pytest.raises(ValueError, match="'0001-01-01T00:00\\+05:00' in column 'day' is out of range in UTC"):
        says([first | {"x": 1, "day": "0001-01-01T00:00+05:00"}])
    assert told(path, "x,town,x,day\n1,Ulm,2,\n") == "several columns are called 'x'"
    assert told(path, "x,town,day\n") == told(path, "") == "no rows"
    (tmp_path / "long.csv").write_text(f"x,town,day,note\n1,Ulm,,{'long ' * 40_000}\n")
    np.testing.assert_allclose(commanded(path, tmp_path / "long.csv"), says([{"x": 1, "town": "Ulm", "day": ""}])[:, 1])


def test_a_comma_marks_no_thousands_where_it_marked_decimals(train_run: Train, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(0, 9, 120).round(3)
    frame = pd.DataFrame({"x": x, "z": 3 * x, "y": np.where(x > 4, "p", "q")})
    frame.to_csv(tmp_path / "commas.csv", index=False, sep=";", decimal=",")
    says = written(trained(train_run, tmp_path / "commas.csv"), tmp_path)["predict"]
    np.testing.assert_array_equal(says([{"x": "1.234", "z": 3}]), says([{"x": 1.234, "z": "3"}]))
    for text in ("1,234", "1,234.5", "1,2"):
        with pytest.raises(ValueError, match=f"'{text}' in column 'x' has a comma; write decimals with a point"):
            says([{"x": text, "z": 3}])


def test_a_number_that_the_network_s_precision_cannot_hold_is_refused(train_run: Train, tmp_path: Path) -> None:
    towns(["Ulm", "Bonn"]).to_csv(tmp_path / "towns.csv", index=False)
    model = trained(train_run, tmp_path / "towns.csv", "training.dtype=float32")
    says, known = written(model, tmp_path)["predict"], {"x": 1, "town": "Ulm"}
    for large in (1e39, "-1e300"):
        with pytest.raises(ValueError, match=r"^row 2 of 3: a number is too large for float32"):
            says([known, known | {"x": large}, known])
        with pytest.raises(NnrunError, match="the value in column 'x' is too large for float32"):
            model.predict(in_memory(model, pd.DataFrame([known | {"x": large}])))
    assert np.isfinite(says([known | {"x": 1e37}])).all()


def test_truths_are_true_or_false(train_run: Train, tmp_path: Path) -> None:
    """A marker of a missing value is no truth, but may stand there."""
    x = np.random.default_rng(0).normal(size=120).round(2)
    frame = pd.DataFrame({"x": x, "member": np.where(x > 0.3, "yes", "no"), "y": np.where(x > 0, "p", "q")})
    frame.to_csv(tmp_path / "members.csv", index=False)
    model = trained(train_run, tmp_path / "members.csv", "data.format.missing=[-9]")
    assert [column.kind for column in model.columns] == ["number", "boolean"]
    says = written(model, tmp_path)["predict"]
    yes, gap = says([{"x": 1, "member": "YES"}]), says([{"x": 1, "member": None}])
    for value in (1, 1.0, True, np.True_, "1", "1.0", "true"):
        np.testing.assert_array_equal(says([{"x": 1, "member": value}]), yes)
    for value in (-9, "-9", np.nan, ""):
        np.testing.assert_array_equal(says([{"x": 1, "member": value}]), gap)
    for value in (2, -7, 0.5, "2", np.float32(1.5), "--", "n.a.", "yes "):
        with pytest.raises(ValueError, match="in column 'member' is neither true nor false"):
            says([{"x": 1, "member": value}])
    for value in ("3 km", "1 km", "$1"):
        with pytest.raises(ValueError, match=r"in column 'member' is in .*, where training had none"):
            says([{"x": 1, "member": value}])
