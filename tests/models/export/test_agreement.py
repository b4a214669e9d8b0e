"""What the run, its ONNX graph and its Python file say of the same raw rows."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnrun.config.load import load_config
from nnrun.data.files import numerals
from nnrun.data.files.content import Framed
from nnrun.data.files.dialect import UNITS
from nnrun.data.files.table import Table
from nnrun.engine.activations import ACTIVATIONS
from nnrun.errors import NnrunError
from nnrun.models.export import numpy_file, onnx_file, standalone
from nnrun.models.export.formats import FORMATS, TOLERANCE, dev_rows, difference, export
from nnrun.models.model import Model, load_model
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun
from tests.data.reading import read_table

Train = Callable[..., Outcome]
CITIES = ["Bonn", "Köln, Süd", 'the "old" town', "Ulm", "O'Hara", "back\\slash", "100", "x=1"]


def messy(rows: int = 400, seed: int = 0) -> str:
    """Numbers, a boolean, dates and categories, with gaps in each, and one category with many rare values."""
    rng = np.random.default_rng(seed)
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), unit="D")
    frame = pd.DataFrame(
        {
            "id": [f"=C{i}" for i in range(rows)],
            "age": np.round(rng.normal(40, 10, rows), 2),
            "income": np.round(np.exp(rng.normal(12, 2, rows)), 1),
            "member": rng.choice(["yes", "no"], rows),
            "city": rng.choice(CITIES, rows),
            "street": [f"street {k}" for k in rng.geometric(0.03, rows)],
            "since": pd.to_datetime("2019-03-01") + pd.to_timedelta(rng.integers(0, 40_000, rows), unit="h"),
            "seen": days.strftime("%d.%m.%Y"),
        }
    )
    for name in ("age", "member", "city", "since"):
        frame[name] = frame[name].astype(object).where(rng.random(rows) > 0.07)
    score = np.nan_to_num(frame["age"].astype(float), nan=40.0) / 10 + (frame["member"] == "yes") * 2
    frame["few"] = pd.Series(np.digitize(score, [3.5, 5])).astype(str) + " of 3"
    frame["two"] = score > score.median()
    frame["much"] = np.round(1e5 + 3e4 * score + rng.normal(0, 1e4, rows), 2)
    return frame.to_csv(index=False)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "people.csv"
    path.write_text(messy(), encoding="utf-8")
    return path


def fitted(train_run: Train, people: Path, target: str, *more: str) -> Model:
    others = ",".join({"few", "two", "much"} - {target})
    quick = ["training.epochs=3", "network.hidden=[9,5]"]
    return load_model(
        StoredRun(
            train_run(f"data.source={people}", f"data.target={target}", f"data.drop=[{others}]", *quick, *more).run
        )
    )


@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_a_code_of_a_column_with_a_gap_is_the_code(train_run: Train, tmp_path: Path, encode: str) -> None:
    """Pandas writes 7.0 for 7 as soon as one whole number of a column is missing."""
    stores = np.random.default_rng(0).integers(1, 9, 200)
    source = tmp_path / "stores.csv"
    pd.DataFrame({"store": stores, "x": stores % 3, "sold": stores**2 + 0.5}).to_csv(source, index=False)
    settings = (
        "data.target=sold",
        "data.kinds={store: category}",
        f"data.encode_categories={encode}",
        "training.epochs=3",
    )
    model = load_model(StoredRun(train_run(f"data.source={source}", *settings).run))
    rows = pd.DataFrame({"store": [7, 3, 8], "x": [1, 0, 2]})
    floats = rows.astype({"store": str}) + pd.DataFrame({"store": [".0"] * 3, "x": [0] * 3})
    whole, fractions = (Table(Framed(frame), "new") for frame in (rows, floats))
    assert model.predict(fractions).tolist() == model.predict(whole).tolist()
    assert max(differences(model, tmp_path, fractions).values()) < TOLERANCE


def differences(model: Model, folder: Path, table: Table | None = None, commands: bool = True) -> dict[str, float]:
    """Of both files, from what the run says, where one is a command that takes text also of that."""
    rows, found = dev_rows(model) if table is None else table, {}
    for name, format in FORMATS.items():
        path = folder / f"model{format.suffix}"
        format.write(model, path)
        said = [run(model, path, rows) for run in (format.run, format.command if commands else None) if run]
        found[name] = max(difference(model, model.predict(rows), one) for one in said)
    return found


EACH_PAIR = [  # of the three settings; the soak tests try all of them together
    ("few", "float32", "true"), ("few", "float64", "false"), ("two", "float32", "false"), ("two", "float64", "true"),
    ("much", "float32", "true"), ("much", "float64", "false"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "dtype", "batch_norm"),
    [
        pytest.param(*settings, marks=[] if settings in EACH_PAIR else pytest.mark.soak)
        for settings in product(("few", "two", "much"), ("float32", "float64"), ("false", "true"))
    ],
)
def test_all_three_agree_on_raw_rows(
    train_run: Train, people: Path, tmp_path: Path, target: str, dtype: str, batch_norm: str
) -> None:
    model = fitted(train_run, people, target, f"training.dtype={dtype}", f"network.batch_norm={batch_norm}")
    kinds = {column.kind for column in model.columns}
    assert kinds == {"number", "boolean", "category", "date"}
    assert any(column.other for column in model.columns)
    found = differences(model, tmp_path)
    assert max(found.values()) <= (TOLERANCE if dtype == "float32" else 1e-12), found


@pytest.mark.parametrize("normalize", ["robust", "quantile"])
@pytest.mark.parametrize("encode", ["plain", "piecewise", "piecewise_tree"])
def test_numbers_are_scaled_bent_and_cut_alike(
    train_run: Train, people: Path, tmp_path: Path, normalize: str, encode: str
) -> None:
    settings = (f"data.normalize={normalize}", f"data.encode_numbers={encode}", "training.dtype=float64")
    model = fitted(train_run, people, "two", *settings)
    near = dev_rows(model).frame
    far = np.resize([1e300, -1e300, 0.0, 1e-300, np.nan, 41.5], len(near))
    both = pd.concat([near, near.assign(age=far, income=far[::-1])], ignore_index=True)
    assert max(differences(model, tmp_path, Table(Framed(both), "rows")).values()) <= 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_agrees(train_run: Train, people: Path, tmp_path: Path, activation: str) -> None:
    model = fitted(train_run, people, "few", f"network.activation={activation}", "network.batch_norm=true")
    assert max(differences(model, tmp_path, commands=False).values()) <= TOLERANCE


@pytest.mark.parametrize(
    "more",
    [("training.loss=huber",), ("data.normalize=none", "data.drop=[income,few,two]"), ("network.hidden=[]",),
     ("regularization.dropout=0.3", "regularization.input_dropout=0.1")],
)  # fmt: skip
def test_each_way_to_train_agrees(train_run: Train, people: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    model = fitted(train_run, people, "much", *more)
    assert max(differences(model, tmp_path, commands=False).values()) <= TOLERANCE


@pytest.mark.parametrize(
    ("dtype", "more"),
    [("float32", "network.batch_norm=true"), ("float64", "network.hidden=[]"),
     ("float64", "data.drop=[age,income,member,since,seen,two,much]")],
)  # fmt: skip
def test_codes_are_looked_up_alike(train_run: Train, people: Path, tmp_path: Path, dtype: str, more: str) -> None:
    """Of values that training never saw, too, of gaps in a column that had none, and where all features are codes."""
    settings = ("data.encode_categories=embedding", "data.normalize=robust", f"training.dtype={dtype}", more)
    model = fitted(train_run, people, "few", *settings)
    by_name = {column.name: column for column in model.columns if column.embedding}
    assert by_name["city"].indicator and not by_name["city"].other, "row 0 was never learned"
    assert by_name["street"].other and not by_name["street"].indicator, "row 0 is that of rare ones"
    rows = dev_rows(model)
    frame = rows.frame.copy()
    frame["city"] = np.resize(["Atlantis", None, "Ulm", "100", "(other)"], len(frame))
    frame["street"] = np.resize([None, "street 1", "street 99999", "(other)"], len(frame))
    both = Table(Framed(pd.concat([rows.frame, frame], ignore_index=True)), "rows")
    assert max(differences(model, tmp_path, both).values()) <= (TOLERANCE if dtype == "float32" else 1e-12)


@pytest.fixture(scope="module")
def strange(people: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A model for rows that no training has seen, and where to write its files."""
    folder = tmp_path_factory.mktemp("strange")
    values = [f"data.source={people}", "data.target=few", "data.drop=[two,much]", "training.epochs=3"]
    return load_model(
        StoredRun(verbs.train(load_config(None, [*values, "network.hidden=[6]"]), folder / "runs").run)
    ), folder


