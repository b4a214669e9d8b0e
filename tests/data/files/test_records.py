"""Records that are looked at in blocks are those that csv.reader finds one by one, with the same faults."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnrun.data.files import cells, records
from nnrun.data.files.csv_file import read_csv
from nnrun.data.files.frame import read_frame
from nnrun.data.files.reading import Reading
from nnrun.errors import DataError
from tests.data.reading import read_table

ROWS = [f"{i},{i / 8},{'abc'[i % 3]},{-i}" for i in range(1, 31)]
NAMES = "a,b,word,d"

# What happens to a file: the part that is replaced, by what, and which of the places.
SLIPS = {
    "none": ("\n", "\n", 0),
    "a blank line": ("\n", "\n\n", 9),
    "blank lines at the end": ("\n", "\n\n\n", -1),
    "no last line end": ("\n", "", -1),
    "blanks in a line": ("\n", "\n   \n", 7),
    "a missing field": (",", "", 40),
    "a missing and a surplus field": (",", "", 40),
    "a surplus field": (",", ",,", 41),
    "the names again": ("\n", f"\n{NAMES}\n", 11),
    "the names again, spaced": ("\n", "\n a, b,  word,d\n", 12),
    "the names again in the first row": ("\n", f"\n{NAMES}\n", 0),
    "nearly the names": ("\n", "\na,b,word,D\n", 13),
    "a quoted delimiter": ("a,", '"a, or b",', 4),
    "a quoted line end": ("b,", '"b\nand more",', 3),
    "a quote that is never closed": ("b,", '"b,', 3),
    "quotes in disorder": ("b,", '"b"c,', 3),
    "a quote within": ("b,", 'b"c,', 3),
    "returns": ("\n", "\r\n", None),
    "returns alone": ("\n", "\r", None),
    "one return": ("\n", "\r\n", 5),
    "a return within": ("a,", "a\r,", 5),
    "two returns": ("\n", "\r\r\n", 5),
    "spaces behind delimiters": (",", ", ", None),
    "other letters": ("a,", "ä\u2028é,", None),
    "zeros before": ("\n", "\n0", 8),
    "a zero before a decimal mark": (".", "0.", 8),
    "a comment": ("\n", "\n# a note\n", 14),
}


def slipped(text: str, old: str, new: str, place: int | None) -> str:
    """The text with what stands at the place, counted from either end, replaced; everywhere for None."""
    parts = text.split(old)
    if place is None:
        return new.join(parts)
    at = place + 1 if place >= 0 else len(parts) + place
    return f"{old.join(parts[:at])}{new}{old.join(parts[at:])}"


def found(path: Path, rows: int | None) -> list[object]:
    """What is read: the cells, types, lines and notices of each table, and the fault at the end."""
    read: list[object] = []
    try:
        for table in read_csv(path, Reading(target="word"), rows):
            frame = table.frame
            read.append((frame.to_json(orient="split", double_precision=15), [*map(str, frame.dtypes)]))
            read.append((list(table.lines or ()), table.first_row, table.notices))
    except DataError as error:
        read.append(str(error))
    return read


ALL = (1, 16, 50, 1 << 18)  # letters of a block
SOME: dict[int | None, tuple[int, ...]] = {None: (16, 1 << 18), 7: (1, 50), 1: (16,)}  # by the rows of a piece


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("blocks", [SOME, pytest.param(dict.fromkeys(SOME, ALL), marks=pytest.mark.soak)])
def test_blocks_give_what_single_records_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slip: str, blocks: dict[int | None, tuple[int, ...]]
) -> None:
    path = tmp_path / "t.csv"
    text = slipped("\n".join([NAMES, *ROWS, ""]), *SLIPS[slip])
    if slip == "a missing and a surplus field":  # so that there are as many delimiters as in whole lines
        text = slipped(text, ",", ",,", 60)
    path.write_bytes(text.encode())
    for rows, sizes in blocks.items():
        with monkeypatch.context() as patch:
            patch.setattr(records, "_as_bytes", lambda *_: None)
            singly = found(path, rows)
        for block in sizes:
            monkeypatch.setattr(records, "_BLOCK", block)
            assert found(path, rows) == singly


def test_whole_blocks_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the test above would compare csv.reader with itself."""
    path = tmp_path / "t.csv"
    path.write_text("\n".join([NAMES, *ROWS, ""]), "utf-8")
    singly: list[str] = []
    monkeypatch.setattr(records.Records, "_take_singly", lambda self, block, *rest: singly.append(block))
    assert sum(len(table) for table in read_csv(path, Reading(), 7)) == len(ROWS)
    assert not singly


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "§"])
def test_zeros_before_digits_are_found_wherever_they_stand(monkeypatch: pytest.MonkeyPatch, delimiter: str) -> None:
    draw = random.Random(0)
    monkeypatch.setattr(cells, "_BLOCK", 4)
    for _ in range(300):
        text = "".join(draw.choices(["0", "7", ".", "-", " ", "\n", '"', "ä", delimiter], k=draw.randint(0, 12)))
        fields = text.replace('"', " ").replace(delimiter, " ").split()
        expected = any(field[:1] == "0" and field[1:2].isdigit() for field in fields)
        assert cells._has_padded(text.encode(), delimiter) is expected


