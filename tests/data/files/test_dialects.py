"""Text files as programs write them: delimiters, encodings, decimal marks, missing values, odd headers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.data_section import Data
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.layout import find_layout
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table
from nnrun.data.prepare import prepare
from nnrun.errors import DataError
from tests.data.reading import read, read_chunks, read_table


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_delimiters_are_found(tmp_path: Path, delimiter: str, word: str) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n".replace(",", delimiter))
    table = read_table(path)
    assert (table.columns, table.frame.to_numpy().tolist()) == (["a", "b"], [[1, 2]])
    assert table.notices == (f"a.csv: read with {word} between fields",)


def test_what_csv_files_mostly_have_is_not_told(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "a,b\n1,2.5\n")).notices == ()
    assert read_table(write(tmp_path / "a.tsv", "a\tb\n1\t2.5\n")).notices == ()
    assert read_table(write(tmp_path / "b.csv", "a,b\n1,2.5\n", "utf-8-sig")).notices == ()


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\nx;y,2\n", ","),  # a semicolon in a value
        ('"a;b",c\n1,2\n', ","),  # and in a quoted name
        ("size, in m;price\n1,5;200\n2,5;300\n", ";"),  # commas in the header and in numbers
        ("a;b;c\n1,5;2,5;3,5\n", ";"),
        ("a b|c\n1|2\n", "|"),
        ('a;b\n"1;\n2";3\n4;5\n', ";"),
        ("name\nx\n", ","),
        ("a,b,c\n1,2,3\n4\n", ","),  # ragged, which is told later
        ("", ","),
        ("sep=;\na,b\n1,2\n", ";"),  # as Excel has it, whatever the rest looks like
        ('"sep=|"\r\na;b\r\n', "|"),
    ],
)
def test_delimiters_by_the_first_records(text: str, delimiter: str) -> None:
    assert find_layout(text, "auto", None).delimiter == delimiter


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "\nSEP=;\n"])
def test_a_first_line_that_names_the_delimiter_is_no_header(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "a.csv", f"{line}a;b\n1,5;x,y\n")
    table = read_table(path)
    assert (table.columns, table.frame["b"].tolist()) == (["a", "b"], ["x,y"])
    assert table.at_cell(0, "b") == f"{path}:{line.count(chr(10)) + 2}:2"


def test_one_column_is_a_table_too(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "a b\n1\n\n2\n")).frame["a b"].tolist() == [1, 2]


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a;b\r\n"x;""y"", z";1\r\n"two\r\nlines; or\r\n\r\nmore";2\r\nlast;3\r\n')
    table = read_table(path)
    assert table.frame["a"].tolist() == ['x;"y", z', "two\r\nlines; or\r\n\r\nmore", "last"]
    assert [table.at_cell(row, "b") for row in range(3)] == [f"{path}:{line}:2" for line in (2, 3, 7)]


@pytest.mark.parametrize(
    ("encoding", "found"), [("cp1252", "cp1252"), ("utf-16", "utf-16"), ("utf-8-sig", None), ("utf-8", None)]
)
def test_encodings_are_found(tmp_path: Path, encoding: str, found: str | None) -> None:
    table = read_table(write(tmp_path / "a.csv", "größe,y\nä,1\n", encoding))
    assert (table.columns, table.frame.iloc[0, 0]) == (["größe", "y"], "ä")
    assert table.notices == (() if found is None else (f"a.csv: read with the encoding {found}",))


def test_latin_1_where_cp1252_has_no_such_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n\xe9\x81,1\n")
    assert read_table(path).frame["a"].tolist() == ["é\x81"]
    assert read_table(path).notices == ("a.csv: read with the encoding latin-1",)


def test_an_encoding_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "имя,y\nа,1\n", "cp1251")
    assert read(path, encoding="cp1251").columns == ["имя", "y"]
    assert read(path, encoding="cp1251").notices == ()
    assert read(write(path, "a,b\n1,2\n", "utf-8-sig"), encoding="utf-8").columns == ["a", "b"]


def test_characters_that_span_two_blocks(tmp_path: Path) -> None:
    # A megabyte is read at once; the two bytes of é lie on both sides of its end.
    path = write(tmp_path / "a.csv", "a,b\n" + "x" * ((1 << 20) - 5) + "é,1\n")
    assert read_table(path).frame["a"].str.len().tolist() == [(1 << 20) - 4]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.txt.gz"])
def test_gzip(tmp_path: Path, name: str) -> None:
    delimiter = "\t" if "tsv" in name else ","
    path = write(tmp_path / name, "a,b\n1,é\n2,f\n".replace(",", delimiter))
    assert read_table(path).frame["b"].tolist() == ["é", "f"]
    assert read_table(path).at_cell(1, "b") == f"{path}:3:2"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas(tmp_path: Path, delimiter: str) -> None:
    text = "a,b,c\n1;5,x,10\n-0;25,1;2;3,20\n".replace(",", "@").replace(";", ",").replace("@", delimiter)
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.frame["a"].tolist() == [1.5, -0.25]
    assert table.frame["b"].tolist() == ["x", "1,2,3"]
    assert table.decimal == ","
    assert "decimal commas" in table.notices[0]


def test_points_in_a_file_with_semicolons(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", 'a;b\n1.5;"one, two"\n2.5;1,2\n3.5;x\n'))
    assert (table.frame["a"].tolist(), table.decimal) == ([1.5, 2.5, 3.5], ".")


@pytest.mark.parametrize(
    ("rows", "values", "mark"),
    [
        (["9.271;34.432;12,39"], [9271, 34432, 12.39], ","),  # one comma settles it, however many points there are
        (["9.271;34.432;7", "1.000;1.500;-0,123"], [9271, 34432, 7], ","),  # no thousands begin with 0
        (["9.271;1.234.567;8"], [9271, 1234567, 8], ","),
        (["9.271;0,125 €;8"], [9271, 0.125, 8], ","),
        (["9,271;34,432;12.39"], [9271, 34432, 12.39], "."),
        (["9.271;34.432;.5"], [9.271, 34.432, 0.5], "."),
        (["9.271;1234.567;8"], [9.271, 1234.567, 8], "."),
    ],
)
def test_one_number_settles_the_decimal_mark_of_all_columns(
    tmp_path: Path, rows: list[str], values: list[float], mark: str
) -> None:
    table = read_table(write(tmp_path / "a.csv", "\n".join(["a;b;c", *rows]) + "\n"))
    assert (table.frame.iloc[0].tolist(), table.decimal) == (values, mark)
    assert not any("no number tells" in notice for notice in table.notices)


def test_a_number_far_down_settles_the_decimal_mark(tmp_path: Path) -> None:
    rows = ["9.271;34.432"] * 40_000  # more than is looked at for the delimiter
    table = read_table(write(tmp_path / "a.csv", "\n".join(["a;b", *rows, "1,5;2"]) + "\n"))
    assert table.frame.iloc[[0, -1]].to_numpy().tolist() == [[9271, 34432], [1.5, 2]]


def test_a_header_longer_than_what_is_looked_at(tmp_path: Path) -> None:
    names = [f"the long name of column number {number:03} of this table" * 10 for number in range(600)]
    row = ";".join(["9.271", "12,39"] * 300)
    table = read_table(write(tmp_path / "a.csv", "\n".join([";".join(names), row, row]) + "\n"))
    assert (len(table.columns), table.frame.iloc[0, :2].tolist()) == (600, [9271, 12.39])


@pytest.mark.parametrize(
    ("number", "value", "words", "other"),
    [("9.271", 9.271, "points mark decimals", ","), ("9,271", 9.271, "commas mark decimals", ".")],
)
def test_a_decimal_mark_that_nothing_settles_is_told(
    tmp_path: Path, number: str, value: float, words: str, other: str
) -> None:
    path = write(tmp_path / "a.csv", f"a;b\n{number};1\n-4{number};2\n")
    table = read(path)
    assert table.frame["a"].tolist() == [value, -49.271]
    assert table.notices[-1] == (
        f"a.csv: {number} is read as 9.271, as no number tells whether {words} or group thousands; if they group "
        f"thousands, set data.format.decimal to '{other}'"
    )
    settled = read(path, decimal=other)
    assert (settled.frame["a"].tolist(), len(settled.notices)) == ([9271, -49271], 1)


@pytest.mark.parametrize(
    ("row", "usual", "values", "told"),
    [
        ("1,733;4,575;0,403", ".", [1.733, 4.575, 0.403], "decimal commas where training had points"),
        ("0.126;6.951;3", ",", [0.126, 6.951, 3], "decimal points where training had commas"),
        ("1,733;4,575;3", ".", [1733, 4575, 3], ""),  # nothing settles it
        ("1.733;4.575;3", ",", [1733, 4575, 3], "decimal commas"),
        ("1.733;4.575;1,50", ",", [1733, 4575, 1.5], "decimal commas"),
        ("1.1;4,57;3,000", ",", ["1.1", 4.57, 3], "decimal commas"),  # of as many the usual ones
    ],
)
def test_a_run_takes_the_mark_that_a_number_settles(
    tmp_path: Path, row: str, usual: str, values: list[Any], told: str
) -> None:
    path = write(tmp_path / "a.csv", f"a;b;c\n{row}\n")
    table = read_table(path, Reading(usual_decimal=usual))
    assert table.frame.iloc[0].tolist() == values
    between = "a.csv: read with semicolons between fields"
    assert table.notices[0] == (f"{between}, {told}" if told else between)


def test_what_a_run_reads_as_thousands_though_nothing_settles_it_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a;b\n1,733;4,575\n")
    assert read_table(path, Reading(usual_decimal=".")).notices[1:] == (
        "a.csv: 1,733 is read as 1733, as points marked decimals in training and no number tells otherwise; if commas "
        "mark decimals here, write points",
    )
    assert len(read_table(path, Reading(usual_decimal=",")).notices) == 1


def test_columns_that_a_run_does_not_learn_as_numbers_settle_nothing(tmp_path: Path) -> None:
    reading = Reading(usual_decimal=".", numbers=frozenset({"x"}), text=frozenset({"version"}), target="price")
    path = write(tmp_path / "a.csv", "x;version;price;z\n1,733;3.3;4,575;3.5\n0,403;1.10;72,539;2.25\n")
    table = read_table(path, reading)
    assert table.frame["x"].tolist() == [1.733, 0.403]
    assert table.frame["version"].tolist() == ["3.3", "1.10"]


def test_no_thousands_stand_behind_a_zero(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", "a;b\n0,126;1.5\n"), decimal=".").frame["a"].tolist() == ["0,126"]


def test_numbers_with_the_other_mark_are_told(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", 'a,b\n"12,39",1\n"2,5",2\n')).notices == (
        "column 'a' is text like '12,39'; if its commas mark decimals, set data.format.decimal to ','",
    )
    assert read(write(tmp_path / "b.csv", "a;b\n12,39;1.25\n2,5;2.25\n3,5;\n;1.5\n;2.5\n")).notices[1:] == (
        "column 'a' is text like '12,39', with decimal commas where other numbers have points; write it with points",
    )


@pytest.mark.parametrize("cell", ["1.307,65", "1.307,65 €", "€ 1.307,65", "1,5 €", "12,39 kg"])
def test_so_are_those_with_thousands_and_signs_as_they_stand_there(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f'a,b\n"{cell}",0.25\n"{cell.replace("5", "6").replace("9", "8")}",2.5\n')
    (told,) = read(path).notices
    assert told.startswith(f"column 'a' is text like {cell!r}, with decimal commas where other numbers have points; ")


def test_what_has_no_decimal_mark_is_no_number_with_another_one(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", "a,b\n12.345.678,1.5\n98.765.432,2.5\n")).notices == ()


def test_a_decimal_mark_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n"1,234",5\n"2,5",6\n')
    assert read(path).frame["a"].tolist() == ["1,234", "2,5"]
    assert read(path, decimal=",").frame["a"].tolist() == [1.234, 2.5]


def test_thousands(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "a;b;day\n1.234,5;1.234;01.02.2026\n2,25;999;14.02.2026\n-1.000.000,0;5.678;1.2.26\n"
    )
    table = read_table(path)
    # Where commas mark decimals, points can only group; dates stay text.
    assert table.frame["a"].tolist() == [1234.5, 2.25, -1e6]
    assert table.frame["b"].tolist() == [1234, 999, 5678]
    assert table.frame["day"].tolist() == ["01.02.2026", "14.02.2026", "1.2.26"]
    path = write(tmp_path / "b.csv", 'a,b,c,d\n"1,234.5","1,234,567",1\u00a0234,1\n7,8,9,\n')
    table = read_table(path)
    assert [table.frame[name].tolist() for name in "abc"] == [[1234.5, 7], [1234567, 8], [1234, 9]]


@pytest.mark.parametrize("space", [" ", "\u2009", "\u202f", "\u00a0", "'"])
def test_thousands_by_spaces(tmp_path: Path, space: str) -> None:
    table = read_table(write(tmp_path / "a.csv", f"a;b\n1{space}234,5;12{space}345\n-1{space}000{space}000,0;7\n"))
    assert [table.frame[name].tolist() for name in "ab"] == [[1234.5, -1e6], [12345, 7]]


def test_digits_apart_that_are_no_thousands_stay_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "a,b\n12 34,1 234\n56 78,1 23\n"))
    assert [table.frame[name].tolist() for name in "ab"] == [["12 34", "56 78"], ["1 234", "1 23"]]


def test_signs_of_per_cent_and_money(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b,c,d\n5%,"$1,234.50",£ 3,2%\n-12.5 %,-$7,,7\n,$-8,£4,1%\n')
    table = read_table(path)
    assert [table.frame[name].dropna().tolist() for name in "abc"] == [[5, -12.5], [1234.5, -7, -8], [3, 4]]
    assert table.frame["d"].tolist() == ["2%", "7", "1%"]  # 7% or 700%?
    assert table.notices[0] == "column 'a' holds numbers with %; they are read without it"
    table = read_table(write(tmp_path / "b.csv", "a;b\n1 234,50 €;x\n7,00 €;y\n"))
    assert (table.frame["a"].tolist(), table.decimal) == ([1234.5, 7], ",")


def test_large_numbers_with_a_sign(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", f"a,b\n${10**25},1\n,2\n$7,3\n"))
    assert table.frame["a"].dropna().tolist() == [1e25, 7]


@pytest.mark.parametrize("odd", [".", "+", "-.", "x", "٣"])
def test_what_is_no_number_among_grouped_ones_leaves_a_column_as_text(tmp_path: Path, odd: str) -> None:
    assert read_table(write(tmp_path / "a.csv", f'a,b\n"1,234,567",1\n{odd},2\n')).frame["a"].tolist()[1] == odd


def test_thousands_that_could_be_decimals_stay_text_until_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n"1,234",1\n"5,678",2\n')
    assert read(path).notices == (
        "column 'a' is text like '1,234'; if its commas group thousands, set data.format.decimal to '.', if they mark "
        "decimals, to ','",
    )
    assert read(path, decimal=".").frame["a"].tolist() == [1234, 5678]
    assert read(path, decimal=",").frame["a"].tolist() == [1.234, 5.678]


def test_versions_and_addresses_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "v;ip;x\n1.2.3;192.168.1.1;0,5\n1.2.4;10.0.0.1;1,5\n")
    assert read_table(path).frame[["v", "ip"]].to_numpy().tolist() == [["1.2.3", "192.168.1.1"], ["1.2.4", "10.0.0.1"]]


MARKERS = ["", "NA", "N/A", "?", "-", "null", "NULL", "NaN", "nan", "None"]


def test_missing_markers(tmp_path: Path) -> None:
    rows = "".join(f"{marker},{marker},1\n" for marker in MARKERS)
    frame = read_table(write(tmp_path / "a.csv", f"a,b,c\n{rows}-5,x-y,1\n")).frame
    assert frame["a"].tolist()[-1] == -5
    assert frame["b"].tolist()[-1] == "x-y"
    assert frame[["a", "b"]].isna().to_numpy().sum() == 2 * len(MARKERS)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["9223372036854775809", "9223372036854775811", "9223372036854775809", ""], "str"),  # codes, that keep digits
        (["9223372036854775809", "12", "NA", "7"], "float64"),
        (["18446744073709551617", "abc", "", "?"], "str"),
        (["18446744073709551617", "1.5", "-", ""], "float64"),
    ],
)
def test_missing_markers_beside_whole_numbers_beyond_64_bits(tmp_path: Path, cells: list[str], dtype: str) -> None:
    rows = "".join(f"{cell},1\n" for cell in cells)
    column = read_table(write(tmp_path / "a.csv", f"a,b\n{rows}")).frame["a"]
    assert column.isna().tolist() == [cell in MARKERS for cell in cells]
    assert column.dropna().tolist() == [
        cell if dtype == "str" else float(cell) for cell in cells if cell not in MARKERS
    ]


def test_further_missing_markers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b,c\n-999,nil,1\n2.5,x,-999.0\n")
    frame = read(path, missing=["nil", -999]).frame
    assert frame.isna().to_numpy().tolist() == [[True, True, False], [False, False, True]]
    assert read(path).frame["b"].tolist() == ["nil", "x"]


def test_repeated_names_get_numbers(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "x,x,y,x,x.2\n1,2,3,4,5\n"))
    assert table.columns == ["x", "x.3", "y", "x.4", "x.2"]
    assert table.frame.to_numpy().tolist() == [[1, 2, 3, 4, 5]]
    assert table.notices == ("a.csv: 3 columns are called 'x'; they are read as x, x.3, x.4",)
    assert table.at_column("x.3").endswith(":1:2")


def test_a_first_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_csv(tmp_path / "a.csv")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == ["a", "b"]
    assert table.at_cell(1, "b").endswith("a.csv:3:3")
    assert table.notices == ("a.csv: the first column has no name, as where pandas numbers the rows; it is left out",)


def test_an_empty_column_behind_a_last_delimiter_is_left_out(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "a;b;\n1;2;\n3;4;\n"))
    assert (table.columns, table.notices[1:]) == (["a", "b"], ())


def test_constant_columns_are_kept(tmp_path: Path, load: Any) -> None:
    path = write(tmp_path / "a.csv", "x,same,word,y\n" + "".join(f"{i},5,w,{'ab'[i % 2]}\n" for i in range(10)))
    assert load(path, target="y").fitted.features == ["x", "same", "word=w"]


def test_integer_labels_with_gaps_are_classes_by_name(tmp_path: Path, load: Any) -> None:
    path = write(tmp_path / "a.csv", "x,y\n" + "".join(f"{i},{(0, 5, 9)[i % 3]}\n" for i in range(30)))
    data = load(path, target="y", normalize="none")
    assert data.classes == ["0", "5", "9"]
    for part in data.parts.values():
        assert part.y.tolist() == [int(x) % 3 for x in part.x[:, 0]]


def test_a_stranger_s_file_prepares_like_a_clean_one(tmp_path: Path, load: Any) -> None:
    rows = [(i, 1000 * i + 0.5, "jn"[i % 2], "é" if i % 3 else "ß") for i in range(40)]
    clean = write(tmp_path / "clean.csv", "x,p,c,y\n" + "".join(f"{x},{p},{c},{y}\n" for x, p, c, y in rows))
    ugly = ["x;p;c;y", *(f"{x};{p:,.1f};{c};{y}".translate(str.maketrans(",.", ".,")) for x, p, c, y in rows)]
    other = write(tmp_path / "ugly.csv", "\r\n\r\n".join(ugly), "cp1252")
    one, two = load(clean, target="y"), load(other, target="y")
    for part in one.parts:
        assert np.array_equal(one.parts[part].x, two.parts[part].x)
        assert np.array_equal(one.parts[part].y, two.parts[part].y)
    assert two.notices == [
        "ugly.csv: read with semicolons between fields, decimal commas, the encoding cp1252",
    ]


def fitted(path: Path, **settings: Any) -> tuple[Reading, Preprocessor]:
    learned = prepare(Data(source=str(path), target="y", **settings), "float64").fitted
    return learned.reading, learned.preprocessor


def test_new_files_are_read_with_the_kinds_of_training(tmp_path: Path) -> None:
    rows = [f"{'0x'[i % 2]}1;{i},5;0{i % 7 + 1}.01.2026;{i:03};{'ab'[i % 2]}" for i in range(60)]
    reading, preprocessor = fitted(write(tmp_path / "a.csv", "\n".join(["code;size;day;id;y", *rows])), drop=["id"])
    # Alone, the codes would be the number 1, the sizes would have no decimals, and the ids would lose their zeros.
    new = write(tmp_path / "new.csv", "id;more;size;day;code\n007;1;3;03.01.2026;01\n008;1;1.234;04.01.2026;01\n")
    table = read_table(new, reading)
    assert preprocessor.features == ["code=01", "code=x1", "size", "day weekday"]
    plain = preprocessor.transform(table) * np.array(preprocessor.deviations) + np.array(preprocessor.means)
    # 3 January 2026 is a Saturday.
    assert plain == pytest.approx(np.array([[1, 0, 3, 5], [1, 0, 1234, 6]]))
    assert table.frame["id"].tolist() == ["007", "008"]


def test_a_new_file_with_commas_has_points_whatever_training_had(tmp_path: Path) -> None:
    reading, _ = fitted(write(tmp_path / "a.csv", "\n".join(["x;y", *(f"{i},5;{'ab'[i % 2]}" for i in range(10))])))
    table = read_table(write(tmp_path / "new.csv", "x,z\n1.5,2\n"), reading)
    assert table.frame["x"].tolist() == [1.5]


def test_a_run_knows_whether_commas_group_thousands(tmp_path: Path) -> None:
    reading, _ = fitted(write(tmp_path / "train.csv", "x,y\n" + "".join(f'"1,{i:03}.5",{i}.5\n' for i in range(20))))
    assert read_table(write(tmp_path / "new.csv", 'x\n"1,234"\n'), reading).frame["x"].tolist() == [1234]
    reading, _ = fitted(write(tmp_path / "train.csv", "x;y\n" + "".join(f"1,{i:03};{i},5\n" for i in range(20))))
    assert read_table(write(tmp_path / "new.csv", 'x\n"1,234"\n'), reading).frame["x"].tolist() == ["1,234"]


def test_what_the_config_says_of_the_format_holds_for_new_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\n".join(["x;y", *(f"{i};{'ab'[i % 2]}" for i in range(10))]))
    reading, _ = fitted(path, format={"missing": [-1], "encoding": "cp1251", "delimiter": ";"})
    new = write(tmp_path / "new.csv", "x;имя\n-1;5\n2;-1\n", "cp1251")
    table = read_table(new, reading)
    assert table.columns == ["x", "имя"]
    assert table.frame.isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_chunks_are_the_table_in_pieces(tmp_path: Path) -> None:
    lines = ["a,b", *(f'{i},"x\n{i}"' for i in range(5)), "", "5,y", "6,z"]
    path = write(tmp_path / "a.csv", "\n".join(lines))
    whole, chunks = read_table(path), list(read_chunks(path, 3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert [row for chunk in chunks for row in chunk.frame.index] == list(range(7))
    assert pd.concat([chunk.frame for chunk in chunks]).equals(whole.frame)
    for chunk in chunks:
        for row in chunk.frame.index:
            assert chunk.at_cell(row, "b") == whole.at_cell(row, "b")
    assert next(iter(read_chunks(path, 7))).frame.equals(whole.frame)


def test_chunks_of_a_file_that_is_overwritten_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,x\n" + "A7,1\n" * 10)
    chunks = read_chunks(path, 4)
    next(chunks)
    with path.open("r+") as file:
        file.write("id,x\n" + "B7,1\n" * 10)
    with pytest.raises(DataError, match=r"a\.csv: the file was changed or replaced while it was read; run"):
        list(chunks)


def test_mistakes_in_a_late_chunk_have_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n3,4\n5\n")

    def walk() -> Iterator[Table]:
        yield from read_chunks(path, 1)

    chunks = walk()
    assert [len(next(chunks)), len(next(chunks))] == [1, 1]
    with pytest.raises(DataError, match=r"a\.csv:4:2: 1 field where the header has 2"):
        next(chunks)
    with pytest.raises(DataError, match=r"a\.csv:1: a header but no rows"):
        list(read_chunks(write(path, "a,b\n"), 5))