ROWS = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(-1e6, 1e6, allow_nan=False),
        "income": st.none() | st.floats(-1e9, 1e9, allow_nan=False) | st.just(1234567890.123),
        "member": st.sampled_from([None, "yes", "no", "YES", "true", "0"]),
        "city": st.sampled_from([None, "new town", "=1+1", "../../etc", *CITIES]),
        "street": st.sampled_from([None, "street 1", "street 2", "street 9999", "(other)"]),
        "since": st.none() | st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2050-01-01")).map(str),
        "seen": st.none() | st.dates(pd.Timestamp("2001-01-01").date()).map(lambda day: day.strftime("%d.%m.%Y")),
    }
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ROWS, min_size=1, max_size=40))
def test_rows_as_nobody_has_seen_them_agree(strange: tuple[Model, Path], rows: list[dict[str, Any]]) -> None:
    model, folder = strange
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in rows[0]})
    for name in ("age", "income"):
        frame[name] = frame[name].astype("float64")
    table = Table(Framed(frame), "rows", "")
    assert max(differences(model, folder, table).values()) <= TOLERANCE
    alone = [model.predict(table.take(np.array([i])))[0] for i in range(len(rows))]
    np.testing.assert_allclose(alone, model.predict(table), atol=TOLERANCE)


def test_one_row_says_what_it_says_in_a_batch(strange: tuple[Model, Path]) -> None:
    model, folder = strange
    rows, path = dev_rows(model), folder / "one.onnx"
    onnx_file.write(model, path)
    whole = onnx_file.run(model, path, rows)
    for i in (0, 1, len(rows) - 1):
        np.testing.assert_allclose(onnx_file.run(model, path, rows.take(np.array([i])))[0], whole[i], atol=TOLERANCE)


