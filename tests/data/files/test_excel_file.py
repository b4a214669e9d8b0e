"""Workbooks: which sheet, which rows, and values that mean what a CSV file's cells mean."""

from __future__ import annotations

import datetime as dt
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from nnrun.config.data_section import Data
from nnrun.config.load import load_config
from nnrun.config.text_format import Format
from nnrun.data.files.excel_file import is_workbook
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import File
from nnrun.data.files.table import require_column
from nnrun.data.prepare import prepare
from nnrun.errors import DataError, UsageError
from nnrun.insight.scaffold.verbs import Wishes, scaffold
from nnrun.installation import installing
from tests.data.reading import fault, read_chunks, read_table

Book = Callable[..., Path]
DAY = dt.datetime(2026, 1, 31)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """book(Data=[["x", "y"], [1, "a"]]) writes these sheets to data.xlsx."""

    def write(name: str = "data.xlsx", change: Callable[[Any], None] | None = None, **sheets: Any) -> Path:
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets.items():
            sheet = made.create_sheet(title)
            for row in rows:
                sheet.append(row)
        if change:
            change(made)
        made.save(tmp_path / name)
        return tmp_path / name

    return write


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """The first sheet as another program would have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = change(parts["xl/worksheets/sheet1.xml"])
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)


def messy(i: int) -> list[Any]:
    """Numbers of at most 15 digits, as openpyxl writes no more than 16."""
    return [
        i / 8, i % 6, None if i % 5 == 0 else i / 10, f"{i % 7:03}", ["Köln", "a, b", "two\nlines"][i % 3],
        ["NA", "x", "y"][i % 3], i % 3 == 0, [1, 2.5, "text", True][i % 4], DAY + dt.timedelta(days=i),
        DAY + dt.timedelta(hours=i), f"{i}.50 kg", float(f"{i}e300"), "abc"[i * i % 3],
    ]  # fmt: skip


NAMES = ["real", "whole", "gap", "code", "word", "unknown", "truth", "mixed", "day", "at", "paid", "large", "class"]


@pytest.mark.parametrize("target", ["class", "real", "truth"])
@pytest.mark.parametrize("cells", [None, 13 * 20])
def test_prepared_as_from_csv_bit_for_bit(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch, target: str, cells: int | None
) -> None:
    rows = [messy(i) for i in range(90)]
    pd.DataFrame(rows, columns=NAMES).astype({"mixed": object}).to_csv(tmp_path / "data.csv", index=False)
    path = book(Data=[NAMES, *rows])
    if cells:
        monkeypatch.setattr("nnrun.data.files.chunks.CELLS", cells)
    by_text = prepare(Data(source=str(tmp_path / "data.csv"), target=target), "float64")
    by_sheet = prepare(Data(source=str(path), target=target), "float64")
    one, other = by_text.arrays(), by_sheet.arrays()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert by_text.fitted.features == by_sheet.fitted.features
    assert not set(by_text.fitted.document["notices"]) ^ set(by_sheet.fitted.document["notices"])


def test_rows_keep_the_numbers_that_a_spreadsheet_shows(book: Book) -> None:
    rows = [[None], [], ["x", None, "y", None], [1, None, "a"], [], [None, ""], [2, None, "b"], [3], *[[None]] * 5]
    path = book(Data=rows, change=None)
    table = read_table(path)
    assert (table.columns, list(table.lines or ()), table.header_line) == (["x", "y"], [4, 7, 8], 3)
    assert table.frame["y"].isna().tolist() == [False, False, True]
    assert read_table(path, Reading(categories=frozenset("y"))).frame.equals(table.frame)
    assert table.at_cell(1, "y") == f"{path}:7:3"
    _, two = read_chunks(path, 2)
    assert (list(two.lines or ()), two.first_row, two.frame["x"].tolist()) == ([8], 2, [3])
    assert [len(piece) for piece in File(path, Reading()).chunks(2, ())] == [1, 1, 1]


def test_empty_rows_of_new_rows_are_told(book: Book) -> None:
    """As where a frame with a row of gaps was written, of one column or several."""
    path = book(Data=[["x"], [1], [None], [3], [None]])
    table = read_table(path, Reading(features=("x",)))
    assert (list(table.lines or ()), list(read_table(path).notices)) == ([2, 4], [])
    told = f"{path}:3: nothing stands here, so it is left out as no row; write NA where it is a missing value"
    assert list(table.notices) == [told]
    two = read_chunks(book(Data=[["x", "y"], [1, 2], [3, 4], [], [5, 6]]), 2, Reading(features=("x", "y")))
    assert [list(piece.notices) for piece in two] == [[], [told.replace(":3:", ":4:")]]
    path = book(Data=[[None], [1], [2]])
    assert not read_table(path, Reading(features=("c1",), header=False)).notices


def test_a_slip_is_told_by_its_row(book: Book) -> None:
    path = book(Data=[["y", "x"], *(["ab"[i % 2], i + 0.5] for i in range(40)), ["a", "4o"]])
    with pytest.raises(DataError, match="4o") as caught:
        prepare(Data(source=str(path), target="y"), "float64")
    assert str(caught.value).startswith(f"{path}:42:2: '4o' is not a number, but 40 of 41 values of column 'x' are")


def test_formulas_are_the_values_that_are_stored(tmp_path: Path, book: Book) -> None:
    path = book(Data=[["x", "double"], [1, "=A2*2"], [2, "=A3*2"]])
    assert fault_of(path, "double") == (
        f"{path}: column 'double' is of formulas without stored values; open the workbook in a spreadsheet program and "
        "save it, or name it in data.drop"
    )
    stored = rb"\g<0><v>\1</v>"  # as a spreadsheet program writes them
    rewrite(path, lambda sheet: re.sub(rb"<f>A(.)\*2</f>", stored, re.sub(rb"<v ?/>|<v></v>", b"", sheet)))
    assert read_table(path).frame["double"].tolist() == [2, 3]


def test_formulas_without_stored_values_among_others_are_told(book: Book) -> None:
    rows = [["x", "tot", "y"], *([i, i / 2, i % 3] for i in range(4)), [4, "=A6/2", 0], [], [5, "=A8/2", "=MOD(A8,3)"]]
    path, compute = book(Data=rows), "open the workbook in a spreadsheet program and save it"
    assert read_table(path, Reading(target="z")).notices == (
        f"formulas without stored values are gaps: 2 in column 'tot' (the first {path}:6:2), 1 in column 'y' "
        f"(the first {path}:8:3); {compute}",
    )
    assert fault_of(path, "y").startswith(
        f"{path}: column 'y' is in 1 row a formula without a stored value, the first {path}:8:3; {compute}"
    )


def test_an_empty_text_that_a_formula_gives_is_a_stored_value(book: Book) -> None:
    path = book(Data=[["x", "note"], [1, "late"], [2, '=IF(A3>9,"late","")']])
    rewrite(path, lambda sheet: sheet.replace(b'<c r="B3">', b'<c r="B3" t="str">'))  # as a spreadsheet program does
    assert (read_table(path).notices, dict(read_table(path).unreadable)) == ((), {})


def fault_of(path: Path, column: str) -> str:
    with pytest.raises(DataError) as caught:
        require_column(read_table(path), column)
    return str(caught.value)


def test_a_column_of_nothing_is_no_formula(book: Book) -> None:
    table = read_table(book(Data=[["x", "nothing"], [1], [2]]))
    assert (table.columns, dict(table.unreadable), table.frame["nothing"].isna().all()) == (["x", "nothing"], {}, True)


def test_the_first_sheet_that_holds_cells_or_the_one_that_is_named(book: Book) -> None:
    path = book(Empty=[], Data=[["x"], [1]], Notes=[["x"], [2], [3]])
    first = read_table(path)
    assert first.frame["x"].tolist() == [1]
    told = "data.xlsx: sheet 'Data' is read; data.format.sheet (init --sheet) names another: 'Notes'"
    assert first.notices == (told,)
    named = read_table(path, Reading.by(Data(source=str(path), format=Format(sheet="Notes"))))
    assert (named.frame["x"].tolist(), named.notices) == ([2, 3], ())
    assert fault(path, sheet="Note") == ": no sheet 'Note'; did you mean 'Notes'?"
    assert fault(path, sheet="2026") == ": no sheet '2026'; there are 'Data', 'Notes'"
    assert fault(path, sheet="Empty") == ": sheet 'Empty' is empty"
    only = read_table(book("only.xlsx", June=[["x"], [1]]), Reading(sheet="May"))
    assert only.notices == ("only.xlsx: no sheet 'May'; 'June' is read, the only one that holds cells",)


def test_sheets_that_are_hidden_come_last(book: Book) -> None:
    def hide(made: Any) -> None:
        made["Lists"].sheet_state = "hidden"

    path = book(Lists=[["unit"], ["kg"]], Data=[["x"], [1]], change=hide)
    table = read_table(path)
    assert (table.columns, read_table(path, Reading(sheet="Lists")).columns) == (["x"], ["unit"])
    assert table.notices[0].endswith(": 'Lists'")


def test_a_column_that_another_sheet_may_hold(book: Book, tmp_path: Path) -> None:
    rows = [["x", "y"], *([i % 9 + 0.5, "ab"[i % 2]] for i in range(120))]
    path = book(Cover=[["unit", "sales"], ["month", "June"]], Data=rows)
    beside = "(data.xlsx: sheet 'Cover' is read; data.format.sheet (init --sheet) names another: 'Data')"
    with pytest.raises(DataError) as caught:
        prepare(Data(source=str(path), target="y"), "float64")
    assert str(caught.value) == f"{path}:1: no column 'y'; the columns are unit, sales {beside}"
    wide = book("wide.xlsx", Cover=[["unit", "sales"], ["month", "June", "2026"]], Data=rows)
    assert fault(wide) == f":2:3: a value in a column without a name; name the column, or remove it {beside}".replace(
        "data.xlsx", "wide.xlsx"
    )
    with pytest.raises(UsageError, match=r"to be predicted\? \(data.xlsx: sheet 'Cover' is read; "):
        scaffold(str(path), Wishes(), tmp_path / "config.yaml")


def test_new_files_cannot_name_their_sheet(book: Book) -> None:
    path = book(Cover=[["unit", "sales"], ["month", "June"]], Data=[["x"], [1]])
    put = "data.xlsx: sheet 'Cover' is read; put another first to read that: 'Data'"
    table = read_table(path, Reading(features=("x",)))
    assert (table.notices, table.beside) == ((put,), f" ({put})")
    assert fault(path, features=("x",), sheet="Dat") == ": no sheet 'Dat'; give that name to one of 'Cover', 'Data'"


def test_init_takes_the_sheet_and_new_files_are_read_by_it(book: Book, tmp_path: Path) -> None:
    rows = [["x", "y"], *([i % 9 + 0.5, "ab"[i % 2]] for i in range(120))]
    path, config = book(Notes=[["see", "below"], [1, 2]], Data=rows), tmp_path / "config.yaml"
    text = scaffold(str(path), Wishes("y", sheet="Data"), config).text
    data = load_config(config, text=text).config.data
    assert data.format.sheet == "Data"
    assert prepare(data, "float64").fitted.reading.sheet == "Data"
    assert "sheet:" not in scaffold(str(book("one.xlsx", Data=rows)), Wishes("y"), config).text


def test_sheets_without_a_table(book: Book) -> None:
    assert fault(book(Data=[], Other=[[], [None]])).startswith(": no sheet holds anything")
    assert fault(book(Data=[["x", "y"]])).startswith(":1: a row of names and none below it")
    titled = book(Data=[["Sales of 2026"], [], ["x", "y"], [1, 2]])
    assert fault(titled).startswith(":1: a title above the table; the names of its columns seem to stand in row 3")
    subtitled = book(Data=[["Sales of 2026"], ["as of", None], [DAY], [], ["x", "y"], [1, 2]])
    assert fault(subtitled).startswith(":1: a title above the table; the names of its columns seem to stand in row 5")
    for rows in (
        [[1], [2, "see above"]],
        [["a"], ["b", "see above"], ["c"], ["d"]],
        [["a"]] * 8 + [["b", "so"], ["c"]],
    ):
        noted = book(Data=[["x"], *rows])
        place = f":{1 + max(number for number, row in enumerate(rows, 1) if len(row) > 1)}:2:"
        assert fault(noted).startswith(f"{place} a value in a column without a name")
    noted = book(Notes=[["see Data"]], Data=[["x", "y"], [1, 2]])
    assert fault(noted) == (
        ":1: a row of names and none below it; add the rows of the table (data.xlsx: sheet 'Notes' is read; "
        "data.format.sheet (init --sheet) names another: 'Data')"
    )
    stray = book(Data=[["x", "y"], [1, 2], [3, 4, "see above"]])
    assert fault(stray) == ":3:3: a value in a column without a name; name the column, or remove it"
    merged = book(Data=[["x", "y", None], [1, 2, 5], [3, 4, 6]], change=lambda made: made["Data"].merge_cells("B1:C1"))
    assert fault(merged).startswith(":2:3: a value in a column without a name")


def test_rows_without_names(book: Book) -> None:
    table = read_table(book(Data=[[1, "a"], [2, "b", 0.5]]), Reading(header=False))
    assert (table.columns, list(table.lines or ())) == (["c1", "c2", "c3"], [1, 2])


def test_times_and_faults_of_formulas(book: Book) -> None:
    rows = [
        ["at", "span", "odd", "pad"],
        [dt.time(13, 30), dt.timedelta(hours=30), "#DIV/0!", "1,5"],
        [None, None, 2.5],
    ]
    frame = read_table(book(Data=rows)).frame
    assert frame.loc[0, ["at", "span", "odd"]].tolist() == ["13:30:00", "30:00:00", "#DIV/0!"]
    commas = read_table(book(Data=rows), Reading(decimal=",")).frame
    assert (commas.loc[0, "pad"], commas.loc[1, "odd"]) == (1.5, "2,5")


def test_spans_of_time_are_told(book: Book) -> None:
    path = book(Data=[["x", "dur", "at"], *([i, dt.timedelta(minutes=i), dt.time(13, i)] for i in range(3))])
    assert read_table(path).notices == (
        "spans of time are text, in 'dur'; give their cells the format of a number to learn from how long they are",
    )
    assert read_table(path, Reading(features=("dur",))).notices == ()  # they are learned as they are


def test_names_are_what_a_csv_file_has(book: Book) -> None:
    noon = DAY.replace(hour=12)
    assert read_table(book(Data=[[DAY, noon, 1.5, " x "], [1, 2, 3, 4]])).columns == [
        "2026-01-31", "2026-01-31 12:00:00", "1.5", "x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (dt.timedelta(hours=-1, minutes=-30), "-1:30:00"),
        (dt.timedelta(seconds=-1), "-0:00:01"),
        (dt.timedelta(hours=-30), "-30:00:00"),
        (dt.timedelta(seconds=-0.25), "0:00:00"),
    ],
)
def test_negative_spans_of_time(book: Book, span: dt.timedelta, text: str) -> None:
    assert read_table(book(Data=[["span", "x"], [span, 1]])).frame.loc[0, "span"] == text


def test_what_is_no_workbook(book: Book, tmp_path: Path) -> None:
    path = book(Data=[["x"], [1]])
    assert is_workbook(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"x,y\n1,2\n", b""):
        path.write_bytes(damaged)
        assert not is_workbook(path)
        assert fault(path).startswith(": not a usable workbook (")
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    assert fault(path).startswith(": an old workbook, or one with a password")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
    assert fault(path).startswith(": not a usable workbook (")
    path.write_bytes(whole)
    assert fault(path.rename(tmp_path / "data.csv")).startswith(": this is an archive or a workbook")
    assert fault(tmp_path / "data.csv").endswith("or call the workbook .xlsx")
    old = tmp_path / "old.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0")
    assert fault(old).endswith("; a spreadsheet program saves it as .xlsx")


def test_a_part_that_unpacks_to_too_much(book: Book) -> None:
    path = book(Data=[["x"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/x.xml", "w") as part:
        for _ in range(300):
            part.write(b" " * (1 << 20))
    assert "unpacks to more than 400 times its size" in fault(path)


def test_a_damaged_number_of_a_row(book: Book) -> None:
    path = book(Data=[["x"], [1]])
    rewrite(path, lambda sheet: sheet.replace(b'<row r="2"', b'<row r="99999999999"'))
    assert fault(path).startswith(": more than 1,048,576 rows, for which a sheet has no room")


def test_without_openpyxl(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(Data=[["x"], [1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert fault(path) == f": Excel workbooks need openpyxl; to install: {installing('excel')}"
