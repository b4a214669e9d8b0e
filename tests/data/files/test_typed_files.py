"""Parquet, NPY and NPZ: types as they are stored, images, and what is refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from nnrun.config.data_section import Data
from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.features.learner import Learner
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.parquet_file import stated_categories
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import FILE_FORMATS, FileFormat
from nnrun.data.files.table import Table
from nnrun.data.files.values import label_codes
from nnrun.data.prepare import prepare
from nnrun.data.split import DIVIDED
from nnrun.errors import DataError
from nnrun.insight.scaffold.verbs import Wishes, scaffold
from nnrun.installation import installing
from tests.data.reading import read_chunks, read_table

DAY = dt.date(2026, 1, 31)


def arrays_of(config: Data) -> tuple[dict[str, Any], dict[str, Any]]:
    prepared = prepare(config, "float32")
    return prepared.arrays(), prepared.fitted


def fit(table: Table) -> Preprocessor:
    """All columns of a table in memory."""
    learners = [Learner(name, ColumnFacts.of(table, name).meaning) for name in table.columns]
    for learner in learners:
        learner.see(table)
    return Preprocessor.learned(learners, "none")


def message(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepare(Data(source=str(path), **settings), "float32")
    assert caught.value.exit_code == 4
    return str(caught.value)


def write(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_parquet_types(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet",
        whole=pa.array([1, None, 3]),
        real=pa.array([0.5, 1.5, None], pa.float32()),
        flag=pa.array([True, None, False]),
        word=pa.array(["a", None, "b"]),
        coded=pa.array(["p", "q", "p"]).dictionary_encode(),
        price=pa.array([Decimal("1.25"), None, Decimal("2.50")]),
        day=pa.array([DAY, None, dt.date(2026, 2, 1)]),
        at=pa.array([dt.datetime(2026, 1, 31, 13), None, None], pa.timestamp("ms", tz="Europe/Berlin")),
        nothing=pa.nulls(3),
    )
    table = read_table(path)
    assert table.frame.isna().sum().tolist() == [1, 1, 1, 1, 0, 1, 1, 2, 3]
    assert table.frame["coded"].tolist() == ["p", "q", "p"]
    fitted = fit(table.only(["whole", "flag", "word", "coded", "price", "day", "at"]))
    assert [column.kind for column in fitted.columns] == [
        "number", "boolean", "category", "category", "number", "date", "date",
    ]  # fmt: skip
    # The mean of 1 and 3, and half of the flags are true; January ended on a Saturday.
    assert fitted.features[:4] == ["whole", "whole is missing", "flag", "flag is missing"]
    assert fitted.transform(table)[1, :4].tolist() == [2, 1, 0.5, 1]
    assert fitted.transform(table)[0, fitted.features.index("day month")] == 1
    assert fitted.transform(table)[0, fitted.features.index("day weekday")] == 5
    assert fitted.transform(table)[2, fitted.features.index("price")] == 2.5


def test_parquet_prepares_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": range(40), "c": ["p", "q", None, "r"] * 10, "y": ["a", "b"] * 20})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    one, fitted = arrays_of(Data(source=str(tmp_path / "a.csv"), target="y"))
    two, other = arrays_of(Data(source=str(tmp_path / "a.parquet"), target="y"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert fitted.preprocessor.columns == other.preprocessor.columns
    # A run trained on one reads the other.
    assert read_table(tmp_path / "a.parquet", fitted.reading).frame["x"].tolist() == list(range(40))


def test_a_stored_pandas_index_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}).iloc[::-1]
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").columns == ["x"]


def test_a_filtered_frame_loses_its_row_numbers_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"x": range(8), "y": list("abababab")})
    frame[frame["x"] % 3 > 0].to_parquet(path)
    assert read_table(path).frame.to_numpy().tolist() == [[x, "ab"[x % 2]] for x in (1, 2, 4, 5, 7)]
    frame.set_index([frame["x"].rename(None), frame["y"].rename(None)]).to_parquet(path)
    assert (read_table(path).columns, len(read_table(path))) == (["x", "y"], 8)


def test_columns_of_other_types_can_be_left_out(tmp_path: Path) -> None:
    odd = {"list": [[1]] * 40, "bytes": [b"x"] * 40, "time": [dt.time(1)] * 40, "span": [dt.timedelta(1)] * 40}
    path = write(tmp_path / "a.parquet", x=list(range(40)), y=["a", "b"] * 20, **odd)
    said = message(path, target="y", drop=["list", "bytes", "span"])
    assert said == (
        f"{path}: column 'time' is of type time64[us]; write it as numbers, text or dates, or name it in data.drop"
    )
    arrays, fitted = arrays_of(Data(source=str(path), target="y", drop=tuple(odd)))  # as the message says
    assert (fitted.features, sum(len(arrays[f"{part}_x"]) for part in DIVIDED)) == (["x"], 40)


@pytest.mark.parametrize("key", ["target", "weight", "time", "group"])
def test_a_column_that_is_named_for_what_it_does_is_not_to_be_dropped(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "a.parquet", x=[1, 2] * 20, y=["a", "b"] * 20, odd=[[1]] * 40)
    said = message(path, **{"target": "y", key: "odd"})
    assert said.startswith(f"{path}: {key} column 'odd' is nested (list<")
    assert said.endswith("; unfold it into columns of its own")


def test_init_leaves_out_columns_of_other_types(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", x=[1.5, 2.5] * 60, y=["a", "b"] * 60, bytes=[b"x"] * 120)
    found = scaffold(str(path), Wishes("y"), tmp_path / "config.yaml").overview.left_out
    assert [(column.name, column.why) for column in found] == [("bytes", "of type binary")]


FIRST = 4611686018427387905  # of whole numbers that float64 does not tell apart


def keys(*missing: int, rows: int = 60) -> Any:
    return pa.array([None if i in missing else FIRST + i % 3 for i in range(rows)], pa.int64())


TOLD = "column 'key' holds whole numbers of more digits than a number keeps; it is read as text"


@pytest.mark.parametrize(("kinds", "told"), [({}, True), ({"key": "category"}, False)])
def test_large_keys_of_parquet_stay_apart(tmp_path: Path, load: Any, kinds: Any, told: bool) -> None:
    path = write(tmp_path / "a.parquet", key=keys(7), x=list(range(60)), y=["a", "b"] * 30)
    data = load(path, target="y", kinds=kinds)
    features = data.fitted.features
    assert [f"key={FIRST + i}" for i in range(3)] == [name for name in features if name.startswith(f"key={FIRST}"[:8])]
    assert [notice.startswith(TOLD) for notice in data.notices if "'key'" in notice] == [True] * told
    numbers = load(path, target="y", kinds={"key": "number"}).fitted.features
    assert [name for name in numbers if name.startswith("key")] == ["key", "key is missing"]


def test_a_gap_that_comes_late_makes_text_of_all_pieces(tmp_path: Path, load: Any, monkeypatch: Any) -> None:
    path = write(tmp_path / "a.parquet", key=keys(59), x=list(range(60)), y=["a", "b"] * 30)
    whole = load(path, target="y").fitted.features
    monkeypatch.setattr("nnrun.data.files.chunks.CELLS", 30)
    monkeypatch.setattr("nnrun.data.prepare.CELLS", 30)
    assert load(path, target="y", dtype="float32").fitted.features == whole
    assert f"key={FIRST}" in whole


def test_large_numbers_without_gaps_are_told(tmp_path: Path, load: Any) -> None:
    path = write(tmp_path / "a.parquet", key=keys(), x=list(range(60)), y=["a", "b"] * 30)
    text = tmp_path / "a.csv"
    pd.read_parquet(path).to_csv(text, index=False)
    told = (
        "column 'key' holds whole numbers beyond 2^53, of which a network cannot tell neighbours apart; if they are "
        "codes, data.kinds: {key: category} keeps them apart"
    )
    for source in (path, text):
        assert told in load(source, target="y").notices
        assert told not in load(source, target="y", kinds={"key": "number"}).notices
        cured = load(source, target="y", kinds={"key": "category"})
        assert told not in cured.notices
        assert f"key={FIRST + 2}" in cured.fitted.features
        assert told not in load(source, target="y", group="key").notices


@pytest.mark.parametrize("type", [pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal256(60, 0)])
@pytest.mark.parametrize(("first", "told"), [(1000, False), (FIRST, False), (10**20, True)])
def test_decimals_that_are_whole_are_whole_numbers(tmp_path: Path, load: Any, type: Any, first: int, told: Any) -> None:
    """Databases write codes so: groups, classes and categories of them stay apart, however long they are."""
    codes = [Decimal(first + i // 2) for i in range(120)]
    few = pa.array([Decimal(first + i % 3) for i in range(120)], type)
    path = write(tmp_path / "a.parquet", key=pa.array(codes, type), few=few, x=list(range(120)))
    assert read_table(path).frame["key"].nunique() == 60
    assert read_table(path, Reading(text=frozenset({"key"}))).frame["key"].tolist() == [str(code) for code in codes]
    data = load(path, target="few", group="key")
    assert data.classes == [str(first + i) for i in range(3)]
    assert any(notice.startswith(TOLD) for notice in data.notices) == told
    features = load(path, target="x", kinds={"few": "category"}, drop=["key"]).fitted.features
    assert features == [f"few={first + i}" for i in range(3)]
    assert load(path, target="x", kinds={"few": "number"}, drop=["key"]).fitted.features == ["few"]


def test_decimals_with_a_fraction_that_comes_late_are_numbers_in_all_pieces(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", p=pa.array([*map(Decimal, ["1.00", "2.00", "2.50", "7.00"])]))
    assert [chunk.frame["p"].dtype.kind for chunk in read_chunks(path, 2)] == ["i", "f"]
    text = [chunk.frame["p"].tolist() for chunk in read_chunks(path, 2, Reading(text=frozenset({"p"})))]
    assert text == [["1", "2"], ["2.5", "7"]]


def test_a_code_that_is_stated_to_be_missing_leaves_its_neighbours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", key=pa.array([Decimal(10**20 + i) for i in range(3)], pa.decimal128(38, 0)))
    frame = read_table(path, Reading(missing=(f"{10**20 + 1}.0", "unknown", "nan", "1e50"))).frame
    assert frame["key"].dropna().tolist() == [str(10**20), str(10**20 + 2)]


@pytest.mark.parametrize("type", [pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")])
def test_stored_dates_that_stand_for_none_are_told(tmp_path: Path, load: Any, type: Any) -> None:
    days = [dt.date(9999, 12, 31), dt.date(1900, 1, 1), DAY]
    ends = pa.array([days[0 if i % 4 == 0 else min(i % 3, 2) or 2] for i in range(60)], pa.date32()).cast(type)
    path = write(tmp_path / "a.parquet", end=ends, x=list(range(60)), y=["a", "b"] * 30)
    told = (
        "column 'end' holds 1900-01-01 in 15 rows, as where there is no date; if it means that, add it to "
        "data.format.missing"
    )
    assert told in load(path, target="y").notices
    cured = load(path, target="y", format={"missing": ["9999-12-31", "1900-01-01"]})  # as the notices say
    assert not [notice for notice in cured.notices if "as where there is no date" in notice]
    assert "end is missing" in cured.fitted.features


def test_dates_of_records_that_stand_for_none_are_told(tmp_path: Path, load: Any) -> None:
    rows = [("9999-12-31" if i % 3 else "2026-01-31", i, i % 2) for i in range(60)]
    np.save(tmp_path / "a.npy", np.array(rows, [("end", "M8[D]"), ("x", float), ("y", int)]))
    (told,) = [notice for notice in load(tmp_path / "a.npy", target="y").notices if "'end'" in notice]
    assert told.startswith("column 'end' holds 9999-12-31 in 40 rows, as where there is no date")
    cured = load(tmp_path / "a.npy", target="y", format={"missing": ["9999-12-31"]})
    assert told not in cured.notices
    assert "end is missing" in cured.fitted.features


def test_numbers_that_are_stated_to_be_missing_are_so_in_arrays(tmp_path: Path) -> None:
    """Of any type, whole numbers too, in rows with names and without."""
    x = np.array([[1.5, -999, 3], [-999, 2, 0.1]])
    whole, rows = np.array([[1, -999]]), np.array([(1.5, -999)], [("a", "f4"), ("b", "i8")])
    reading = Reading(missing=("-999", "0.1", "unknown"))
    known = [[1.5, np.nan, 3], [np.nan, 2, np.nan]]
    for values, told in [(x, known), (x.astype("f4"), known), (whole, [[1, np.nan]]), (rows, [[1.5, np.nan]])]:
        np.save(tmp_path / "a.npy", values)
        np.testing.assert_array_equal(read_table(tmp_path / "a.npy", reading).frame, told)
    np.savez(tmp_path / "a.npz", x=x, y=[1, -999])
    np.testing.assert_array_equal(read_table(tmp_path / "a.npz", reading).frame["x[1]"], [np.nan, 2])


def test_what_is_stated_to_be_missing_is_so_in_parquet(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet",
        whole=[1, -999, 3],
        part=[0.5, -999.0, 2.5],
        word=["a", "unknown", "-999"],
        key=keys(rows=3),
    )
    frame = read_table(path, Reading(missing=("-999", "unknown", str(FIRST + 1)))).frame
    assert frame.isna().to_numpy().tolist() == [[False] * 4, [True] * 4, [False, False, True, False]]
    assert frame["key"].dropna().tolist() == [str(FIRST), str(FIRST + 2)]


def test_numbers_that_are_stated_to_be_missing_are_so_in_parquet_however_they_are_written(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet",
        float=[-9999999.0, 1e10, -1e-05, 0.5],
        single=pa.array([-999.9, 1e10, 3, 4], pa.float32()),
        whole=[-999, 10**10, FIRST, FIRST + 1],
        byte=pa.array([1, 2, 3, 4], pa.int8()),
        stored=[Decimal("-999.9"), Decimal(3), Decimal(4), Decimal(5)],
    )
    stated = ("-9999999", "-999.0", "-999.9", "1e10", "-0.00001", str(FIRST), "4.5", "1e999")
    frame = read_table(path, Reading(missing=stated)).frame
    gone = {name: np.flatnonzero(frame[name].isna()).tolist() for name in frame.columns}
    assert gone == {"float": [0, 1, 2], "single": [0, 1], "whole": [0, 1, 2], "byte": [], "stored": [0]}


def test_a_date_that_is_stated_to_be_missing_is_so_in_text_and_stored(tmp_path: Path) -> None:
    words = ["1900-01-01 00:00:00", "2024-05-01 10:00:00", "2024-05-02 00:00:00"]
    path = write(tmp_path / "a.parquet", word=words, stored=pa.array(pd.to_datetime(words)))
    frame = read_table(path, Reading(missing=("1900-01-01 00:00:00",))).frame
    assert frame.isna().to_numpy().tolist() == [[True, True], [False, False], [False, False]]
    frame = read_table(path, Reading(missing=("1900-01-01",))).frame
    assert frame["stored"].isna().tolist() == [True, False, False] and not frame["word"].isna().any()


def test_parquet_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"x": range(25)}), path, row_group_size=4)
    chunks = list(read_chunks(path, 10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [row for chunk in chunks for row in chunk.frame.index] == list(range(25))
    assert [x for chunk in chunks for x in chunk.frame["x"]] == list(range(25))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([[1], [2]]), "column 'odd' is nested (list<"),
        (
            pa.array([{"a": 1}, {"a": 2}]),
            "column 'odd' is nested (struct<a: int64>); unfold it into columns of its own",
        ),
        (pa.array([b"x", b"y"]), "column 'odd' is of type binary; write it as numbers, text or dates"),
        (pa.array([dt.time(1), dt.time(2)]), "column 'odd' is of type time64[us]; write it as"),
    ],
)
def test_parquet_types_that_are_refused(tmp_path: Path, values: Any, told: str) -> None:
    path = write(tmp_path / "a.parquet", odd=values, y=[1, 2])
    assert message(path, target="y").startswith(f"{path}: {told}")


def test_broken_parquet(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", x=list(range(1000)), y=list(range(1000)))
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[:-5], whole[: len(whole) // 2], b"garbage" * 9):
        path.write_bytes(content)
        assert message(path, target="y").startswith(f"{path}: not a usable Parquet file (")
    assert message(write(path, x=pa.array([], pa.int64())), target="x") == (
        f"{path}: no rows; at least one row and one column are needed"
    )


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", x=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert message(path, target="x") == f"{path}: Parquet files need pyarrow; to install: {installing('parquet')}"


def test_an_array_s_columns_are_called_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.stack([np.arange(20), np.arange(20) % 2], axis=1).astype(">f4"))
    assert prepare(Data(source=str(path), target="1"), "float32").fitted.features == ["0"]
    assert message(path) == f"{path}: which column is the target? Set data.target; the last are 0, 1"


def test_records(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    kinds = [("size", "<f4"), ("sold", "?"), ("town", "<U5"), ("day", "<M8[D]"), ("y", ">i2")]
    rows = [(i / 2, i % 3 == 0, ["York", "Bath"][i % 2], f"2026-01-{i + 1:02}", i % 2) for i in range(20)]
    np.save(path, np.array(rows, dtype=kinds))
    fitted = prepare(Data(source=str(path), target="y"), "float32").fitted
    assert fitted.features == ["size", "sold", "town=Bath", "town=York", "day weekday"]
    assert [len(chunk) for chunk in read_chunks(path, 8)] == [8, 8, 4]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.arange(5.0), "the array has shape (5,); it must be (rows, columns)"),
        (np.zeros((0, 3)), "the array is empty; at least one row and one column are needed"),
        (np.array([["a", "b"]]), "the array is of type <U1; it must hold numbers"),
        (np.array([[1j]]), "the array is of type complex128; it must hold numbers"),
        (np.array([(1, b"x")], dtype=[("a", "i4"), ("b", "S3")]), "field 'b' is of type |S3; it must hold one"),
        (np.zeros(3, dtype=[("a", "f4", (2,))]), "field 'a' is of type ('<f4', (2,)); it must hold one number"),
        (np.zeros(3, dtype=[("a", "<U0")]), "field 'a' is of type <U0; it must hold one number, text or date a row"),
        (np.array([[object()]]), "not a usable .npy file: it holds Python objects; write plain arrays with numpy.save"),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, values: Any, told: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, values, allow_pickle=True)
    assert message(path, target="0").startswith(f"{path}: {told}")


def test_broken_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100, 3)))
    whole = path.read_bytes()
    huge = whole.replace(b"(100, 3), ", b"(10**15,3)")
    endless = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b"{"
    larger = whole.replace(b"(100, 3), }", b"(9999999,3)}")
    for content in (b"", whole[:50], whole[:-8], b"garbage", huge, endless, larger):
        path.write_bytes(content)
        assert message(path, target="0") == (
            f"{path}: not a usable .npy file: it is damaged or of another kind; write plain arrays with numpy.save"
        )


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_objects_are_never_unpickled(tmp_path: Path, name: str) -> None:
    sprung = tmp_path / "sprung"
    trap = np.array([[Trap(sprung)]], dtype=object)
    if name == "a.npy":
        np.save(tmp_path / name, trap, allow_pickle=True)
    else:
        np.savez(tmp_path / name, x=trap, y=np.arange(1))
    told = (
        "it holds Python objects" if name == "a.npy" else "array 'x' holds Python objects; write x.astype(str), or .as"
    )
    assert told in message(tmp_path / name, target="y")
    (tmp_path / name).write_bytes(trap.dumps())  # a bare pickle
    assert "it is damaged or of another kind" in message(tmp_path / name, target="y")
    assert not sprung.exists()


@pytest.mark.parametrize(("shape", "image"), [((4, 3, 2), [3, 2, 1]), ((4, 2, 2, 3), [2, 2, 3])])
def test_images(tmp_path: Path, shape: tuple[int, ...], image: list[int]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = tmp_path / "a.npz"
    np.savez(path, x=pixels, y=np.arange(len(pixels)) % 2)
    config = Data(source={"train": str(path), "dev": str(path)}, normalize="none")  # type: ignore[arg-type]
    arrays, fitted = arrays_of(config)
    assert fitted.image == image
    assert np.array_equal(arrays["train_x"], pixels.reshape(len(pixels), -1))
    height, width, channels = image
    assert fitted.features[-1] == f"x[{height - 1},{width - 1},{channels - 1}]"
    # A bare array of images serves a run that was trained on them.
    np.save(tmp_path / "new.npy", pixels)
    table = read_table(tmp_path / "new.npy", fitted.reading)
    assert np.array_equal(fitted.preprocessor.transform(table), arrays["train_x"])


@pytest.mark.parametrize(
    ("train", "dev", "words"),
    [
        (
            (4, 5, 3),
            (5, 4, 3),
            "dev.npz: images of 5 × 4 × 3, where .*train.npz has images of 4 × 5 × 3; write all parts",
        ),
        ((4, 5), (6, 7), "dev.npz: images of 6 × 7, where .*train.npz has images of 4 × 5; write"),  # would be cut
        ((4, 5, 3), (60,), "dev.npz: rows that are no images, where .*train.npz has images of 4 × 5 × 3"),
        ((60,), (4, 5, 3), "dev.npz: images of 4 × 5 × 3, where .*train.npz has rows that are no images"),
        ((5, 6, 3), (3, 5, 6), "have their channels first, .* write x.transpose"),
    ],
)
def test_parts_are_images_of_one_shape(
    tmp_path: Path, train: tuple[int, ...], dev: tuple[int, ...], words: str
) -> None:
    for name, shape in (("train", train), ("dev", dev)):
        np.savez(tmp_path / f"{name}.npz", x=np.random.default_rng(0).random((20, *shape)), y=np.arange(20) % 2)
    parts = {"train": str(tmp_path / "train.npz"), "dev": str(tmp_path / "dev.npz")}
    with pytest.raises(DataError, match=words):
        prepare(Data(source=parts), "float32")  # type: ignore[arg-type]


def test_channels_that_come_first_make_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    pixels = np.random.default_rng(0).normal(size=(40, 3, 8, 8))
    np.savez(path, x=pixels, y=np.arange(40) % 2)
    fitted = prepare(Data(source=str(path)), "float32").fitted
    assert (fitted.image, fitted.features[-1]) == (None, "x[191]")
    assert fitted.notices[0] == (
        "a.npz: arrays of shape (3, 8, 8) have their channels first, so they are not taken for images; for "
        "augmentation write x.transpose(0, 2, 3, 1)"
    )
    np.savez(path, x=pixels.transpose(0, 2, 3, 1), y=np.arange(40) % 2)  # as it says
    assert prepare(Data(source=str(path)), "float32").fitted.image == [8, 8, 3]


def test_an_archive_of_parts_is_answered_with_what_to_write(tmp_path: Path) -> None:
    path, x, y = tmp_path / "a.npz", np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    assert message(path).startswith(f"{path}: x_train, y_train, x_test, y_test are parts of the data; write an archive")
    np.savez(tmp_path / "train.npz", x=x, y=y)  # as it says
    np.savez(tmp_path / "dev.npz", x=x, y=y)
    parts = {"train": str(tmp_path / "train.npz"), "dev": str(tmp_path / "dev.npz")}
    assert prepare(Data(source=parts), "float32").data.division.sizes == {"train": 20, "dev": 20}  # type: ignore[arg-type]


def test_images_with_a_pixel_left_out_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((10, 2, 2)) + np.arange(10)[:, None, None], y=np.arange(10) % 2)
    assert prepare(Data(source=str(path), drop=("x[0,0,0]",)), "float32").fitted.image is None
    np.savez(path, x=np.ones((10, 2, 2, 2, 2)), y=np.arange(10) % 2)
    fitted = prepare(Data(source=str(path)), "float32").fitted
    assert (fitted.image, fitted.features[:2]) == (None, ["x[0]", "x[1]"])


def test_new_arrays_need_no_target(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(20.0).reshape(10, 2), label=np.arange(10) % 2)
    fitted = prepare(Data(source=str(tmp_path / "a.npz"), target="label"), "float32").fitted
    np.savez(tmp_path / "new.npz", anything=np.arange(4.0).reshape(2, 2))
    assert read_table(tmp_path / "new.npz", fitted.reading).columns == ["x[0]", "x[1]"]
    chunks = list(read_chunks(tmp_path / "a.npz", 6, fitted.reading))
    assert [len(chunk) for chunk in chunks] == [6, 4]
    assert chunks[1].frame["label"].tolist() == [0, 1, 0, 1]


def test_no_byte_of_an_array_s_header_ends_in_an_internal_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(40.0).reshape(20, 2))
    whole = path.read_bytes()
    for place in range(8, 70):
        for wrong in (b"'", b"(", b"\\", b"\0", b"9", b"]", b"\xff", b'"""'):
            path.write_bytes(whole[:place] + wrong + whole[place + len(wrong) :])
            with contextlib.suppress(DataError):
                read_table(path)


