"""A cell of thousands of characters takes as long as it is, not as its square: a blank one, a damaged one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.data.facts.offsets import with_offset
from nnrun.data.files.dialect import find_decimal
from nnrun.data.files.numerals import plainly_written
from nnrun.models.export.standalone import NUMBER
from tests.data.reading import read_table

pd = pytest.importorskip("pandas")

LONG = 60_000  # characters: hundredths of a second, or a minute and more


def is_number(text: str) -> bool:
    plain, _, _ = plainly_written(pd.Series([text]), known=True)
    return text not in list(plain)


@pytest.mark.parametrize(
    "look",
    [
        lambda: is_number("1" + " " * LONG + "!"),
        lambda: is_number("1" * 4 * LONG + "! kg"),
        lambda: with_offset(["T10" * LONG]),
        lambda: find_decimal(["1,", "€" * LONG, ",2\n", " " * LONG, ",3\n"], ","),
        lambda: find_decimal([f"1,{'$' * LONG}x,2\n"], ","),
        lambda: NUMBER.fullmatch("$" * LONG),
        lambda: NUMBER.fullmatch("1" * LONG + "!"),
        lambda: NUMBER.fullmatch("1" + " " * LONG + "!"),
    ],
)
def test_it_takes_as_long_as_it_is(look: Callable[[], object]) -> None:
    began = time.process_time()
    look()
    assert time.process_time() - began < 10


def test_blank_fields_of_a_fixed_width_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{k},{' ' * 4000 if k % 2 else k / 8}\n" for k in range(400)))
    began = time.process_time()
    table = read_table(path)
    assert time.process_time() - began < 30
    assert int(table.frame["b"].isna().sum()) == 200


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-05-01T10:00:00+02:00", True),
        ("2024-05-01 10:00Z", True),
        ("2024-05-01 10:00:00-0530", True),
        ("2024-05-01t10:00z", True),
        ("2024-05-01T10:00:00", False),
        ("2024-05-01", False),
        ("2024-05-01-02", False),  # an offset of a day is none
    ],
)
def test_an_offset_stands_behind_a_time_of_day(text: str, found: bool) -> None:
    assert with_offset([text]) == {found}


@pytest.mark.parametrize("text", ["$ -5.5", "€1,5", "+ 1,5", " - 1,5 €", "1,5%"])
def test_signs_and_blanks_stand_around_a_number(text: str) -> None:
    mark = "." if "." in text else ","
    assert find_decimal([f"a;{text};b\n"], ";", ".").mark == mark