OF_A_RUN = Reading(features=("x",))


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("values", [[1, None, 3], ["a", None, "b", None], [None, None]])
def test_a_single_column_keeps_its_rows_in_every_form(tmp_path: Path, values: list[Any], quoting: Any) -> None:
    frame = pd.DataFrame({"x": values})
    frame.to_csv(tmp_path / "t.csv", index=False, quoting=quoting)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "t.parquet")
    found = [read_table(tmp_path / f"t.{form}", OF_A_RUN) for form in ("csv", "jsonl", "parquet")]
    for table in (*found, read_frame(frame, "rows", OF_A_RUN, ["x"])):
        assert [None if pd.isna(value) else value for value in table.frame["x"]] == values, table.name
        assert not table.notices


@pytest.mark.parametrize(
    ("text", "rows", "blank"),
    [
        ('x\n1\n""\n3\n', [1, None, 3], 0),
        ('"x"\r\n"1"\r\n""\r\n"3"\r\n""\r\n', [1, None, 3, None], 0),
        ('x\r1\r""\r3\r', [1, None, 3], 0),
        ("x\n1\n\n3\n", [1, 3], 3),
        ("x\n\n1\n3\n", [1, 3], 2),
        ("x\n1\n  \n3\n", [1, 3], 3),
        ("x\n1\n3\n\n\n", [1, 3], 0),  # no row stands below
    ],
)
def test_blank_lines_of_a_single_column_are_told(
    tmp_path: Path, text: str, rows: list[float | None], blank: int
) -> None:
    (path := tmp_path / "t.csv").write_bytes(text.encode())
    for size in (None, 1):
        tables = list(read_csv(path, OF_A_RUN, size))
        found = [None if pd.isna(value) else value for table in tables for value in table.frame["x"]]
        told = {notice.partition(": nothing stands here")[0] for table in tables for notice in table.notices}
        assert (found, told) == (rows, {f"{path}:{blank}"} if blank else set())
    path.write_text('x,y\n1,2\n\n""\n3,4\n')
    assert [(len(table), table.notices) for table in read_csv(path, OF_A_RUN)] == [(2, ())]


def test_a_text_of_blanks_alone_is_a_missing_value(tmp_path: Path) -> None:
    """It is not quoted where a frame is written, or JSON lines are."""
    frame = pd.DataFrame({"c": ["a", " ", "b"], "x": [1, 2, 3]})
    (path := tmp_path / "t.jsonl").write_text('{"c": "a"}\n{"c": " "}\n{"c": "b"}\n')
    for table in (read_frame(frame, "rows", Reading(), ["c"]), read_table(path)):
        assert table.frame["c"].isna().tolist() == [False, True, False]