def test_the_python_file_takes_rows_or_columns_with_python_s_own_values(strange: tuple[Model, Path]) -> None:
    model, folder = strange
    path = folder / "own.py"
    numpy_file.write(model, path)
    space: dict[str, Any] = {"__name__": "own"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    row = {"age": 41, "income": "2e5", "member": True, "city": 100, "street": None, "seen": "01.02.2024"}
    east = datetime(2020, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    rows = [row | {"since": moment} for moment in (east, "2019-12-31 23:30", "2020-01-01T01:30+02:00")]
    by_rows = space["predict"](rows)
    by_columns = space["predict"]({name: [one[name] for one in rows] for name in rows[0]})
    np.testing.assert_array_equal(by_rows, by_columns)
    np.testing.assert_array_equal(by_rows, by_rows[[0, 0, 0]])  # the same instant three times
    assert space["CLASSES"] == ["0 of 3", "1 of 3", "2 of 3"] and by_rows.shape == (3, 3)
    spans = timedelta(seconds=41), np.timedelta64(41, "s"), pd.Timedelta("41s")
    by_spans = space["predict"]([rows[0] | {"age": span} for span in spans])
    np.testing.assert_array_equal(by_spans, by_rows)  # as run.predict takes them for their seconds
    by_array = space["predict"](pd.DataFrame(rows).assign(age=pd.to_timedelta([41] * 3, unit="s")))
    np.testing.assert_array_equal(by_array, by_rows)
    with pytest.raises(ValueError, match="no column 'age'"):
        space["predict"]([{"income": 1}])
    with pytest.raises(ValueError, match="'old' in column 'age' is not a finite number"):
        space["predict"]([rows[0] | {"age": "old"}])


SPELLINGS: dict[str, Callable[[int], str]] = {
    "dollars": lambda n: f"${n}",
    "euros behind": lambda n: f"{n}.5 €",
    "a share": lambda n: f"{n % 100}%",
    "a unit": lambda n: f"{n}.25 kg",
    "in brackets": lambda n: f"({n})" if n % 3 else str(n),
    "minus behind": lambda n: f"{n}-" if n % 3 else str(n),
    "another minus": lambda n: f"\u2212{n}.5" if n % 3 else f"{n}.5",
    "thousands": lambda n: f"{1_000_000 + n:,}.5",
    "thousands by spaces": lambda n: f"{1_000_000 + n:,}".replace(",", "\u202f"),
    "dollars by thousands": lambda n: f"-${1000 + n:,}.50",
    "not measured": lambda n: f"{n}.5" if n % 4 else "n.d.",
}


def test_numbers_in_other_spellings_are_read_as_in_training(train_run: Train, tmp_path: Path) -> None:
    """Those of the file that was trained on, which `python model.py` is given as it is."""
    rows = [[spell(k * 37 % 211) for spell in SPELLINGS.values()] for k in range(200)]
    lines = [[*row, "low" if k * 37 % 211 < 100 else "high"] for k, row in enumerate(rows)]
    table = tmp_path / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*SPELLINGS, "y"], *lines])
    settings = [f"data.source={table}", "data.target=y", "training.epochs=3", "network.hidden=[9,5]"]
    model = load_model(StoredRun(train_run(*settings).run))
    assert {column.kind for column in model.columns} == {"number"}
    path = tmp_path / "model.py"
    numpy_file.write(model, path)
    done = subprocess.run([sys.executable, "-I", path, table], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [[float(share) for share in answer[-2:]] for answer in list(csv.reader(done.stdout.splitlines()))[1:]]
    np.testing.assert_allclose(found, model.predict(read_table(table)), atol=TOLERANCE)


def test_the_python_file_knows_the_signs_and_words_that_training_knows() -> None:
    assert standalone.NO_NUMBER == numerals.UNKNOWN
    assert all(standalone.NUMBER.fullmatch(text) for unit in UNITS for text in (f"{unit}5", f"5 {unit}"))


@pytest.mark.parametrize(
    "text", ["(5", "5)", "--5", "1,23", "12,3456", "$", "kg", "5 6 7", "1e400", "0x1F", "inf", "\uff15"]
)
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a finite number"):
        standalone.numbers({"name": "age", "kind": "number", "indicator": False, "fills": [0.0]}, [text])


def test_numbers_that_are_no_text_are_not_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """And mean what their text means; where none stands for a missing value, none is sought."""
    amount: standalone.Column = {"name": "age", "kind": "number", "indicator": True, "fills": [7.0]}
    truth = amount | {"kind": "boolean"}
    with monkeypatch.context() as patched:
        patched.setattr(np, "isin", pytest.fail)
        np.testing.assert_array_equal(standalone.numbers(amount, [3, np.nan]), [[3, 0], [7, 1]])
    monkeypatch.setattr(standalone, "MISSING_NUMBERS", [-99.5, 0.0])
    monkeypatch.setattr(standalone, "MISSING", {"", "-99.5", "0", "0.0"})
    values = [3, 2.5, -1, -99.5, 0, float("nan"), 1e300]
    cells = [None if value != value else str(value) for value in values]
    expected, truths = standalone.numbers(amount, cells), standalone.numbers(truth, [None, "1", "yes", "1.0"])
    monkeypatch.setattr(standalone, "_number", None)
    for plain in (values, np.array(values)):
        np.testing.assert_array_equal(standalone.numbers(amount, plain), expected)
    narrow = np.array([-99.5, 2.5, 0], np.float32)
    np.testing.assert_array_equal(standalone.numbers(amount, narrow), [[7, 1], [2.5, 0], [7, 1]])
    np.testing.assert_array_equal(standalone.numbers(truth, [np.nan, 1, True, 1.0]), truths)
    np.testing.assert_array_equal(standalone.numbers(amount, np.array([True])), [[1, 0]])
    with pytest.raises(ValueError, match=r"^inf in column 'age' is not a finite number"):
        standalone.numbers(amount, np.array([1, np.inf]))
    with pytest.raises(ValueError, match=r"^2 in column 'age' is neither true nor false"):
        standalone.numbers(truth, [1, 2])
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"^10+ in column 'age' is not a finite number"):
        standalone.numbers(amount, [10**400])


