"""What columns of text mean, and the features they become: truth, dates, pooled categories, what is left out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import DATE_FORMATS, Meaning, Texts, example, possible_formats, read_dates
from nnrun.data.facts.offsets import with_offset
from nnrun.data.features.preprocess import Preprocessor
from nnrun.errors import DataError
from tests.data.in_memory import fitted_on, table


def facts(values: list[Any]) -> ColumnFacts:
    return ColumnFacts.of(table(x=values), "x")


def fit(**columns: list[Any]) -> Preprocessor:
    return fitted_on(table(**columns), "none")


@pytest.mark.parametrize(
    "words", [["true", "False"], ["YES", "no"], ["T", "f"], ["Y", "N"], ["Yes", "yes", "NO", None]]
)
def test_pairs_of_words_are_boolean(words: list[Any]) -> None:
    assert facts(words).meaning == Meaning("boolean")


@pytest.mark.parametrize("words", [["yes", "yes"], ["yes", "no", "maybe"], ["yes", "f"], ["true", "no"]])
def test_other_words_are_categories(words: list[Any]) -> None:
    assert facts(words).meaning == Meaning("category")


def test_booleans_become_one_feature() -> None:
    fitted = fit(paid=["yes", "No", "YES", None])
    assert fitted.features == ["paid", "paid is missing"]
    # Two of three are true.
    assert fitted.transform(table(paid=["Yes", None, "no"])).tolist() == [[1, 0], [pytest.approx(2 / 3), 1], [0, 0]]
    # New data may write truth in another way, or as 0 and 1.
    assert fitted.transform(table(paid=["t", "F", "1"]))[:, 0].tolist() == [1, 0, 1]
    assert fitted.transform(table(paid=[True, False]))[:, 0].tolist() == [1, 0]
    assert fitted.transform(table(paid=[1, 0]))[:, 0].tolist() == [1, 0]
    with pytest.raises(DataError, match=r"^test: row 2: 'maybe' in column 'paid' is neither true nor false; correct"):
        fitted.transform(table(paid=["yes", "maybe"]))


DATES = {
    "ISO8601": ["2026-01-31", "2026-02-01T13:30", "2026-02-01 13:30:05.5", "2026-02-01T13:30:00+02:00"],
    "%d/%m/%Y": ["31/01/2026", "1/2/2026"],
    "%m/%d/%Y": ["01/31/2026", "2/1/2026"],
    "%d.%m.%Y": ["31.01.2026", "01.02.2026"],
    "%d.%m.%Y %H:%M": ["31.01.2026 13:30", "01.02.2026 0:05"],
    "%d.%m.%y": ["31.01.26", "01.02.26"],
    "%Y/%m/%d": ["2026/01/31", "2026/02/01"],
    "%m/%d/%Y %I:%M %p": ["01/31/2026 1:30 PM", "02/01/2026 12:05 AM"],
    "%d-%b-%Y": ["31-Jan-2026", "01-Feb-2026"],
    "%B %d, %Y": ["January 31, 2026", "February 1, 2026"],
}


@pytest.mark.parametrize("format", DATES)
def test_dates_are_read_in_one_format(format: str) -> None:
    meaning = facts([*DATES[format], None]).meaning
    assert (meaning.kind, meaning.format, meaning.alternative) == ("date", format, None)


def test_every_format_reads_its_own_example() -> None:
    for format in DATE_FORMATS:
        assert facts([example(format)]).meaning.kind == "date", format


@pytest.mark.parametrize("value", ["1/2/26", "1:30  PM", "May 5, 2026", "Jan 1,2026", "1:30 PM", "1-2-2026 3:4:5.6"])
def test_no_format_that_reads_a_value_is_left_out(value: str) -> None:
    tried = [format for format in DATE_FORMATS[1:] if not np.isnat(read_dates([value], format)).any()]
    assert possible_formats(value) == tried


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-31", "soon"],
        ["31/01/2026", "01/31/2026"],  # each alone is a date, but never in the same format
        ["31/01/2026", "31.01.2026"],
        ["2026-13-01"],
        ["1.2.3", "1.2.4"],
        ["10-12", "12-15"],
        ["192.168.1.1"],
    ],
)
def test_what_is_no_date(values: list[str]) -> None:
    assert facts(values).meaning == Meaning("category")


def test_days_and_months_that_could_be_exchanged() -> None:
    assert facts(["01/02/2026", "03/04/2026"]).meaning == Meaning("date", "%d/%m/%Y", "%m/%d/%Y")
    # A value over 12 decides, wherever it stands.
    assert facts(["01/02/2026", "03/14/2026"]).meaning.format == "%m/%d/%Y"
    assert facts(["01/02/2026", "14/03/2026"]).meaning.format == "%d/%m/%Y"


def test_dates_become_parts() -> None:
    # A Wednesday and a Sunday of one year; the hour never changes.
    fitted = fit(day=["2026-01-07", "2026-03-01", None])
    assert fitted.features == ["day month", "day weekday", "day is missing"]
    assert fitted.transform(table(day=["2026-03-02", None])).tolist() == [[3, 0, 0], [2, 4, 1]]
    with pytest.raises(DataError, match=r"^test: row 1: '7\.1\.2026' in column 'day' is not a date like 2026-01-31; "):
        fitted.transform(table(day=["7.1.2026"]))
    hours = fit(at=["31.01.2026 07:00", "31.01.2026 09:00"])
    assert hours.features == ["at hour"]
    assert hours.transform(table(at=["01.02.2027 23:59"])).tolist() == [[23]]


def test_words_that_mean_the_clock_and_years_before_1_are_no_dates() -> None:
    nothing = ["now", "today", "-2026-01-31", "0000-01-31"]
    for format in DATE_FORMATS:
        assert np.isnat(read_dates(nothing, format)).all(), format
    early = read_dates(["0001-01-01T00:00+01:00", "9999-12-31"], "ISO8601")
    assert early.astype("M8[h]").astype(str).tolist() == ["0000-12-31T23", "9999-12-31T00"]
    assert facts(["2026-01-07", "now", "2026-03-01"]).meaning == Meaning("category")
    fitted = fit(day=["2026-01-07", "2026-03-01"])
    with pytest.raises(DataError, match=r"^test: row 2: 'today' in column 'day' is not a date like 2026-01-31; "):
        fitted.transform(table(day=["2026-03-02", "today"]))


def test_stored_dates_and_offsets() -> None:
    fitted = fit(at=list(pd.to_datetime(["2026-01-07 01:00", "2027-02-07 02:00"])))
    assert fitted.features == ["at year", "at month", "at weekday", "at hour"]
    # 00:30 two hours east of Greenwich is 22:30 of the day before there.
    assert fitted.transform(table(at=["2026-03-02T00:30+02:00"])).tolist() == [[2026, 3, 6, 22]]
    shifted = pd.to_datetime(["2026-03-02T00:30+02:00"], utc=True).tz_convert("Europe/Berlin")
    assert fitted.transform(table(at=list(shifted))).tolist() == [[2026, 3, 6, 22]]


def test_a_date_that_never_varies_is_no_feature() -> None:
    assert fit(x=[1.0, 2.0], day=["2026-01-07", "2026-01-07"]).features == ["x"]


def test_rare_categories_are_pooled() -> None:
    # 33 values: a and b with 5 rows each, the others with one.
    values = ["b"] * 5 + ["a"] * 5 + [f"rare{i}" for i in range(31)] + [None]
    fitted = fit(c=values)
    assert fitted.features == ["c=a", "c=b", "c=(other)", "c is missing"]
    found = fitted.transform(table(c=["a", "rare3", "new", None]))
    assert found.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_few_categories_are_all_kept() -> None:
    fitted = fit(c=[f"v{i:02}" for i in range(30)])
    assert len(fitted.features) == 30
    assert fitted.transform(table(c=["new"])).sum() == 0


def test_the_most_frequent_hundred_categories_are_kept() -> None:
    # Values 0 to 109 with 5 rows each, and one with 6: ties are kept in order of text.
    values = [f"v{i:03}" for i in range(110)] * 5 + ["v109"]
    fitted = fit(c=values)
    assert fitted.features == [*(f"c=v{i:03}" for i in range(99)), "c=v109", "c=(other)"]


def test_all_of_many_frequent_categories_are_kept() -> None:
    fitted = fit(c=[f"v{i}" for i in range(40)] * 5)
    assert len(fitted.features) == 40
    assert not fitted.columns[0].other


def test_a_share_of_the_rows_is_needed_in_large_tables() -> None:
    # 0.1% of 10,000 rows are 10.
    values = ["p"] * 10 + ["q"] * 9 + [f"r{i % 31}" for i in range(9981)]
    assert {"c=p", "c=(other)"} <= set(fit(c=values).features)
    assert "c=q" not in fit(c=values).features


def test_kinds_survive_json() -> None:
    columns: dict[str, list[Any]] = {
        "a": [1.5, None] * 20,
        "b": ["yes", "no"] * 20,
        "c": ["x"] * 8 + [f"v{i}" for i in range(32)],
        "d": ["01.02.2026", "14.03.2027"] * 20,
    }
    fitted = fitted_on(table(**columns))
    restored = Preprocessor.from_json(json.loads(json.dumps(fitted.to_json())))
    assert restored == fitted
    assert np.array_equal(restored.transform(table(**columns)), fitted.transform(table(**columns)))


def test_identifiers_and_text_are_left_out() -> None:
    def reason(values: list[str]) -> str | None:
        return facts(values).reason_to_leave_out()

    assert reason([f"id{i}" for i in range(51)]) == "all its values differ, as an identifier's do"
    assert reason([f"id{i}" for i in range(50)]) is None
    reviews = [f"I bought {i} of them and liked every one" for i in range(60)]
    assert reason([*reviews, reviews[0]]) == "it is free text (60 different values in 61 rows)"
    assert reason(reviews * 3) == "none of its 60 values has as many as 5 rows (data.rare_below)"
    assert reason(reviews * 5) is None  # long, but each of them often: these are categories
    assert reason([f"2026-01-01T00:00:{i:02}" for i in range(60)]) is None


def test_notices_tell_what_is_left_out_and_what_is_in_doubt(csv: Any, load: Any) -> None:
    rows = [f"{i},0{i % 9 + 1}/0{i % 8 + 1}/2026,n{i},{'ab'[i % 2]}" for i in range(60)]
    data = load(csv("x,day,name,y", *rows), target="y")
    assert data.notices == [
        "column 'name' is left out: all its values differ, as an identifier's do",
        "column 'day' could hold dates like 31/01/2026 or like 01/31/2026; they are read like 31/01/2026 "
        "(dates like 2026-01-31 leave no doubt)",
    ]
    assert data.fitted.features == ["x", "day month", "day weekday"]


@pytest.mark.parametrize(("last", "told"), [("19.10.68", True), ("19.10.20", False), ("19.10.2068", False)])
def test_short_years_that_may_be_of_another_century_are_told(csv: Any, load: Any, last: str, told: bool) -> None:
    years = ("19" if len(last) > 8 else "") + "{}"
    born = [*(f"{i % 28 + 1:02}.{i % 12 + 1:02}.{years.format(70 + i % 20)}" for i in range(39)), last]
    rows = [f"{day},{i},{i / 2}" for i, day in enumerate(born)]
    doubt = (
        "column 'born' has years of two digits, read as 1969 to 2068: it reaches from 1970-01-01 to 2068-10-19, "
        "which is to come; if it is past, write years with four digits"
    )
    assert (doubt in load(csv("born,x,y", *rows), target="y").notices) == told
    assert (doubt in load(csv("born,x,y", *rows), target="y", time="born").notices) == told


def test_what_a_column_means_is_decided_by_all_rows(csv: Any, load: Any) -> None:
    # By time, only the test rows have a day over 12 or say "no".
    rows = [f"{i},0{i % 9 + 1}/01/2026,yes,{i / 7}" for i in range(8)]
    data = load(csv("t,day,paid,y", *rows, "8,14/01/2026,no,1", "9,15/01/2026,no,2"), target="y", time="t")
    assert [(column["kind"], column["format"]) for column in data.fitted.document["columns"]] == [
        ("date", "%d/%m/%Y"),
        ("boolean", None),
    ]
    assert not data.notices[1:]


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (["31.01.2026 13:30:05.000", "01.02.2026 00:05:06.125"], "%d.%m.%Y %H:%M:%S.%f"),
        (["31.01.2026", "01.02.2026 13:30"], "%d.%m.%Y %H:%M"),
        (["31.01.2026 13:30", "01.02.2026"], "%d.%m.%Y %H:%M"),
        (["31.01.2026", "01.02.2026 13:30:05.125", "01.02.2026 13:30:05"], "%d.%m.%Y %H:%M:%S.%f"),
        (["1/31/2026", "2/1/2026 1:30 PM"], "%m/%d/%Y %I:%M %p"),
        (["2026-01-31", "2026-02-01 13:30"], "ISO8601"),
        (["13:30", "9:05"], "%H:%M"),
        (["13:30:05", "00:00:59"], "%H:%M:%S"),
        (["1:30 PM", "12:05 AM"], "%I:%M %p"),
        (["9999-12-31", "1900-01-01", "2026-01-31"], "ISO8601"),
    ],
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_times_of_day_with_and_without_a_date(values: list[str], format: str, pieces: int) -> None:
    texts = Texts()
    for part in np.array_split(np.array(values, dtype=object), pieces):
        texts.see(pd.Series(part))
    assert (texts.meaning.kind, texts.meaning.format, texts.meaning.alternative) == ("date", format, None)
    assert not np.isnat(read_dates(values, format)).any()


@pytest.mark.parametrize("values", [["13:30", "24:10"], ["1:2", "3:4"], ["13:30", "31.01.2026"], ["31.01.2026 25:00"]])
def test_what_is_no_time_of_day(values: list[str]) -> None:
    assert facts(values).meaning == Meaning("category")


def test_a_date_without_a_time_is_midnight() -> None:
    fitted = fit(at=["31.01.2026", "31.01.2026 13:30", "31.01.2026 23:59"])
    assert fitted.features == ["at hour"]
    assert fitted.transform(table(at=["01.02.2027", "01.02.2027 9:00"])).tolist() == [[0], [9]]


def test_times_of_day_keep_their_minutes() -> None:
    fitted = fit(at=["13:30", "9:05", "13:59"])
    assert fitted.features == ["at hour", "at minute"]
    assert fitted.transform(table(at=["13:59", "0:00", None])).tolist() == [[13, 59], [0, 0], [35 / 3, 94 / 3]]
    assert fit(at=["13:00", "9:00"]).features == ["at hour"], "they never vary"
    assert fit(at=["31.01.2026 13:30", "31.01.2026 9:05"]).features == ["at hour"], "of a date they are none"


def test_rows_are_split_by_times_that_come_late(csv: Any, load: Any) -> None:
    rows = [f"{day:02}.01.2026{' 13:30' if day > 20 else ''},{day},{'ab'[day % 2]}" for day in range(1, 31)]
    data = load(csv("at,x,y", *reversed(rows)), target="y", time="at", normalize="none")
    assert sorted(data.parts["train"].x[:, 0]) == list(range(1, 19))


def test_dates_that_stand_for_none_are_told(csv: Any, load: Any) -> None:
    ends = ["9999-12-31", "2026-01-05", "2026-02-07"]
    path = csv("end,x,y", *(f"{ends[i % 3]},{i},{'ab'[i % 2]}" for i in range(30)))
    told = (
        "column 'end' holds 9999-12-31 in 10 rows, as where there is no date; if it means that, add it to "
        "data.format.missing"
    )
    assert told in load(path, target="y").notices
    data = load(path, target="y", format={"missing": ["9999-12-31"]})  # as the notice says
    assert told not in data.notices
    assert "end is missing" in data.fitted.features


def test_dates_in_doubt_are_told_of_the_time_that_splits_the_rows(csv: Any, load: Any) -> None:
    doubtful = [f"{i % 12 + 1:02}/{i % 8 + 1:02}/2025,{i},{'ab'[i % 2]}" for i in range(60)]
    assert load(csv("t,x,y", *doubtful), target="y", time="t").notices[1] == (
        "column 't' could hold dates like 31/01/2026 or like 01/31/2026; they are read like 31/01/2026 "
        "(dates like 2026-01-31 leave no doubt)"
    )
    unknown = [f"{'1900-01-01' if i % 5 == 0 else f'2025-01-{i % 28 + 1:02}'},{i},{'ab'[i % 2]}" for i in range(60)]
    assert load(csv("t,x,y", *unknown), target="y", time="t").notices[1] == (
        "column 't' holds 1900-01-01 in 12 rows, as where there is no date; if it means that, give these rows their "
        "dates, or leave them out"
    )


def test_times_with_an_offset_among_others_are_told(csv: Any, load: Any) -> None:
    def rows(*ends: str) -> list[str]:
        return [f"2026-01-{i % 28 + 1:02}T{i % 24:02}:15{ends[i % len(ends)]},{i},{'ab'[i % 2]}" for i in range(60)]

    mixed, all_alike = (csv("t,x,y", *rows(*ends), name=f"{len(ends)}.csv") for ends in (("", "+02:00"), ("Z",)))
    told = (
        "column 't' holds times with an offset and times without one, which are taken for UTC; if they are local "
        "times, write them all alike"
    )
    for time in (None, "t"):
        assert told in load(mixed, target="y", time=time).notices
        assert told not in load(all_alike, target="y", time=time).notices
    source = {"train": all_alike, "dev": csv("t,x,y", *rows(""), name="dev.csv")}
    data = load(source, target="y")
    assert data.fitted.reading.offsets == {"t": True}
    assert data.notices[0] == (
        f"{source['dev']}: times of column 't' have no offset, where those of training have one; they are taken for UTC"
    )
    assert load({**source, "dev": all_alike}, target="y").notices[:1] != data.notices[:1]


def test_dates_without_a_time_have_no_offset() -> None:
    assert with_offset(["2026-01-31", "2026-01-31T13:30", "2026-01-31 13:30:05.5"]) == {False}
    assert with_offset(["2026-01-31T13:30Z", "2026-01-31 13:30:05-0330", "2026-01-31T13+02"]) == {True}
