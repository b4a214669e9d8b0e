"""Every mistake in a data file is answered with its place, its nature and what to do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.config.data_section import Data
from nnrun.data.prepare import prepare
from nnrun.errors import DataError


def message(load: Any, source: Any, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **settings)
    assert caught.value.exit_code == 4
    return str(caught.value)


GOOD = [f"{i},{'ab'[i % 2]}" for i in range(10)]

ADD_FIELDS = "add the missing fields (an unknown value is an empty field between commas)"

# Lines of the file, settings, and the message after the file's name.
CSV_MISTAKES: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "too few fields": (
        ["x,z,y", "1,2,a", "3,b", "5,6,a"],
        {},
        ":3:3: 2 fields where the header has 3; " + ADD_FIELDS,
    ),
    "one field": (
        ["x,z,y", "1,2,a", "3"],
        {},
        ":3:2: 1 field where the header has 3; " + ADD_FIELDS,
    ),
    "too many fields": (
        ["x,y", "1,a", "2,b", "3,a,b"],
        {},
        ":4:3: 3 fields where the header has 2; put quotes around a value that contains commas",
    ),
    "empty fields at the end": (
        ["x;y", "1;a;;"],
        {},
        ":2:3: 4 fields where the header has 2; remove the semicolons at its end, or put as many behind the column "
        "names",
    ),
    "a title above the names": (
        ["Sales of 2026", "x,y", "1,a"],
        {},
        ":1: a title above the table; the names of its columns seem to stand in line 2; remove what stands above them",
    ),
    "ragged after a quoted newline and an empty line": (
        ["x,z,y", '1,"two', 'lines",a', "", "3,b"],
        {},
        ":5:3: 2 fields where the header has 3; " + ADD_FIELDS,
    ),
    "ragged over two lines is named by its first": (
        ["x,z,y", "1,2,a", '"two', 'lines",b'],
        {},
        ":3:3: 2 fields where the header has 3; " + ADD_FIELDS,
    ),
    "unclosed quote": (
        ["x,y", '1,"a', "2,b"],
        {},
        ":2:2: a quote opens here and is never closed; close it, or double it where it is part of the value",
    ),
    "text after a quote": (
        ["x,y", '1,"a"b', "2,b"],
        {},
        ":2: ',' expected after '\"'; check the quotes on this line and before it",
    ),
    "header only": (["x,y"], {}, ":1: a header but no rows; add the data below it"),
    "one row": (
        ["x,y", "1,2.5"],
        {"task": "regression"},
        ": 1 row for 3 parts; add rows, or do without a test set (data.split: [0.8, 0.2, 0])",
    ),
    "the same number everywhere": (
        ["x,y", "1,2.5", "2,2.5", "3,2.5"],
        {},
        ":1:2: target column 'y' is 2.5 in every row; there is nothing to learn, choose another target",
    ),
    "two columns with the target's name": (
        ["x,y,y", "1,2,3"],
        {},
        ":1:2: several columns are called 'y', but data.target must name one; rename them",
    ),
    "two columns with the group's name": (
        ["g,g,y", "1,2,3"],
        {"group": "g"},
        ":1:1: several columns are called 'g', but data.group must name one; rename them",
    ),
    "values in a column without a name": (
        ["x,,y", "1,,a", "1,2,a"],
        {},
        ":3:2: a value in a column without a name; name the column, or remove it",
    ),
    "no target set": (
        ["x,z,y", "1,2,a"],
        {"target": None},
        ":1: which column is the target? Set data.target; the last are x, z, y",
    ),
    "misspelt target": (
        ["x,price", "1,2"],
        {"target": "prise"},
        ":1: no column 'prise'; did you mean 'price'?",
    ),
    "fields between what no file is read with": (
        ["x^c^price", "1^2^3"],
        {"target": "price"},
        ":1: no column 'price'; the only column is 'x^c^price'; if it is several, write commas, semicolons, tabs or "
        "bars between fields",
    ),
    "target of another case": (["x,Y", "1,2"], {}, ":1: no column 'y'; did you mean 'Y'?"),
    "target of other code points": (
        ["x,Gro\u0308ße", "1,2"],
        {"target": "Größe"},
        ":1: no column 'Größe'; did you mean \"Gro\\u0308\\u00dfe\", which has other code points?",
    ),
    "unknown target": (
        ["one,two", "1,2"],
        {"target": "label"},
        ":1: no column 'label'; the columns are one, two",
    ),
    "no header": (
        ["5.1,3.5", "4.9,3.0"],
        {"target": "label"},
        ":1: no column 'label'; the columns are 5.1, 3.5 "
        "(the first line holds numbers only: is the line with the column names missing? Then set data.format.header to "
        "false)",
    ),
    "semicolons": (
        ["one;label", "1;2"],
        {"target": "q"},
        ":1: no column 'q'; the columns are one, label",
    ),
    "unknown group": (
        ["x,city,y", "1,a,2"],
        {"group": "ctiy"},
        ":1: no column 'ctiy'; did you mean 'city'?",
    ),
    "unknown time": (["x,day,y", "1,1,2"], {"time": "dy"}, ":1: no column 'dy'; did you mean 'day'?"),
    "unknown drop": (["x,name,y", "1,a,2"], {"drop": ["nam"]}, ":1: no column 'nam'; did you mean 'name'?"),
    "target dropped": (
        ["x,y", "1,2"],
        {"drop": ["y"]},
        ":1:2: 'y' is the target; take it out of drop, group, time and weight",
    ),
    "missing targets": (
        ["x,y", "1,a", "2,", "3,b", "4,NA"],
        {},
        ":3:2: no value in target column 'y' (2 rows in all); fill them in or remove these rows; "
        "data.missing_target: drop leaves them out",
    ),
    "NaN in the target": (
        ["y,x", "1.5,1", "nan,2", "2.5,3"],
        {},
        ":3:1: no value in target column 'y' (1 row in all); fill them in or remove these rows; "
        "data.missing_target: drop leaves them out",
    ),
    "infinite target": (
        ["x,y", "1,1.5", "2,inf", "3,2.5"],
        {},
        ":3:2: the value in column 'y' is infinite; correct it, or leave the field empty if the value is unknown",
    ),
    "infinite number": (
        ["x,y", *GOOD[:4], "-inf,a", *GOOD[5:]],
        {},
        ":6:1: the value in column 'x' is infinite; correct it, or leave the field empty if the value is unknown",
    ),
    "number beyond float64": (
        ["x,y", *GOOD[:4], "1e999,a", *GOOD[5:]],
        {},
        ":6:1: the value in column 'x' is infinite; correct it, or leave the field empty if the value is unknown",
    ),
    "one class only": (
        ["x,y", "1,a", "2,a", "3,a"],
        {},
        ":1:2: target column 'y' has one class only ('a'); add rows of another class, or choose another target",
    ),
    "text target in regression": (
        ["x,y", "1,2", "2,low", "3,5"],
        {"task": "regression"},
        ":3:2: 'low' in column 'y' is not a number; set data.task: classification, or choose a target of numbers",
    ),
    "boolean target in regression": (
        ["x,y", "1,true", "2,false", "3,true"],
        {"task": "regression"},
        ":1:2: target column 'y' is true or false, not a number; "
        "set data.task: classification, or choose a target of numbers",
    ),
    "fractions as classes": (
        ["x,y", "1,2", "2,2.5", "3,5"],
        {"task": "classification"},
        ":3:2: 2.5 in target column 'y' is not a class (whole numbers, words and booleans are); "
        "set data.task: regression",
    ),
    "fewer rows than parts": (
        ["x,y", "1,a", "2,b"],
        {},
        ": 2 rows for 3 parts; add rows, or do without a test set (data.split: [0.8, 0.2, 0])",
    ),
    "one row for two parts": (
        ["x,y", "1,a"],
        {"split": (0.7, 0.3, 0)},
        ": 1 row for 2 parts; add rows",
    ),
    "fewer groups than parts": (
        ["x,city,y", *(f"{i},{'pq'[i // 5]},{'ab'[i % 2]}" for i in range(10))],
        {"group": "city"},
        ": 2 groups for 3 parts; add groups, or do without a test set (data.split: [0.8, 0.2, 0])",
    ),
    "no group": (
        ["x,city,y", "1,p,a", "2,,b", "3,q,a"],
        {"group": "city"},
        ":3:2: no value in column 'city', which splits the rows; fill it in or remove the row",
    ),
    "no date": (
        ["day,x,y", "2026-01-01,1,a", "soon,2,b", "2026-01-02,3,a"],
        {"time": "day"},
        ":3:1: 'soon' in time column 'day' is neither a number nor a date like 2026-01-31 or 2026-01-31T12:00; "
        "rewrite the column",
    ),
    "column without any value": (
        ["x,gap,y", *(f"{i},,{'ab'[i % 2]}" for i in range(10))],
        {},
        ":1:2: column 'gap' has no value at all; add it to data.drop",
    ),
    "no feature": (
        ["x,y", *GOOD],
        {"drop": ["x"]},
        ":1: no column left to learn 'y' from; add columns, or drop fewer",
    ),
    "a date that never varies": (
        ["day,y", *(f"2026-01-31,{'ab'[i % 2]}" for i in range(10))],
        {},
        ":1: no column left to learn 'y' from; add columns, or drop fewer",
    ),
    "slip in a column of numbers": (
        ["x,y", *(f"{i},{i % 2}" for i in range(30)), "1O,1"],
        {},
        ":32:1: '1O' is not a number, but 30 of 31 values of column 'x' are; "
        "correct it, or leave the field empty if the value is unknown, or list it in data.format.missing",
    ),
    "slip in a target of numbers": (
        ["x,y", *(f"1,{i}.5" for i in range(30)), "1,!"],
        {},
        ":32:2: '!' is not a number, but 30 of 31 values of column 'y' are; "
        "correct it, or leave the field empty if the value is unknown, or list it in data.format.missing",
    ),
}


@pytest.mark.parametrize("mistake", CSV_MISTAKES)
def test_csv_mistakes(csv: Any, load: Any, mistake: str) -> None:
    lines, settings, expected = CSV_MISTAKES[mistake]
    path = csv(*lines)
    assert message(load, path, **({"target": "y"} | settings)) == f"{path}{expected}"


def test_class_that_is_absent_from_training(csv: Any, load: Any) -> None:
    # By time, the last two of ten rows are the test part, and the only row of class c is among them.
    path = csv("day,x,y", *(f"{i},{i},{'ab'[i % 2]}" for i in range(9)), "9,9,c")
    assert message(load, path, target="y", time="day") == (
        f"{path}:11:3: class 'c' has 1 row and none came into the training part; "
        "it comes after the rows that train: give the training part more in data.split, or leave its rows out"
    )


def test_number_too_large_for_the_dtype(csv: Any, load: Any) -> None:
    path = csv("x,y", *GOOD[:3], "1e39,b", *GOOD[4:])
    assert message(load, path, dtype="float32", target="y", normalize="none") == (
        f"{path}:5:1: the value in column 'x' is too large for float32; correct it, or scale the column down"
    )
    assert load(path, dtype="float64", target="y", normalize="none").n_features == 1


def test_target_too_large_for_the_dtype(csv: Any, load: Any) -> None:
    # The training rows end at 5; beside them 1e300 stays beyond float32 after standardisation.
    path = csv("day,x,y", *(f"{i},{i},{i}.5" for i in range(9)), "9,9,1e300")
    assert message(load, path, dtype="float32", target="y", time="day") == (
        f"{path}:11:3: the value in column 'y' is too large for float32; correct it, or scale the column down"
    )


def test_numbers_at_the_end_of_float64(csv: Any, load: Any) -> None:
    rows = [f"{x},,{i}.5" for i, x in enumerate(["1e308", "-1e308", "", "1e308"] * 5)]
    data = load(csv("x,gap,y", *rows), target="y", drop=["gap"])
    assert all(np.isfinite(part.x).all() for part in data.parts.values())


def test_categories_beyond_memory(csv: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 categories and 1 number for 8 rows of 8 bytes are 320 bytes; 200 are said to be free.
    monkeypatch.setattr("nnrun.machine.capacity.free_memory", lambda: 200)
    path = csv("x,city,y", *(f"{i},{'pqrs'[i % 4]},{'ab'[i % 2]}" for i in range(8)))
    assert message(load, path, target="y") == (
        f"{path}:1:2: column 'city' has 4 different values; one feature for each would take about 0.0 GB of "
        "memory, and 0.0 GB are free; add it to data.drop"
    )


def test_empty_files(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.csv"
    for content in (b"", b"\n\n", b"\xef\xbb\xbf"):
        path.write_bytes(content)
        assert message(load, path, target="y") == (
            f"{path}: the file is empty; a line of column names and at least one row are needed"
        )


def test_files_that_are_not_text(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.csv"
    told = "a zero byte, so this is not a text file; save the table as CSV in UTF-8"
    path.write_bytes(bytes(range(256)))
    assert message(load, path, target="y") == f"{path}:1:1: {told}"
    path.write_bytes(b"x,y\n1,a\n2,b\x00\n")
    assert message(load, path, target="y") == f"{path}:3:4: {told}"
    path.write_text("x,y\n1,a\n", encoding="utf-16-le")  # without its mark
    assert message(load, path, target="y") == f"{path}:1:2: {told}"


def test_bytes_of_no_encoding(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.csv"
    advice = "save the file as UTF-8, or name its encoding in data.format.encoding"
    path.write_bytes("x,y\n1,é\n2,".encode() + b"\xe9\n")  # UTF-8 first, then something else
    assert message(load, path, target="y") == f"{path}:3:3: a byte that is no text in utf-8; {advice}"
    path.write_bytes("x,y\n1,é\n".encode("cp1252"))
    found = message(load, path, target="y", format={"encoding": "utf-8"})
    assert found == f"{path}:2:3: a byte that is no text in utf-8; {advice}"
    path.write_bytes("x,y\n1,a\n".encode("utf-16")[:-1])
    assert message(load, path, target="y").endswith(f"a byte that is no text in utf-16; {advice}")


def test_damaged_gzip(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.csv.gz"
    whole = gzip.compress("\n".join(["x,y", *GOOD]).encode())
    for content in (whole[:-9], whole[:20], whole[:15] + bytes(10) + whole[25:], b"\x1f\x8bgarbage"):
        path.write_bytes(content)
        assert message(load, path, target="y") == f"{path}: a damaged gzip file; pack it again"


FORMATS = ".csv, .tsv, .txt, .jsonl, .ndjson, .parquet, .xlsx, .xlsm, .npy or .npz"


def test_paths_that_are_no_file(tmp_path: Path, csv: Any, load: Any) -> None:
    csv("x,y", name="houses.csv")
    assert message(load, tmp_path / "house.csv", target="y") == (
        f"{tmp_path}/house.csv: no such file; did you mean '{tmp_path}/houses.csv'?"
    )
    assert message(load, tmp_path / "digts", target="y") == f"{tmp_path}/digts: no such file; did you mean 'digits'?"
    assert message(load, tmp_path / "q.csv", target="y") == f"{tmp_path}/q.csv: no such file"
    assert message(load, "/no/such/q.csv", target="y") == "/no/such/q.csv: no such file"
    assert message(load, tmp_path, target="y") == f"{tmp_path}: this is a directory; name a {FORMATS} file"
    fifo = tmp_path / "pipe.csv"
    os.mkfifo(fifo)
    assert message(load, fifo, target="y") == f"{fifo}: not a regular file; name a {FORMATS} file"
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    assert message(load, loop, target="y") == f"{loop}: a link that leads to no file"
    long = tmp_path / ("x" * 300 + ".csv")
    assert message(load, long, target="y") == (
        f"{long}: cannot be read (file name too long); check the path and its permissions"
    )


@pytest.mark.parametrize("name", ["cat.png", "scans/one.JPG", "pets/cats/1.jpeg"])
def test_images_are_to_become_an_array(name: str, tmp_path: Path, load: Any) -> None:
    """A file, a folder of them, and one with a folder for each class."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    source = tmp_path / name.split("/")[0]
    what = "a directory of images" if source.is_dir() else "an image"
    told = message(load, source, target="y")
    assert told.startswith(f"{source}: this is {what}; images are read as one array (rows, height, width, channels)")
    assert "numpy.savez('images.npz', x=…, y=…)" in told and "docs/data.md" in told


