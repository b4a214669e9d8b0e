"""JSON lines: values mean what a CSV file's cells mean, lines are told, and a key may turn up anywhere."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.data_section import Data
from nnrun.config.text_format import Format
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import File, lacks_names
from nnrun.data.prepare import prepare
from nnrun.errors import DataError
from nnrun.insight.scaffold.verbs import Wishes, scaffold
from tests.data.reading import fault, read_chunks, read_table

Jsonl = Callable[..., Path]


@pytest.fixture
def jsonl(tmp_path: Path) -> Jsonl:
    """jsonl('{"a": 1}', {"a": 2}) writes these lines to data.jsonl."""

    def write(*lines: Any, name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return path

    return write


def messy(i: int) -> dict[str, Any]:
    """Values of all kinds, in the types that JSON has."""
    return {
        "number": i / 7,
        "whole": i % 6,
        "gap": None if i % 5 == 0 else i * 0.1,
        "huge": 10**20 + i,
        "code": f"{i % 7:03}",
        "word": ["Köln", "a, b", 'says "no"', "two\nlines", " begins with a space"][i % 5],
        "unknown": ["NA", "x", "y"][i % 3],
        "truth": i % 3 == 0,
        "truth or not": None if i % 4 == 0 else i % 3 == 0,
        "mixed": [1, 2.5, "text", True][i % 4],
        "day": f"2026-0{1 + i % 9}-1{i % 8}",
        "paid": f"{i}.50 kg",
        "tiny": 5e-324 * i,
        "class": "abc"[i * i % 3],
        "price": 0.1 + i,
    }


ROWS = [messy(i) for i in range(90)]


@pytest.mark.parametrize("target", ["class", "price", "truth"])
@pytest.mark.parametrize("cells", [None, 15 * 20])
def test_prepared_as_from_csv_bit_for_bit(
    tmp_path: Path, jsonl: Jsonl, monkeypatch: pytest.MonkeyPatch, target: str, cells: int | None
) -> None:
    frame = pd.DataFrame({key: pd.Series([row[key] for row in ROWS], dtype=object) for key in ROWS[0]})
    frame.to_csv(tmp_path / "data.csv", index=False)
    if cells:
        monkeypatch.setattr("nnrun.data.files.chunks.CELLS", cells)
    by_text = prepare(Data(source=str(tmp_path / "data.csv"), target=target), "float64")
    by_lines = prepare(Data(source=str(jsonl(*ROWS)), target=target), "float64")
    one, other = by_text.arrays(), by_lines.arrays()
    assert list(one) == list(other)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    told, expected = by_lines.fitted.document, by_text.fitted.document
    told, expected = ({**each, "files": None, "source": None} for each in (told, expected))
    assert json.dumps(told).replace("data.jsonl", "data.csv") == json.dumps(expected)


def test_what_pandas_writes_is_what_it_writes_as_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.1 + 0.2, 1e-9, 3.0], "n": [1, 2, 3], "t": [True, False, True], "w": ["a", None, "b"]})
    frame.to_json(tmp_path / "a.ndjson", orient="records", lines=True, double_precision=15)
    frame.to_csv(tmp_path / "a.csv", index=False)
    one, other = read_table(tmp_path / "a.ndjson").frame, read_table(tmp_path / "a.csv").frame
    assert one.dtypes.tolist() == other.dtypes.tolist()
    assert one[["n", "t", "w"]].equals(other[["n", "t", "w"]])


def test_all_digits_of_numbers_are_read(jsonl: Jsonl) -> None:
    table = read_table(jsonl('{"x": 0.30000000000000004, "n": 9007199254740993}', '{"x": 1e-320, "n": -0}'))
    assert table.frame["x"].tolist() == [0.30000000000000004, 1e-320]
    assert table.frame["n"].tolist() == [9007199254740993, 0]


def test_a_key_that_is_lacking_is_a_gap_wherever_it_turns_up(jsonl: Jsonl) -> None:
    path = jsonl({"a": 1}, "", {"b": "x", "a": 2}, {"c": None}, {}, {"c": 1.5})
    table = read_table(path)
    assert table.columns == ["a", "b", "c"]
    assert table.frame.isna().sum().tolist() == [3, 4, 4]
    assert list(table.lines or ()) == [1, 3, 4, 5, 6]
    (one, two, three) = read_chunks(path, 2)
    assert [piece.columns for piece in (one, two, three)] == [["a", "b", "c"]] * 3
    assert (three.first_row, list(three.lines or ()), three.frame.index.tolist()) == (4, [6], [4])


def test_one_column_with_gaps_keeps_its_rows(jsonl: Jsonl) -> None:
    assert read_table(jsonl({"a": None}, {"a": 1}, {}, {"a": ""})).frame["a"].isna().tolist() == [
        True,
        False,
        True,
        True,
    ]


def test_places_are_lines(jsonl: Jsonl) -> None:
    path = jsonl(*({"x": i, "y": "ab"[i % 2]} for i in range(40)), {"x": "4o", "y": "a"})
    with pytest.raises(DataError, match="4o") as caught:
        prepare(Data(source=str(path), target="y"), "float64")
    assert str(caught.value).startswith(f"{path}:41: '4o' is not a number")
    with pytest.raises(DataError) as caught:
        prepare(Data(source=str(path), target="z"), "float64")
    assert str(caught.value).startswith(f"{path}: no column 'z'")


def test_nested_values_can_be_left_out(jsonl: Jsonl) -> None:
    path = jsonl(*({"x": i % 9, "y": "ab"[i % 2], "z": [i, {"a": 1}] if i == 30 else i} for i in range(60)))
    with pytest.raises(DataError) as caught:
        prepare(Data(source=str(path), target="y"), "float64")
    assert str(caught.value) == (
        f"{path}: column 'z' is nested (a list in line 31); unfold it into columns of its own, or name it in data.drop"
    )
    assert prepare(Data(source=str(path), target="y", drop=("z",)), "float64").fitted.features == ["x"]
    found = scaffold(str(path), Wishes("y"), path.parent / "config.yaml").overview.left_out
    assert [column.name for column in found] == ["z"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"a": tru}', ":3:7: no JSON (expecting value); "),
        ('{"a": 1} {"a": 2}', ":3:10: no JSON (extra data); "),
        ('{"a": "x', ":3: the line ends in the midst of an object; a line holds one object"),
        ('{"a": 1', ":3: the line ends in the midst of an object"),
        ("[1, 2]", ":3: a list, where a line holds one object"),
        ('[{"a": 1}]', ":3: a list (write each row as an object on a line of its own"),
        ("17", ":3: the value 17, where a line holds"),
        ("null", ":3: null, where a line"),
        ("{", ":3: JSON that goes on over several lines; write each row as an object"),
        ('{"a": 1, "b": 2, "a": 3}', ":3: key 'a' stands twice in an object"),
        ('{"a": "\\ud83d"}', ":3: \\ud83d is only half of a character"),
        ('{"a": "x\\u0000"}', ":3: \\u0000, a zero byte"),
        ('{"a": "\t"}', ":3:8: no JSON (invalid control character at); "),
        ('{"a": ' + "[" * 100_000, ":3: lists in lists without end; "),
    ],
)
def test_a_broken_line_is_told_with_its_number(jsonl: Jsonl, line: str, told: str) -> None:
    assert fault(jsonl({"a": 1}, {"a": 2}, line, {"a": 3})).startswith(told)


def test_a_file_that_breaks_off(jsonl: Jsonl) -> None:
    path = jsonl({"a": 1}, {"a": 2})
    path.write_bytes(path.read_bytes()[:-3])
    assert fault(path).startswith(":2: the file ends in the midst of an object")
    path.write_bytes(b'{"a": 1}\n{"a": 2}')  # no line end is needed
    assert read_table(path).frame["a"].tolist() == [1, 2]


def test_files_without_rows(jsonl: Jsonl) -> None:
    assert fault(jsonl()).startswith(": the file is empty; at least one line is needed")
    assert fault(jsonl("", " ")).startswith(": the file is empty")
    assert fault(jsonl({}, {})).startswith(": no object has a key")
    assert fault(jsonl("x,y", "1,2")).startswith(":1:1: no JSON (expecting value); a line holds one object")


def test_lines_with_nothing_in_common_are_no_table(jsonl: Jsonl) -> None:
    path = jsonl(*(f'{{"{i}":1}}' for i in range(17_000)))
    assert "next to no keys in common" in fault(path)


def test_packed_in_utf_8_with_its_mark_and_utf_16(jsonl: Jsonl) -> None:
    path = jsonl('{"ä": "\U0001f600"}', '{"ä": "\\ud83d\\ude00"}')
    expected = {"ä": ["\U0001f600"] * 2}
    text = path.read_text()
    assert read_table(path).frame.to_dict("list") == expected
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert read_table(path).frame.to_dict("list") == expected
    gz = path.with_suffix(".jsonl.gz")
    gz.write_bytes(gzip.compress(text.encode()))
    assert read_table(gz).frame.to_dict("list") == expected
    gz.write_bytes(gzip.compress(text.encode())[:-20])
    assert "damaged gzip file" in fault(gz)


def test_decimal_commas_in_texts(jsonl: Jsonl) -> None:
    path = jsonl(*({"x": f"{i},5", "z": i + 0.25, "y": "ab"[i % 2]} for i in range(20)))
    assert read_table(path).frame["x"].tolist()[:2] == ["0,5", "1,5"]
    read = read_table(path, Reading.by(Data(source=str(path), format=Format(decimal=",")))).frame
    assert (read["x"].tolist()[:2], read["z"].tolist()[:2]) == ([0.5, 1.5], [0.25, 1.25])
    grouped = jsonl({"x": "1,234", "z": 0.25}, name="grouped.jsonl")  # the other number leaves no doubt
    assert read_table(grouped).frame["x"].tolist() == [1234]
    assert read_table(jsonl({"x": "1,234"})).frame["x"].tolist() == ["1,234"]


def test_a_file_is_walked_through_once_before_it_is_read(jsonl: Jsonl, monkeypatch: pytest.MonkeyPatch) -> None:
    path, walks = jsonl({"a": 1, "b": 2}, {"a": 3, "b": 4}), []
    from nnrun.data.files import jsonl_file

    plain = jsonl_file._rows
    monkeypatch.setattr(jsonl_file, "_rows", lambda *given: walks.append(given) or plain(*given))
    source = File(path, Reading())
    assert source.is_text and source.width == 2
    assert [len(table) for table in source.chunks(2, ())] == [1, 1]
    assert len(walks) == 3  # to find the keys, for the width, and for the rows
    assert not lacks_names(Data(source=str(path)))


def test_a_file_of_json_is_led_to_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}\n')
    assert fault(path).endswith("; if each of its lines is an object, call it .jsonl")
    as_csv = path.rename(tmp_path / "a.csv")
    assert fault(as_csv).startswith(": this is JSON; call it .jsonl if each line is an object")


def test_missing_values_and_kinds_are_as_stated(jsonl: Jsonl) -> None:
    path = jsonl(*({"x": -999 if i % 9 == 0 else i, "zip": f"0{i}", "y": "ab"[i % 2]} for i in range(40)))
    stated = Data(source=str(path), target="y", format=Format(missing=("-999",)), kinds={"zip": "number"})
    prepared = prepare(stated, "float64")
    assert prepared.fitted.features == ["x", "x is missing", "zip"]
    assert np.isfinite(prepared.arrays()["train_x"]).all()