def test_the_python_file_is_clean_and_runs_without_nnrun(strange: tuple[Model, Path]) -> None:
    model, folder = strange
    path = folder / "alone.py"
    numpy_file.write(model, path)
    lint = subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", path], capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    code = (
        f"import runpy, sys; sys.argv = ['model.py', {str(folder / 'rows.csv')!r}]\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
        "heavy = {name.split('.')[0] for name in sys.modules} & {'nnrun', 'pandas', 'scipy', 'sklearn', 'onnx'}\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    dev_rows(model).frame.to_csv(folder / "rows.csv", index=False)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("id,much,prediction,probability of 0 of 3,")
    (folder / "rows.csv").write_text("age,income\n1\n")
    done = subprocess.run([sys.executable, "-I", path, folder / "rows.csv"], capture_output=True, text=True)
    assert done.returncode == 1 and "line 2: 1 fields where the header has 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_from_the_data_are_never_code(train_run: Train, tmp_path: Path) -> None:
    """Column, class and value close a string, a docstring and a comment each, and begin code."""
    evil = '"""; raise SystemExit(1) #'
    values = [("a'''", "'); exit()"), ("b\\", "{x}")]
    frame = pd.DataFrame(
        [[i, *pair] for i in range(40) for pair in values], columns=[evil, "label\n#", "probabilities"]
    )
    frame.to_csv(tmp_path / "evil.csv", index=False)
    more = ("training.epochs=1", "network.hidden=[3]")
    model = load_model(
        StoredRun(train_run(f"data.source={tmp_path / 'evil.csv'}", "data.target=probabilities", *more).run)
    )
    assert max(differences(model, tmp_path).values()) <= TOLERANCE