def test_unknown_suffixes(csv: Any, load: Any) -> None:
    table = csv("x,y", *GOOD, name="data.ods")
    assert message(load, table, target="y") == f"{table}: the format '.ods' is not supported; convert it to {FORMATS}"
    bare = csv("x,y", *GOOD, name="data")
    assert message(load, bare, target="y") == f"{bare}: a file without a suffix; convert it to {FORMATS}"


def test_permission_denied(csv: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv("x,y", *GOOD)
    if os.geteuid() == 0:  # root may read everything, so that the refusal has to be played

        def refuse(self: Path, *_: Any, **__: Any) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    else:
        path.chmod(0)
    assert message(load, path, target="y") == (
        f"{path}: cannot be read (permission denied); check the path and its permissions"
    )


def test_names_of_other_code_points_in_a_file_per_part(csv: Any, load: Any) -> None:
    train = csv("x,ö,y", *(f"{i},{'pq'[i % 2]},{'éb'[i % 2]}" for i in range(8)), name="train.csv")

    def wrong(*lines: str) -> str:
        dev = csv(*lines, name="dev.csv")
        return message(load, {"train": train, "dev": dev}, target="y").removeprefix(str(dev))

    assert wrong("x,ö,y", "1,p,é", "2,q,e\u0301").startswith(
        ':3:3: class "e\\u0301" does not occur in the training part (b, é)'
    )
    assert wrong("x,o\u0308,y", "1,p,é") == (
        f":1: no column 'ö', which {train} has; did you mean \"o\\u0308\", which has other code points?"
    )


def test_mistakes_in_a_file_per_part(csv: Any, load: Any) -> None:
    train = csv("x,c,y", *(f"{i},{'pq'[i % 2]},{'ab'[i % 2]}" for i in range(8)), name="train.csv")

    def wrong(*lines: str) -> str:
        dev = csv(*lines, name="dev.csv")
        return message(load, {"train": train, "dev": dev}, target="y").removeprefix(str(dev))

    assert wrong("x,c,y", "1,p,a", "2,q,k") == (
        ":3:3: class 'k' does not occur in the training part (a, b); correct it, or add rows of it there"
    )
    assert wrong("x,y", "1,a") == f":1: no column 'c', which {train} has; add it, or name it in data.drop"
    assert wrong("x,c", "1,p") == ":1: no column 'y'; the columns are x, c"
    assert wrong("x,c,y", "1,p,a", "two,p,b") == (
        ":3:1: 'two' in column 'x' is not a number; correct it, or leave the field empty if the value is unknown"
    )
    assert wrong("x,c,y", "1,p,a", "2,p,") == (
        ":3:3: no value in target column 'y' (1 row in all); fill them in or remove these rows; "
        "data.missing_target: drop leaves them out"
    )


X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10) % 2