def test_a_header_that_cannot_be_tokenised(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(40.0).reshape(20, 2))
    path.write_bytes(path.read_bytes().replace(b"(20, 2)", b"((20, 2"))
    assert "not a usable .npy file" in message(path, target="0")


@pytest.mark.parametrize("wrong", [0xD800, 0xDFFF, 0x110000])
def test_text_that_is_no_text_has_its_row(tmp_path: Path, wrong: int) -> None:
    labels = np.array(["a", "bb"] * 20)
    labels.view(np.uint32)[6] = wrong
    np.savez(tmp_path / "a.npz", x=np.arange(40.0).reshape(40, 1), y=labels)
    assert message(tmp_path / "a.npz", target="y").endswith("row 4 of array 'y' is no text; write it anew")
    records = np.zeros(40, [("x", float), ("y", "U2")])
    records["y"] = labels
    np.save(tmp_path / "a.npy", records)
    assert message(tmp_path / "a.npy", target="y").endswith("row 4 of field 'y' is no text; write it anew")


def test_half_a_character_in_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x,y\n1,+2AA-\n")
    assert message(path, target="y", format={"encoding": "utf-7"}) == (
        "a.csv: '\\ud800' is only half of a character; name the file's encoding in data.format.encoding"
    )


@pytest.mark.parametrize("sign", ["", "-"])
def test_whole_numbers_beyond_floats_are_infinite(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x,y\n{sign}{'9' * 400},a\n1,b\n" * 1 + "2,a\n3,b\n" * 10)
    assert message(path, target="y").startswith(f"{path}:2:1: the value in column 'x' is infinite")


def test_row_groups_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    full, empty = pa.table({"x": [1.0, 2.0]}), pa.table({"x": pa.array([], pa.float64())})
    with parquet.ParquetWriter(path, full.schema) as writer:
        for table in (empty, full, empty, full, empty):
            writer.write_table(table)
    for rows in (1, 3, 5):
        assert [x for chunk in read_chunks(path, rows) for x in chunk.frame["x"]] == [1, 2, 1, 2]


def test_a_reader_that_finds_no_row_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a damaged file counts rows that are not there."""
    monkeypatch.setitem(FILE_FORMATS, ".parquet", FileFormat(lambda path, reading, rows: iter(())))
    path = write(tmp_path / "a.parquet", x=[1.0, 2.0], y=[1, 2])
    told = f"{path}: no rows; at least one row and one column are needed"
    assert message(path, target="y") == told
    with pytest.raises(DataError, match="no rows"):
        list(read_chunks(path, 5))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+99:00", "Nowhere/Land"])
def test_times_of_any_zone_are_in_utc(tmp_path: Path, zone: str) -> None:
    path = write(tmp_path / "a.parquet", t=pa.array([0, 3_600], pa.timestamp("s", zone)), y=[1.0, 2.0])
    assert read_table(path).frame["t"].tolist() == [pd.Timestamp(seconds, unit="s", tz="UTC") for seconds in (0, 3_600)]


def test_halves_are_read_as_float32(tmp_path: Path) -> None:
    """Limits such as 2**53 are beyond halves, which warn there."""
    halves = np.array([0.5, 65_504.0, 3.0], dtype=np.float16)
    np.save(tmp_path / "a.npy", halves.reshape(-1, 1))
    tables = [read_table(tmp_path / "a.npy"), read_table(write(tmp_path / "a.parquet", h=pa.array(halves)))]
    assert [table.frame.iloc[:, 0].tolist() for table in tables] == [[0.5, 65_504.0, 3.0]] * 2
    assert {str(table.frame.iloc[:, 0].dtype) for table in tables} == {"float32"}


def test_numbers_longer_than_float64_are_read_as_it(tmp_path: Path) -> None:
    """Or one just below 3 would be the class 2, when it becomes a whole number."""
    longs = np.array([3 - np.longdouble(2) ** -60, 1, 1], np.longdouble)
    np.savez(tmp_path / "a.npz", x=longs.reshape(-1, 1), y=longs)
    table = read_table(tmp_path / "a.npz")
    assert {str(table.column(name).dtype) for name in table.columns} == {"float64"}
    assert label_codes(table.column("y"))[1] == ["3", "1"]


def test_dates_without_a_unit_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, dtype=[("d", "M8"), ("y", "f8")]))
    with pytest.raises(DataError, match="field 'd' is of type datetime64; it must hold one number, text or date a row"):
        read_table(tmp_path / "a.npy")


def test_labels_without_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((0, 3)), y=np.zeros(0, dtype="U3"))
    with pytest.raises(DataError, match="array 'x' is empty; at least one row and one column are needed"):
        read_table(tmp_path / "a.npz")


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_archives_of_other_packings_that_are_damaged(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("x.npy", bytes(500))
    content = bytearray(path.read_bytes())
    content[45:60] = b"\xff" * 15  # within the packed bytes, which begin behind a header of 35
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a usable \.npz archive: it is damaged or of another kind"):
        read_table(path)


def noted(path: Path, table: pa.Table, note: bytes | None, arrow: bool = False) -> list[str]:
    """The categories in a file with this note of pandas, and that of Arrow or none."""
    with parquet.ParquetWriter(path, table.schema.remove_metadata(), store_schema=arrow) as writer:
        writer.write_table(table.replace_schema_metadata())
        if note is not None:
            writer.add_key_value_metadata({"pandas": note})
    return stated_categories(path)


def test_what_was_a_category_is_noted_by_arrow_or_by_pandas(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"zone": pd.Categorical([3, 1, 3]), "x": [3, 1, 3]}))
    path, note = tmp_path / "a.parquet", table.schema.metadata[b"pandas"]
    assert noted(path, table, None, arrow=True) == noted(path, table, note) == ["zone"]
    assert noted(path, table, None) == []
    assert parquet.read_schema(path).types == [pa.int64(), pa.int64()]
    twice = table.append_column("zone", table["zone"])
    assert noted(path, twice, None, arrow=True) == []  # which of them is told by its place alone


@pytest.mark.parametrize(
    "note",
    [b"", b"\xff", b"[]", b'{"columns": 1}', b'{"columns": [1]}', b'{"columns": [{"pandas_type": "categorical"}]}'],
)
def test_another_note_in_the_place_of_pandas_s_says_nothing(tmp_path: Path, note: bytes) -> None:
    assert noted(tmp_path / "a.parquet", pa.table({"zone": [3, 1, 3]}), note) == []