def test_a_file_that_says_something_else_is_not_kept(train_run: Train, people: Path, tmp_path: Path) -> None:
    model = fitted(train_run, people, "two")
    (member,) = model.members
    weights = {name: values + 0.01 for name, values in member.weights.items()}
    wrong = replace(model, members=(replace(member, weights=weights),))
    folder = tmp_path / "out"
    folder.mkdir()
    for format in FORMATS.values():
        path = folder / f"model{format.suffix}"
        broken = format._replace(write=lambda _, path, write=format.write: write(wrong, path))
        with pytest.raises(NnrunError, match=r"differs from .* by 0\.\d+"):
            export(model, broken, path)
        assert not list(folder.iterdir())
        done = export(model, format, path)
        assert done.rows == len(dev_rows(model)) and done.difference <= TOLERANCE
        path.unlink()


def test_the_python_file_chooses_the_class_as_the_run_does(train_run: Train, people: Path, tmp_path: Path) -> None:
    """Not by the probabilities alone where classes are weighted."""
    model = fitted(train_run, people, "few", "data.class_weight=balanced")
    numpy_file.write(model, tmp_path / "model.py")
    space: dict[str, Any] = {"__name__": "weighted"}
    exec((tmp_path / "model.py").read_text(encoding="utf-8"), space)
    rows = dev_rows(model)
    probabilities, classes = model.predict(rows), np.array(model.target.classes)
    assert space["labels"](probabilities) == classes[model.decided(probabilities)].tolist()
    assert space["labels"](probabilities) != classes[probabilities.argmax(axis=1)].tolist()


def test_the_graph_tells_what_it_wants(strange: tuple[Model, Path]) -> None:
    import onnx

    model, folder = strange
    onnx_file.write(model, folder / "told.onnx")
    proto = onnx.load(folder / "told.onnx")
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert list(json.loads(told["inputs"])) == [value.name for value in proto.graph.input]
    assert json.loads(told["inputs"])["since weekday"] == "float64, NaN if missing: 0 for Monday to 6"
    assert json.loads(told["inputs"])["city"] == "text without blanks around it, empty if missing"
    assert json.loads(told["classes"]) == ["0 of 3", "1 of 3", "2 of 3"]
    assert [value.name for value in proto.graph.output] == ["label", "probabilities"]
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.input} == {"rows"}
    assert "since weekday" in proto.doc_string
    operators = {node.op_type for node in proto.graph.node}
    assert "Not" in operators and "IsNaN" not in operators, "onnxruntime 1.8 has none of float64"