NPZ_MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no target": ({"x": X}, {}, "no array 'y'; the arrays are x"),
    "misspelt target": (
        {"x": X, "label": Y},
        {"target": "labl"},
        "no array 'labl'; did you mean 'label'?",
    ),
    "no features": ({"y": Y}, {}, "which array holds the features? There are none; name one 'x'"),
    "two candidates": (
        {"a": X, "b": X, "y": Y},
        {},
        "which array holds the features? There are a, b; name one 'x'",
    ),
    "lengths": ({"x": X, "y": Y[:9]}, {}, "'x' has 10 rows but 'y' has 9; they must be as many"),
    "one dimension": ({"x": X[:, 0], "y": Y}, {}, "array 'x' has shape (10,); it must be (rows, columns)"),
    "one-hot targets": (
        {"x": X, "y": np.eye(2)[Y]},
        {},
        "array 'y' has shape (10, 2); it must hold one value a row: (rows,)",
    ),
    "text features": ({"x": X.astype(str), "y": Y}, {}, "array 'x' is of type <U32; it must hold numbers"),
    "dates": (
        {"x": X, "y": Y.astype("datetime64[D]")},
        {},
        "array 'y' is of type datetime64[D]; it must hold numbers or text",
    ),
    "no rows": ({"x": X[:0], "y": Y[:0]}, {}, "array 'x' is empty; at least one row and one column are needed"),
    "objects": (
        {"x": X, "y": Y.astype(object)},
        {},
        "array 'y' holds Python objects; write y.astype(str), or .astype(float)",
    ),
    "infinite": (
        {"x": np.where(X == 7, np.inf, X), "y": Y},
        {},
        "row 4: the value in column 'x[1]' is infinite; correct it, or leave the field empty if the value is unknown",
    ),
    "NaN in the target": (
        {"x": X, "y": np.where(Y == 1, np.nan, 0.5)},
        {},
        "row 2: no value in target column 'y' (5 rows in all); fill them in or remove these rows; "
        "data.missing_target: drop leaves them out",
    ),
}


