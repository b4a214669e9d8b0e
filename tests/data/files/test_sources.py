"""What can be read: the bundled sets, CSV with all its oddities, NPZ, a file for each part."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

import nnrun.data
from nnrun.config.data_section import BUNDLED
from nnrun.config.load import TABLE_SUFFIXES
from nnrun.data.files.sources import FILE_FORMATS
from tests.data.reading import read_table

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"),
    [
        ("digits", 1797, 64, [str(digit) for digit in range(10)]),
        ("breast_cancer", 569, 30, ["benign", "malignant"]),
        ("wine", 178, 13, ["class_0", "class_1", "class_2"]),
        ("iris", 150, 4, ["setosa", "versicolor", "virginica"]),
        ("diabetes", 442, 10, None),
        ("moons", 500, 2, ["lower", "upper"]),
        ("circles", 500, 2, ["inner", "outer"]),
        ("spirals", 600, 2, ["a", "b", "c"]),
        ("turned_spirals", 300, 2, ["a", "b", "c"]),
        ("blobs", 600, 2, ["a", "b", "c", "d", "e"]),
        ("temperatures", 365, 1, None),
    ],
)
def test_bundled_sets(load: Any, name: str, rows: int, features: int, classes: list[str] | None) -> None:
    data = load(name)
    assert sum(len(part.x) for part in data.parts.values()) == rows
    assert (data.n_features, data.classes, data.notices) == (features, classes, [])
    assert data.task == ("regression" if classes is None else "classification")
    named = load(name, target=BUNDLED[name].target)
    assert np.array_equal(named.parts["dev"].x, data.parts["dev"].x)


def test_a_table_of_any_format_is_told_from_a_config() -> None:
    """Text may be YAML."""
    assert {*TABLE_SUFFIXES} - {".gz"} == {*FILE_FORMATS} - {".txt"}


MADE = run_path(str(ROOT / "tools/bundled/formulas.py"))  # by a formula


@pytest.mark.parametrize("name", MADE["FORMULAS"])
def test_bundled_files_hold_what_their_formulas_give(name: str) -> None:
    ours, theirs = read_table(Path(nnrun.data.__path__[0]) / "bundled" / f"{name}.csv").frame, MADE["made"](name)
    assert list(ours.columns) == list(theirs.columns)
    assert ours.to_numpy().tolist() == theirs.to_numpy().tolist()


@pytest.mark.parametrize("name", [name for name in BUNDLED if name not in MADE["FORMULAS"]])
def test_bundled_files_hold_what_scikit_learn_holds(name: str) -> None:
    from sklearn import datasets

    theirs = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    ours = read_table(Path(nnrun.data.__path__[0]) / "bundled" / f"{name}.csv").frame
    labels = np.asarray(theirs.get("target_names", []))
    target = labels[theirs.target] if labels.dtype.kind == "U" else theirs.target
    assert list(ours.columns) == [*theirs.feature_names, BUNDLED[name].target]
    np.testing.assert_allclose(ours.iloc[:, :-1].to_numpy(dtype=float), theirs.data, rtol=1e-15)
    assert ours.iloc[:, -1].tolist() == target.tolist()


def test_another_column_of_a_bundled_set_can_be_the_target(load: Any) -> None:
    data = load("iris", target="petal width (cm)", task="regression")
    assert data.task == "regression"
    assert data.fitted.features[-3:] == ["target=setosa", "target=versicolor", "target=virginica"]


def test_csv_oddities(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(
        b"\xef\xbb\xbf\r\n"  # a byte order mark and an empty first line
        b'name, "price, in k",sold \r\n'
        b'"a, b",1.5,true\r\n'
        b"\r\n"
        b'"two\r\nlines",  ,\r\n'
        b"  \r\n"
        b"NA,99999999999999999999999,false\r\n"
    )
    table = read_table(path)
    assert table.columns == ["name", "price, in k", "sold"]
    assert (table.header_line, list(table.lines or ())) == (2, [3, 5, 8])
    assert table.frame["name"].tolist()[:2] == ["a, b", "two\r\nlines"]
    assert table.frame["price, in k"].tolist()[::2] == [1.5, 1e23]
    assert table.frame.isna().to_numpy().tolist() == [
        [False, False, False],
        [False, True, True],
        [True, False, False],
    ]
    assert table.at_cell(2, "sold") == f"{path}:8:3"
    assert table.at_column("sold") == f"{path}:2:3"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(end.join(["x,y", "1,a", "2,b"]).encode())
    table = read_table(path)
    assert table.frame["x"].tolist() == [1, 2]
    assert list(table.lines or ()) == [2, 3]


@pytest.mark.parametrize(
    ("targets", "task", "classes"),
    [
        (["b", "a", "é"], "classification", ["a", "b", "é"]),
        (["true", "false"], "classification", ["False", "True"]),
        (["10", "2", "-1"], "classification", ["-1", "2", "10"]),  # gaps, in order of value
        (["1152921504606846976", "1152921504606846977"], "classification", [str(2**60), str(2**60 + 1)]),
        (["1.0", "2.0"], "classification", ["1", "2"]),
        ([str(i) for i in range(20)], "classification", [str(i) for i in range(20)]),
        ([str(i) for i in range(21)], "regression", None),
        (["0.5", "1"], "regression", None),
    ],
)
def test_task_and_classes(csv: Any, load: Any, targets: list[str], task: str, classes: list[str] | None) -> None:
    rows = [f"{i},{targets[i % len(targets)]}" for i in range(10 * len(targets))]
    data = load(csv("x,y", *rows), target="y")
    assert (data.task, data.classes) == (task, classes)


def test_task_by_wish(csv: Any, load: Any) -> None:
    path = csv("x,y", *(f"{i},{i % 3}" for i in range(30)))
    assert load(path, target="y", task="regression").classes is None
    many = csv("x,y", *(f"{i},{i % 25}" for i in range(250)), name="many.csv")
    assert len(load(many, target="y", task="classification").classes) == 25


def test_npz(tmp_path: Path, load: Any) -> None:
    images = np.arange(20 * 2 * 3).reshape(20, 2, 3).astype(np.uint8)
    path = tmp_path / "data.npz"
    np.savez(path, images=images, label=np.array(["cat", "dog"] * 10))
    data = load(path, target="label", normalize="none")
    assert (data.n_features, data.classes) == (6, ["cat", "dog"])
    assert data.fitted.features[:2] == ["images[0,0,0]", "images[0,1,0]"]
    assert data.fitted.image == [2, 3, 1]
    # Image i begins with 6i, and the odd ones are dogs.
    for part in data.parts.values():
        assert np.array_equal(part.x, part.x[:, :1] + np.arange(6))
        assert np.array_equal(part.x[:, 0] / 6 % 2, part.y)


def test_npz_prefers_x_and_takes_big_endian_and_a_column(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.npz"
    x = np.arange(20, dtype=">f4").reshape(10, 2)
    np.savez(path, X=x, y=np.linspace(0, 1, 10)[:, None], extra=np.zeros(3))
    data = load(path, normalize="none")
    assert data.task == "regression"
    assert sorted(row[0] for part in data.parts.values() for row in part.x) == x[:, 0].tolist()


def test_npz_missing_numbers_are_filled(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.npz"
    x = np.arange(10.0).reshape(10, 1)
    x[0] = np.nan
    np.savez(path, x=x, y=np.arange(10) / 7)
    data = load({"train": path, "dev": path}, normalize="none")
    # The mean of 1 … 9 is 5.
    assert data.parts["train"].x[0].tolist() == [5.0, 1.0]


def test_a_file_per_part(csv: Any, load: Any) -> None:
    train = csv("x,c,y", "1,p,b", "3,q,a", "5,p,b", name="train.csv")
    dev = csv("y,more,c,x", "b,9,q,7", "a,9,zz,8", name="dev.csv")  # another order, one column more
    data = load({"train": train, "dev": dev}, target="y", normalize="none")
    assert data.parts["train"].x.tolist() == [[1, 1, 0], [3, 0, 1], [5, 1, 0]]
    assert data.parts["train"].y.tolist() == [1, 0, 1]
    assert data.parts["dev"].x.tolist() == [[7, 0, 1], [8, 0, 0]]
    assert data.parts["dev"].y.tolist() == [1, 0]
    assert data.notices == [
        f"column 'more' of {dev} is not in {train} and is ignored",
        "there is no test set: the dev error, by which models are chosen, is no longer an unbiased estimate",
    ]
    assert data.fitted.split["rule"] == "files"
    assert data.fitted.split["sizes"] == {"train": 3, "dev": 2}
    tested = load({"train": train, "dev": dev, "test": train}, target="y")
    assert list(tested.parts) == ["train", "dev", "test"]


def test_a_bundled_set_per_part(load: Any) -> None:
    data = load({"train": "spirals", "dev": "turned_spirals"}, train_dev=0.25)
    assert {name: len(part.x) for name, part in data.parts.items()} == {"train": 450, "train_dev": 150, "dev": 300}
    assert [file["name"] for file in data.fitted.files] == ["spirals", "turned_spirals"]
    assert data.fitted.bundled == BUNDLED["spirals"]


def test_a_bundled_set_with_a_file_beside_it(load: Any, csv: Any) -> None:
    names = "petal width (cm),petal length (cm),sepal length (cm),sepal width (cm),target"
    data = load({"train": "iris", "dev": csv(names, "0.2,1,5,3,setosa", name="new.csv")}, normalize="none")
    assert data.parts["dev"].x.tolist() == [[5, 3, 1, 0.2]]
    assert data.classes[data.parts["dev"].y[0]] == "setosa"


def test_labels_match_across_files_whatever_their_type(csv: Any, load: Any) -> None:
    # In train the codes are text because of x1, in dev the same column looks like whole numbers.
    train = csv("code,y", "7,0", "x1,1", "8,2", name="train.csv")
    dev = csv("code,y", "8,2", "7,0", name="dev.csv")
    data = load({"train": train, "dev": dev}, target="y", normalize="none")
    assert data.fitted.features == ["code=7", "code=8", "code=x1"]
    assert data.parts["dev"].x.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert data.parts["dev"].y.tolist() == [2, 0]