def test_a_column_keeps_its_name_beside_the_part_of_a_date(train_run: Train, tmp_path: Path) -> None:
    year = np.random.default_rng(0).normal(size=120).round(2)
    frame = pd.DataFrame({"when": pd.date_range("2023-06-01", periods=120, freq="5D"), "when year": year})
    frame.assign(y=np.where(year > 0, "p", "q")).to_csv(tmp_path / "when.csv", index=False)
    settings = [f"data.source={tmp_path / 'when.csv'}", "data.target=y", "training.epochs=3"]
    model = load_model(StoredRun(train_run(*settings).run))
    assert max(differences(model, tmp_path).values()) <= TOLERANCE
    told = {entry.key: entry.value for entry in onnx_file.build(model).metadata_props}
    meanings = json.loads(told["inputs"])
    assert meanings["when year"] == "float64, NaN if missing"
    assert meanings["when year_2"] == "float64, NaN if missing: the year"


def test_the_graph_holds_nothing_that_it_does_not_use(train_run: Train, people: Path) -> None:
    """Of which onnxruntime warns each time that it is loaded."""
    graph = onnx_file.build(fitted(train_run, people, "few", "data.encode_categories=embedding")).graph
    used = {name for node in graph.node for name in node.input}
    assert {constant.name for constant in graph.initializer} <= used


def test_an_array_is_one_input(train_run: Train, tmp_path: Path) -> None:
    import onnx

    rng = np.random.default_rng(0)
    images = rng.random((90, 4, 5))
    np.savez(tmp_path / "images.npz", x=images, y=(images.mean(axis=(1, 2)) > 0.5).astype(int))
    model = load_model(StoredRun(train_run(f"data.source={tmp_path / 'images.npz'}", "training.epochs=2").run))
    assert max(differences(model, tmp_path).values()) <= TOLERANCE
    (given,) = onnx.load(tmp_path / "model.onnx").graph.input
    assert given.name == "x" and [axis.dim_value for axis in given.type.tensor_type.shape.dim] == [0, 20]
    space: dict[str, Any] = {"__name__": "images"}
    exec((tmp_path / "model.py").read_text(encoding="utf-8"), space)
    np.testing.assert_allclose(space["predict"](images[:3]), space["predict"](images[:3].reshape(3, -1)))
    for shape in [(3, 5, 4), (3, 2, 10), (3, 19), (4, 5)]:
        with pytest.raises(ValueError, match=r"where the model takes \(20,\) or \(4, 5\) or \(4, 5, 1\)"):
            space["predict"](np.zeros(shape))


@pytest.mark.parametrize("truths", [False, True])
def test_an_array_is_one_input_of_truths_and_with_missing_values(
    train_run: Train, tmp_path: Path, truths: bool
) -> None:
    import onnx

    images = np.random.default_rng(0).random((90, 4, 5))
    y = (images.mean(axis=(1, 2)) > 0.5).astype(int)
    images[::3, 1, 2] = images[::4, 3, 4] = np.nan
    np.savez(tmp_path / "images.npz", x=images > 0.5 if truths else images, y=y)
    model = load_model(StoredRun(train_run(f"data.source={tmp_path / 'images.npz'}", "training.epochs=2").run))
    assert model.n_features == (20 if truths else 22)
    assert max(differences(model, tmp_path).values()) <= TOLERANCE
    (given,) = onnx.load(tmp_path / "model.onnx").graph.input
    assert given.name == "x" and [axis.dim_value for axis in given.type.tensor_type.shape.dim] == [0, 20]


def test_an_array_with_its_channels_first_is_taken_as_it_was_trained(train_run: Train, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(200, 3, 8, 9))
    np.savez(tmp_path / "i.npz", x=images, y=np.where(images[:, 0, 0, 0] > 0, "up", "down"))
    model = load_model(StoredRun(train_run(f"data.source={tmp_path / 'i.npz'}", "training.epochs=1").run))
    assert max(differences(model, tmp_path).values()) <= TOLERANCE
    space: dict[str, Any] = {"__name__": "images"}
    exec((tmp_path / "model.py").read_text(encoding="utf-8"), space)
    np.testing.assert_allclose(space["predict"](images[:3]), space["predict"](images[:3].reshape(3, -1)))