@pytest.mark.parametrize("mistake", NPZ_MISTAKES)
def test_npz_mistakes(tmp_path: Path, load: Any, mistake: str) -> None:
    arrays, settings, expected = NPZ_MISTAKES[mistake]
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    assert message(load, path, **settings) == f"{path}: {expected}"


def test_npz_garbage(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=Y)
    whole = path.read_bytes()
    np.save(tmp_path / "plain.npy", X)
    damaged = bytearray(whole)
    damaged[150:170] = bytes(20)
    expected = (
        f"{path}: not a usable .npz archive: it is damaged or of another kind; write plain arrays with numpy.savez"
    )
    plain = (tmp_path / "plain.npy").read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2], bytes(damaged), plain, os.urandom(300)):
        path.write_bytes(content)
        assert message(load, path) == expected


cells = st.sampled_from(
    ["1", "2.5", "-3", "a", "b", "", "NA", "true", "inf", '"', '"q"', "1e400", " ", "é", "\n", ";", "9" * 30]
)
tables = st.lists(st.lists(cells, min_size=1, max_size=4).map(",".join), max_size=12).map("\n".join)


@given(body=tables, task=st.sampled_from(["auto", "classification", "regression"]))
def test_whatever_the_file_holds_the_answer_is_arrays_or_a_message(
    tmp_path_factory: pytest.TempPathFactory, body: str, task: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.csv"
    path.write_text(f"x,z,y\n{body}", encoding="utf-8")
    try:
        arrays = prepare(Data(source=str(path), target="y", task=task, split=(0.7, 0.3, 0)), "float32").arrays()
    except DataError as error:
        assert str(error).startswith(f"{path}:")
    else:
        assert all(np.isfinite(values).all() for values in arrays.values())


@given(rows=st.lists(st.tuples(cells, cells, st.sampled_from(["a", "b", "1", "0.5"])), min_size=2, max_size=12))
def test_whatever_the_cells_hold_the_answer_is_arrays_or_a_message(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    test_whatever_the_file_holds_the_answer_is_arrays_or_a_message.hypothesis.inner_test(  # type: ignore[attr-defined]
        tmp_path_factory, "\n".join(",".join(row) for row in rows), "auto"
    )
