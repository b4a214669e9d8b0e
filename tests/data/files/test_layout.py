"""What stands where in a text file: titles, comments, names or none, spaces between fields; and what is no table."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnrun.config.data_section import Data
from nnrun.config.text_format import Format
from nnrun.data.files.layout import find_layout
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import lacks_names
from nnrun.data.fitted import Fitted
from nnrun.data.prepare import prepare
from nnrun.errors import DataError
from tests.data.reading import read, read_table

Csv = Callable[..., Path]
ROWS = ["5.1,3.5,a", "4.9,3.6,b", "4.7,3.2,a", "4.6,3.1,b"]
DOUBT = "the first line looks like a row, not like the names of columns; if it is one, set data.format.header to false"


def fault(path: Path, **format: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **format)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("lines", "looks"),
    [
        (ROWS, True),
        (["p,e,e,x", "p,x,e,x", "e,x,e,p", "x,p,e,x"], True),  # words that occur below
        (["?,2.5,a", "1,1.5,b", "2,1.5,a"], True),
        (["5,1.5,2,x", "4,1.5,2,y", "3,,?,z"], True),
        (["x,z,y", *ROWS], False),
        (["1990,1991,y", *ROWS], False),  # a word that does not occur below
        (["1990,1991,1992", "1,2,3", "4,5,6"], False),  # years
        (["350.1,350.2,350.3,350.4,350.5", "1,1,1,1,1", "2,1,1,1,1"], False),  # wavelengths
        (["town,street", "York,Low", "Bath,High"], False),
        (["y,n", "y,y", "n,y", "n,n"], True),
        (["x,y", "y,1", "n,2"], False),
        ([",a", "0,1", "1,2"], False),  # numbered rows
        (["x", "1", "2"], False),
        (ROWS[:2], False),  # too few to tell
    ],
)
def test_names_that_look_like_a_row(csv: Csv, lines: list[str], looks: bool) -> None:
    assert find_layout("\n".join(lines), "auto", None).data_first is looks
    assert any(DOUBT in notice for notice in read_table(csv(*lines)).notices) is looks


@pytest.mark.parametrize("above", [[], ["# by hand", ""], ["sep=,"]])
def test_columns_without_names_are_numbered(csv: Csv, above: list[str]) -> None:
    path = csv(*above, *ROWS, ROWS[0])
    table = read(path, header=False)
    assert (table.columns, len(table)) == (["c1", "c2", "c3"], 5)
    assert table.frame.iloc[[0, -1]].to_numpy().tolist() == [[5.1, 3.5, "a"]] * 2
    assert table.at_cell(0, "c2") == f"{path}:{len(above) + 1}:2"
    assert not any(DOUBT in notice for notice in table.notices)
    assert not any(DOUBT in notice for notice in read(csv(*ROWS), header=True).notices)


def test_a_run_without_names_reads_new_files_so(csv: Csv) -> None:
    source = str(csv(*ROWS * 5))
    document = prepare(Data(source=source, target="c3", format=Format(header=False)), "float64").fitted.document
    reading = Fitted(document).reading
    assert read_table(csv("1,2", "3,4", name="new.csv"), reading).frame["c2"].tolist() == [2, 4]
    fault = fault_of(csv("1,2", "3", name="new.csv"), reading)
    assert "new.csv:2:2: 1 field where the first row has 2; add the missing fields" in fault


def fault_of(path: Path, reading: Reading) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path, reading)
    return str(caught.value)


def test_a_wrong_name_where_there_are_none_is_answered_with_the_cure(csv: Csv, load: Callable[..., object]) -> None:
    path = csv(*ROWS * 5)
    with pytest.raises(DataError, match=r"looks like a row: if it is one, set data\.format\.header to false\)$"):
        load(path, target="c3")
    load(path, target="c3", format={"header": False})


def test_names_are_taken_where_the_target_is_one_of_them(csv: Csv) -> None:
    path = str(csv("y,n", "y,y", "n,y", "n,n"))
    assert lacks_names(Data(source=path, target="c1"))
    assert not lacks_names(Data(source=path, target="n"))
    assert not lacks_names(Data(source=path, format=Format(header=True)))


def test_comments_above_the_names_are_left_out(csv: Csv) -> None:
    table = read_table(csv("# made by hand, in 2026", "", "# units: cm", "x,z,y", *ROWS))
    assert (table.columns, len(table), table.header_line) == (["x", "z", "y"], 4, 4)
    assert table.at_cell(1, "z").endswith("data.csv:6:2")
    assert table.notices == ("data.csv: read with 2 lines of comments left out above the names",)


def test_names_that_begin_like_a_comment_are_names(csv: Csv) -> None:
    assert read_table(csv("#x,z,y", *ROWS)).columns == ["#x", "z", "y"]
    assert read_table(csv("# of 2026", "#x,z,y", *ROWS)).columns == ["#x", "z", "y"]


def test_a_comment_among_the_rows(csv: Csv) -> None:
    assert fault(csv("x,z,y", *ROWS, "# the end")) == ":6: a comment among the rows; remove this line"


@pytest.mark.parametrize("title", [["Sales, 2026"], ["Sales of 2026", ""], ["Sales of 2026;;"], ["A", "B", "", "C"]])
def test_a_title_above_the_names_is_named(csv: Csv, title: list[str]) -> None:
    lines = [line.replace(",", ";") for line in ["x,z,y", *ROWS]]
    names = len(title) + 1
    assert fault(csv(*title, *lines)) == (
        f":1: a title above the table; the names of its columns seem to stand in line {names}; "
        "remove what stands above them"
    )
    assert read(csv(*lines)).columns == ["x", "z", "y"]  # as the message says


def test_spaces_between_fields(csv: Csv) -> None:
    lines = ["  size   big  name", " 1.5  2  'x'", ' 2.5  3  "a b"', "3.5 -4 c", ""]
    table = read_table(csv(*lines))
    assert table.frame.to_numpy().tolist() == [[1.5, 2, "'x'"], [2.5, 3, "a b"], [3.5, -4, "c"]]
    assert table.notices == ("data.csv: read with spaces between fields",)
    assert read(csv("a b", "x y"), delimiter="space").columns == ["a", "b"]
    assert fault(csv(*lines, "1 2")) == (
        ":6:3: 2 fields where the header has 3; add the missing fields (an unknown value is an empty field between "
        "spaces)"
    )


def test_names_that_lack_the_one_of_the_row_names(csv: Csv) -> None:
    for lines in (['"x","y"', '"1",5,"a"', '"2",6,"b"'], ['"x" "y"', '"r 1" 5 "a"', '"r 2" 6 "b"']):
        table = read_table(csv(*lines))
        assert (table.columns, table.frame.to_numpy().tolist()) == (["x", "y"], [[5, "a"], [6, "b"]])
        assert "the first column has no name" in table.notices[-1]
        assert table.at_cell(0, "x").endswith(":2:2")
    for rows in (["1,5,a", "1,6,b"], ["1.5,5,a", "2.5,6,b"]):  # no names of rows
        assert ":2:3: 3 fields where the header has 2" in fault(csv("x,y", *rows))


def test_two_files_one_behind_the_other(csv: Csv) -> None:
    told = (
        ":6: the names of the columns once more, as where two files were put together; remove this line, or if no line "
        "holds names, set data.format.header to false"
    )
    assert fault(csv("x,z,y", *ROWS, "x,z,y", *ROWS)) == told
    assert read_table(csv("name", "x", "name")).frame["name"].tolist() == ["x", "name"]
    assert len(read(csv(*ROWS, *ROWS))) == 7  # rows that repeat the first one, which is doubted already


@pytest.mark.parametrize(
    ("begins", "what"),
    [
        ("<!DOCTYPE html>\n<html>", "an HTML page"),
        ("\ufeff\n <html lang='en'>", "an HTML page"),
        ('<?xml version="1.0"?>', "XML"),
        ('[{"a": 1}]', "JSON"),
        ('{"a": [1, 2]}', "JSON"),
        ("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("PK\x03\x04\0\0", "an archive or a workbook"),
        ("PAR1\0", "a Parquet file"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_table_is_named(tmp_path: Path, begins: str, what: str, packed: bool) -> None:
    path = tmp_path / "a.csv"
    data = begins.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert fault(path).startswith(f": this is {what}")


def test_names_with_brackets_are_a_table(csv: Csv) -> None:
    assert read_table(csv("[a],{b}", "1,2")).columns == ["[a]", "{b}"]


def test_prepared_without_names_as_with_them(csv: Csv) -> None:
    rows = [f"{number % 7}.5,{number},{'ab'[number % 2]}" for number in range(40)]
    bare = prepare(Data(source=str(csv(*rows)), target="c3", format=Format(header=False)), "float64").arrays()
    named = csv("x,z,y", *rows, name="named.csv")
    for name, values in prepare(Data(source=str(named), target="y"), "float64").arrays().items():
        assert np.array_equal(values, bare[name])
