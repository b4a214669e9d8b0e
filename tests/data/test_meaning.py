"""What cells and columns mean where their look misleads: codes, classes, gaps, spellings, rare values, rounding."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.data.damage import checked
from nnrun.data.dataset import Dataset
from nnrun.errors import DataError
from tests.data.reading import read_table

Csv = Callable[..., Path]
Load = Callable[..., Dataset]


# classes


@pytest.mark.parametrize("time", ["{}:{:02}:00", "4{}:{:02}:59.5", "0{}:{:02}", "-{}:{:02}:00"])
def test_times_that_are_taken_for_classes_are_told(csv: Csv, load: Load, time: str) -> None:
    path = csv("x,y", *(f"{i},{time.format(i % 5, i % 7)}" for i in range(200)))
    told = f"target column 'y' holds times such as {time.format(0, 0)!r}, each taken for a class"
    assert load(path, target="y").notices[0].startswith(told)
    assert told not in str(load(path, target="y", task="classification").notices)


def test_times_that_hardly_come_twice_are_told_where_they_are_refused(csv: Csv, load: Load) -> None:
    path = csv("x,y", *(f"{i},-{i // 60}:{i % 60:02}" for i in range(200)))
    with pytest.raises(DataError, match=r"none came into .*; target column 'y' holds times such as"):
        load(path, target="y")


# rare and many categories


def countries(csv: Csv) -> Path:
    """130 countries with 10 rows each, and one with 2."""
    rows = [f"c{i % 130},{i % 7}" for i in range(1300)]
    return csv("country,y", *rows, "rare,1", "rare,2")


def test_values_that_share_a_feature_are_counted_and_kept_by_name(csv: Csv, load: Load) -> None:
    data = load(countries(csv), target="y", task="regression")
    (column,) = data.fitted.preprocessor.columns
    assert (len(column.vocabulary), column.other) == (100, True)
    assert len({*column.vocabulary, *column.pooled}) == 100 + len(column.pooled) >= 130
    (notice,) = (text for text in data.notices if "share the feature" in text)
    assert notice.startswith(f"column 'country': {len(column.pooled)} of {100 + len(column.pooled)} values, in 1")
    assert "data.max_categories and data.rare_below" in notice


def test_two_keys_decide_which_values_have_a_feature(csv: Csv, load: Load) -> None:
    path = countries(csv)
    more = load(path, target="y", task="regression", max_categories=1000, rare_below=3)
    assert "c0" in more.fitted.preprocessor.columns[0].vocabulary and more.n_features > 120
    assert load(path, target="y", task="regression", max_categories=10).n_features == 11
    few = csv("x,y", *(f"{'a' if i % 40 else 'b'},{i % 7}" for i in range(200)), name="few.csv")
    assert load(few, target="y").fitted.features == ["x=a", "x=b"]  # of so few values all are kept
    assert load(few, target="y", rare_below=20).fitted.features == ["x=a", "x=(other)"]


def test_what_is_pooled_survives_data_json_and_damage_is_found(csv: Csv, load: Load) -> None:
    fitted = load(countries(csv), target="y", task="regression").fitted
    written = json.loads(fitted.written)
    assert checked(Path("data.json"), written)[0] == fitted.preprocessor
    written["columns"][0]["pooled"].append(written["columns"][0]["vocabulary"][0])
    with pytest.raises(DataError, match="column 'country'"):
        checked(Path("data.json"), written)


# codes


def test_whole_numbers_that_no_float_holds_are_text(csv: Csv, load: Load) -> None:
    start = 123456789012345678901
    rows = [f"{start + i // 5},{'' if i == 7 else 9007199254740993 + i // 5},{i},{i % 2}" for i in range(100)]
    table = read_table(csv("long,gap,x,y", *rows))
    assert table.frame["long"].nunique() == table.frame["gap"].nunique() == 20
    assert table.frame["long"][0] == str(start) and table.frame["x"].dtype.kind == "i"
    data = load(csv("long,gap,x,y", *rows), target="y", group="long")
    assert sum(data.fitted.split["sizes"].values()) == 100 and data.fitted.split["sizes"]["test"] == 20


def test_one_large_number_among_others_makes_no_code(csv: Csv) -> None:
    assert read_table(csv("x,y", "1,1", f"{10**25},2", "3,1")).frame["x"].tolist() == [1, 1e25, 3]


def test_zeros_before_a_number_make_a_code_unless_it_is_said_to_be_a_number(csv: Csv, load: Load) -> None:
    path = csv("zip,date,x,y", *(f"0213{i % 4},2026-01-0{i % 9 + 1},{i % 10 / 10},{i % 2}" for i in range(80)))
    data = load(path, target="y", drop=["date"])
    assert data.fitted.features[:2] == ["zip=02130", "zip=02131"] and data.fitted.features[-1] == "x"
    assert any("numbers that begin with 0" in notice for notice in data.notices)
    plain = load(path, target="y", drop=["date"], kinds={"zip": "number"})
    assert plain.fitted.features == ["zip", "x"] and not any("begin with 0" in notice for notice in plain.notices)


def test_a_column_is_what_it_is_declared_to_be(csv: Csv, load: Load) -> None:
    rows = [f"{i % 3},{i % 2},text {i},{i % 5},{i % 7}" for i in range(90)]
    path = csv("store,flag,note,skip,y", *rows)
    kinds = {"store": "category", "flag": "boolean", "note": "text", "skip": "drop"}
    data = load(path, target="y", task="regression", kinds=kinds)
    assert data.fitted.features == ["store=0", "store=1", "store=2", "flag"]
    assert [column.kind for column in data.fitted.preprocessor.columns] == ["category", "boolean"]
    assert data.fitted.left_out == ["note", "skip"] and "store" in data.fitted.reading.text
    many = csv("name,y", *(f"n{i},{i % 7}" for i in range(90)), name="many.csv")
    assert load(many, target="y", task="regression", kinds={"name": "category"}, rare_below=1).n_features > 50


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"stor": "category"}, ":1: no column 'stor'; did you mean 'store'?"),
        ({"y": "number"}, ":1:3: 'y' is the target, and data.task says what it is; take it out of data.kinds"),
        ({"word": "number"}, ":4:2: 'two' is not a number, but data.kinds says that column 'word' holds numbers; "),
        ({"store": "date"}, ":1:1: no format of dates reads all values, but data.kinds says that column 'store' holds"),
        ({"store": "boolean"}, ":13:1: 2 in column 'store' is neither true nor false; "),
    ],
)
def test_a_column_that_is_not_what_it_is_declared_to_be(csv: Csv, load: Load, kinds: Any, message: str) -> None:
    path = csv("store,word,y", "0,1,1", "1,1,2", "2,two,3", *(f"{i % 3},{i % 9},{i % 7}" for i in range(60)))
    with pytest.raises(DataError) as caught:
        load(path, target="y", task="regression", kinds=kinds)
    assert str(caught.value).startswith(f"{path}{message}")


def test_the_value_of_another_unit_is_named_where_numbers_are_declared(csv: Csv, load: Load) -> None:
    path = csv("x,y", *(f"{i} km,{i % 7}" for i in range(50)), "5 mi,3")
    with pytest.raises(DataError) as caught:
        load(path, target="y", task="regression", kinds={"x": "number"})
    told = ":52:1: '5 mi' is in mi, where others have km, but data.kinds says that column 'x' holds numbers; "
    assert str(caught.value).startswith(f"{path}{told}")


# classes that mean a missing value elsewhere


@pytest.mark.parametrize("classes", [("+", "-"), ("None", "mild"), ("NA", "EU"), ("-", "NA")])
def test_classes_that_mean_a_missing_value_elsewhere(csv: Csv, load: Load, classes: tuple[str, str]) -> None:
    path = csv("x,y", *(f"{'-' if i % 10 == 3 else i},{classes[i % 2]}" for i in range(100)))
    data = load(path, target="y")
    assert data.classes == sorted(classes)
    assert data.fitted.features == ["x", "x is missing"]
    (told,) = (notice for notice in data.notices if "not a missing value" in notice)
    assert "(50 rows)" in told
    again = read_table(path, data.fitted.reading)  # as evaluate reads new rows
    assert sorted(again.frame["y"].unique()) == sorted(classes)


def test_rare_markers_and_those_among_numbers_stay_missing(csv: Csv, load: Load) -> None:
    rare = csv("x,y", *(f"{i},{'NA' if i % 25 == 0 else 'ab'[i % 2]}" for i in range(200)))
    with pytest.raises(DataError, match=r":2:2: no value in target column 'y' \(8 rows in all\)"):
        load(rare, target="y")
    numbers = csv("x,y", *(f"{i},{'NA' if i % 2 else i}" for i in range(200)), name="numbers.csv")
    assert load(numbers, target="y", missing_target="drop").task == "regression"


def test_usual_markers_can_be_switched_off(csv: Csv, load: Load) -> None:
    path = csv("x,z,y", *(f"{('NA', 'EU', '?')[i % 3]},{-999 if i == 5 else i},{i % 2}" for i in range(60)))
    data = load(path, target="y", format={"missing": {"only": ["?", -999]}})
    assert data.fitted.features == ["x=EU", "x=NA", "x is missing", "z", "z is missing"]
    assert read_table(path, data.fitted.reading).frame["x"].tolist()[:2] == ["NA", "EU"]
    assert checked(Path("data.json"), json.loads(data.fitted.written))


# numbers in other spellings


@pytest.mark.parametrize(
    ("cells", "numbers", "told"),
    [
        (["\u22121.5", "2.5"], [-1.5, 2.5], "is read as negative"),
        (["(1.57)", "2"], [-1.57, 2], "what stands in brackets is read as negative"),
        (["1.57-", "n.a."], [-1.57, np.nan], "'n.a.' is read as missing"),
        (["1.57 kg", "20kg"], [1.57, 20], "with kg; they are read without it"),
        (['"1,234,567 m"', "--"], [1234567, np.nan], "'--' is read as missing"),
        (["1e-05", "n.a."], [1e-5, np.nan], "missing"),
    ],
)
def test_numbers_in_another_spelling(csv: Csv, cells: list[str], numbers: list[float], told: str) -> None:
    table = read_table(csv("a,b", *(f"{cell},x" for cell in cells)))
    np.testing.assert_array_equal(table.frame["a"], numbers)
    assert told in table.notices[0] and table.notices[0].startswith("column 'a' holds numbers")


@pytest.mark.parametrize("cells", [["1 kg", "1 g"], ["1 kg", "2"], ["<0.90", "1"], ["3 to 5", "1"], ["a1", "a2"]])
def test_what_is_not_certain_stays_as_it_is_written(csv: Csv, cells: list[str]) -> None:
    table = read_table(csv("a,b", *(f"{cell},x" for cell in cells)))
    assert table.frame["a"].tolist() == cells and table.notices == ()


def test_a_column_known_to_hold_numbers_may_lack_all_of_them(csv: Csv, load: Load) -> None:
    path = csv("a,y", *(f"{i},{i / 7} mm" for i in range(60)))
    reading = load(path, target="y").fitted.reading
    table = read_table(csv("a,y", "n.a.,1.5 mm", "--,2 mm", name="new.csv"), reading)
    assert table.frame["a"].isna().all() and table.frame["a"].dtype == "float64"
    assert table.frame["y"].tolist() == [1.5, 2]  # however few targets there are, they name no classes


@pytest.mark.parametrize(("train", "dev", "has"), [("kg", "lb", "lb"), ("%", "", "no unit"), ("", "$", r"\$")])
def test_parts_have_one_unit(csv: Csv, load: Load, train: str, dev: str, has: str) -> None:
    source = {
        part: csv("x,y", *(f"{i / 7:.2f}{unit},{i}" for i in range(60)), name=f"{part}.csv")
        for part, unit in {"train": train, "dev": dev}.items()
    }
    with pytest.raises(
        DataError, match=rf"dev.csv:1:1: the numbers of column 'x' have {has}, those of .*train.csv have"
    ):
        load(source, target="y", task="regression")


def test_numbers_that_are_text_for_some_values_are_told(csv: Csv, load: Load) -> None:
    path = csv("a,x,y", *(f"{'<0.90' if i % 3 == 1 else i / 10},{i},{i % 7}" for i in range(90)))
    data = load(path, target="y", task="regression")
    (told,) = (notice for notice in data.notices if "taken for text" in notice)
    assert told.startswith(
        f"column 'a' is taken for text: 60 of 90 values are numbers, 30 are not, the first '<0.90' ({path}:3:1)"
    )
    cured = load(path, target="y", task="regression", format={"missing": ["<0.90"]})
    assert cured.fitted.features == ["a", "a is missing", "x"]


DAYS = [f"{i % 28 + 1:02}.{i % 11 + 1:02}.2026" for i in range(100)]


@pytest.mark.parametrize("place", [0, 40, 100])
@pytest.mark.parametrize("cells", [None, 25])
def test_what_is_no_date_among_dates_is_told(
    csv: Csv, load: Load, monkeypatch: pytest.MonkeyPatch, place: int, cells: int | None
) -> None:
    if cells:
        monkeypatch.setattr("nnrun.data.files.chunks.CELLS", cells * 3)
    days = [*DAYS[:place], "unknown", *DAYS[place:]]
    path = csv("day,x,y", *(f"{day},{i % 9},{i % 7}" for i, day in enumerate(days)))
    data = load(path, target="y", task="regression")
    (told,) = (notice for notice in data.notices if "taken for text" in notice)
    assert told == (
        "column 'day' is taken for text: 100 of 101 values are dates like 31.01.2026, 1 is not, the first 'unknown' "
        f"({path}:{place + 2}:1); rewrite these, or list them in data.format.missing, to learn from dates; "
        "data.kinds: {day: category} says it is text"
    )
    cured = load(path, target="y", task="regression", format={"missing": ["unknown"]})
    assert "day month" in cured.fitted.features
    assert not any("taken for text" in notice for notice in cured.notices)


@pytest.mark.parametrize(
    ("codes", "other"),
    [
        ([f"{i % 8 + 1}.{i % 4 + 1}.{i % 7 + 10}" for i in range(100)], "2.0.1"),
        ([f"2{i:03}-{i % 12 + 1}" for i in range(100)], "2010-A"),
        ([f"{i % 12 + 1}-{i % 9 + 1}-{i * 37 + 3000}" for i in range(100)], "30-13-0001"),
        ([f"{i % 12 + 1}/{i % 9 + 1}/{i % 31 + 1}" for i in range(100)], "13/13/13"),
    ],
)
@pytest.mark.parametrize("place", [0, 40])
def test_codes_that_look_like_dates_are_categories(
    csv: Csv, load: Load, codes: list[str], other: str, place: int
) -> None:
    codes = [*codes[:place], other, *codes[place:]] * 5
    path = csv("code,x,y", *(f"{code},{i % 9},{i % 7}" for i, code in enumerate(codes)))
    found = load(path, target="y", task="regression")
    assert any(name.startswith("code=") for name in found.fitted.features)
    assert not any("taken for text" in notice for notice in found.notices)


@pytest.mark.parametrize(
    "day", ["%Y-%m-%d", "%m/%d/%Y", "%Y.%m.%d", "%d %b %Y", "%d-%b-%y", "%B %d, %Y", "%d.%m.%Y %H:%M"]
)
def test_a_slip_among_dates_of_any_clear_format_is_told(csv: Csv, load: Load, day: str) -> None:
    days = [(dt.datetime(2026, 1, 31, 13, 30) + dt.timedelta(i)).strftime(day) for i in range(60)]
    path = csv("day,x,y", *(f'"{text}",{i % 9},{i % 7}' for i, text in enumerate([*days, "unknown"])))
    notices = load(path, target="y", task="regression").notices
    assert any("60 of 61 values are dates like" in notice for notice in notices)


def test_a_long_span_among_short_ones_is_no_slip(csv: Csv, load: Load) -> None:
    spans = [*(f"{i // 60}:{i % 60:02}" for i in range(600, 700)), "24:10"]
    path = csv("span,x,y", *(f"{span},{i % 9},{i % 7}" for i, span in enumerate(spans)))
    assert load(path, target="y", task="regression").fitted.features == ["x"]


@pytest.mark.parametrize("others", [["unknown"] * 20, ["2026-01-31"] * 20])
def test_many_that_are_no_such_dates_make_a_column_of_text(csv: Csv, load: Load, others: list[str]) -> None:
    path = csv("day,x,y", *(f"{day},{i % 9},{i % 7}" for i, day in enumerate([*DAYS, *others])))
    assert "day month" not in load(path, target="y", task="regression").fitted.features


# rounding, missing targets, weights


def test_what_rounding_leaves_is_constant(csv: Csv, load: Load) -> None:
    path = csv("dust,x,y", *(f"{0.3 if i % 2 else 0.1 + 0.2!r},{i},{i % 7}" for i in range(60)))
    fitted = load(path, target="y", task="regression").fitted
    assert fitted.deviations[0] == 1
    new = csv("dust,x", "0.4,1", name="new.csv")
    assert abs(fitted.preprocessor.transform(read_table(new))[0, 0]) == pytest.approx(0.1)
    with pytest.raises(DataError, match=r"target column 'dust' is 0\.3 in every row"):
        load(path, target="dust", task="regression")


@pytest.mark.parametrize("role", ["group", "time"])
def test_rows_without_a_target_can_be_left_out(csv: Csv, load: Load, role: str) -> None:
    """They need not have what splits the others."""
    rows = [(i, i % 2, i % 20) for i in range(100)]
    full = load(csv("x,y,g", *(f"{x},{y},{g}" for x, y, g in rows)), target="y", dtype="float64", **{role: "g"})
    holes = [f"{x},{y},{g}\n500,,{g if x % 8 else ''}" if x % 4 == 0 else f"{x},{y},{g}" for x, y, g in rows]
    path = csv("x,y,g", *holes, name="holes.csv")
    data = load(path, target="y", missing_target="drop", **{role: "g"})
    assert data.sizes == full.sizes
    for part, whole in full.parts.items():
        np.testing.assert_array_equal(data.parts[part].x, whole.x)
        np.testing.assert_array_equal(data.parts[part].y, whole.y)
    assert f"25 rows of 125 without a target left out (data.missing_target), the first: {path}:3:2" in data.notices
    path = csv("x,y,g", *holes, "7,1,", name="holes.csv")
    with pytest.raises(DataError, match=r"holes.csv:127:3: no value in column 'g', which splits the rows"):
        load(path, target="y", missing_target="drop", **{role: "g"})


def test_rows_without_a_target_are_left_out_of_a_file_for_each_part(csv: Csv, load: Load) -> None:
    source = {
        part: csv("x,y", *(f"{i},{'' if i == 3 else i % 7}" for i in range(rows)), name=f"{part}.csv")
        for part, rows in {"train": 60, "dev": 20}.items()
    }
    data = load(source, target="y", task="regression", missing_target="drop")
    assert data.sizes == {"rows": {"train": 59, "dev": 19}}


@pytest.mark.parametrize("size", ["e43", "e-50", "e307"])
def test_weights_of_any_size_are_the_same(csv: Csv, load: Load, size: str) -> None:
    def weights(unit: str) -> Any:
        path = csv("x,w,y", *(f"{i},{i % 3 + 1}{unit},{i % 7}" for i in range(60)), name=f"w{unit}.csv")
        return load(path, target="y", task="regression", weight="w", dtype="float32").parts["train"].weights

    np.testing.assert_allclose(weights(size), weights(""), rtol=1e-6)


def test_damaged_units_are_told(csv: Csv, load: Load) -> None:
    written = json.loads(load(csv("x,y", *(f"{i} kg,{i / 7}" for i in range(60))), target="y").fitted.written)
    assert written["format"]["units"] == {"x": "kg"} and checked(Path("data.json"), written)
    written["format"]["units"] = ["kg"]
    with pytest.raises(DataError, match="units"):
        checked(Path("data.json"), written)
