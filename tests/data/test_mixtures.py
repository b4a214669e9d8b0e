"""Columns of text that would be numbers but for a slip, for how they are written, or for how a file stores them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase
from time import process_time
from typing import Any

import pandas as pd
import pytest

from nnrun.data.dataset import Dataset
from nnrun.errors import DataError
from nnrun.insight.scaffold.verbs import Scaffold, Wishes, scaffold

Csv = Callable[..., Path]
Load = Callable[..., Dataset]

ROWS = 60


def written(csv: Csv, how: str, others: dict[int, str]) -> Path:
    """A table of prices, some of them grouped, and of other cells in these rows."""
    prices = [others.get(i, how.format((i + 1) * 123.45)) for i in range(ROWS)]
    return csv("price,z,y", *(f'"{price}",{i % 9},{i % 7}' for i, price in enumerate(prices)))


def proposed(path: Path, target: str = "y") -> Scaffold:
    """What `nnrun init` proposes."""
    return scaffold(str(path), Wishes(target=target), path.parent / "config.yaml")


def told_of(data: Dataset) -> list[str]:
    """The notices on columns that are taken for text."""
    return [notice for notice in data.notices if "taken for text" in notice]


@pytest.mark.parametrize(
    ("how", "like"),
    [("${:,.2f}", " with $"), ("{:.1f} kg", " with kg"), ("{:.1f}%", " with %"), ("{:,.2f}", ""), ("({:.2f})", "")],
)
@pytest.mark.parametrize("cells", [None, 60])
def test_a_slip_among_numbers_however_written_is_told_and_refused_by_init(
    csv: Csv, load: Load, monkeypatch: pytest.MonkeyPatch, how: str, like: str, cells: int | None
) -> None:
    if cells:
        monkeypatch.setattr("nnrun.data.files.chunks.CELLS", cells)
    path = written(csv, how, {40: "TBD", 50: "--"})
    (told,) = told_of(load(path, target="y", task="regression"))
    assert f": 58 of 59 values are numbers{like}, 1 is not, the first 'TBD' ({path}:42:1); rewrite these" in told
    cured = load(path, target="y", task="regression", format={"missing": ["TBD"]})
    assert cured.fitted.features == ["price", "price is missing", "z"]
    monkeypatch.undo()
    with pytest.raises(DataError) as caught:
        proposed(path)
    assert str(caught.value).startswith(
        f"{path}:42:1: 'TBD' is not a number, but 58 of 59 values of column 'price' are; correct it"
    )


def test_a_number_without_the_sign_of_the_others_is_named(csv: Csv) -> None:
    with pytest.raises(DataError, match=r":32:1: '12\.5' has no unit, but 59 of 60 values of column 'price' have \$; "):
        proposed(written(csv, "${:,.2f}", {30: "12.5"}))


def test_another_unit_may_be_meant(csv: Csv) -> None:
    notices = proposed(written(csv, "{:.0f} years", {0: "1 year"})).overview.notices
    (told,) = [told for told in notices if "taken for text" in told]
    assert "59 of 60 values are numbers with years, 1 is not, the first '1 year'" in told
    assert "rewrite these to learn from numbers" in told  # to make it a missing value would lose an amount


@pytest.mark.parametrize("first", ["X", "16B"])
def test_codes_with_two_letters_are_codes_in_whatever_order(csv: Csv, first: str) -> None:
    seats = [first, *(f"{i % 60 + 1}A" for i in range(190)), *["16B"] * 10, "X"]
    made = proposed(csv("seat,z,y", *(f"{seat},{i % 9},{i % 7}" for i, seat in enumerate(seats))))
    assert made.overview.used[0].name == "seat"


@pytest.mark.parametrize(("cells", "others"), [("{}i", "{}d"), ("{}A", "{}B"), ("{} AB", "{} CD"), ("{}L", "{}XL")])
def test_codes_of_numbers_with_letters_are_not_told(csv: Csv, load: Load, cells: str, others: str) -> None:
    codes = [(others if i % 3 == 1 else cells).format(i % 40 + 30) for i in range(300)]
    path = csv("code,z,y", *(f"{code},{i % 9},{i % 7}" for i, code in enumerate(codes)))
    assert told_of(load(path, target="y", task="regression")) == []


def test_signs_of_two_currencies_are_told(csv: Csv, load: Load) -> None:
    path = csv("price,z,y", *(f"{'€' if i % 3 == 1 else '$'}{i % 40 + 30},{i % 9},{i % 7}" for i in range(300)))
    (told,) = told_of(load(path, target="y", task="regression"))
    assert "200 of 300 values are numbers with $, 100 are not, the first '€31'" in told
    assert "; rewrite these to learn from numbers" in told


def test_dashes_among_numbers_are_missing_and_not_counted(csv: Csv, load: Load) -> None:
    cells = ["--" if i % 5 < 2 else str(i / 4) for i in range(200)]
    cells[1:3] = ["TBD", "later"]
    path = csv("x,z,y", *(f"{cell},{i % 9},{i % 7}" for i, cell in enumerate(cells)))
    with pytest.raises(DataError, match=r":3:1: 'TBD' is not a number, but 119 of 121 values of column 'x' are"):
        proposed(path)
    (told,) = told_of(load(path, target="y", task="regression"))
    assert "119 of 121 values are numbers, 2 are not, the first 'TBD'" in told


def test_a_declared_column_blames_the_cell_that_the_notice_names(csv: Csv, load: Load) -> None:
    cells = [str(i) if 4 <= i < 34 else f"${i % 4}" for i in range(100)]  # more plain texts, in fewer rows
    path = csv("price,z,y", *(f"{cell},{i % 9},{i % 7}" for i, cell in enumerate(cells)))
    (told,) = told_of(load(path, target="y", task="regression"))
    assert "70 of 100 values are numbers with $, 30 are not, the first '4' " in told
    with pytest.raises(DataError, match=r":6:1: '4' has no unit, where others have \$, but data\.kinds says"):
        load(path, target="y", task="regression", kinds={"price": "number"})


def test_words_that_come_again_among_prices_are_missing_values(csv: Csv) -> None:
    made = proposed(written(csv, "${:,.2f}", dict.fromkeys(range(0, 60, 9), "unknown")))
    assert made.choices["data.format.missing"].value == ["unknown"]


def test_a_zero_in_the_format_of_accounts_is_no_missing_value(csv: Csv) -> None:
    made = proposed(written(csv, "${:,.2f}", dict.fromkeys(range(0, 60, 9), "$-")))
    assert "data.format.missing" not in made.choices
    assert any("53 of 60 values are numbers with $" in told for told in made.overview.notices)


@pytest.mark.parametrize("how", ["${:,.0f}", "$ {:.2f}"])
def test_a_slip_in_a_target_of_prices_is_told(csv: Csv, load: Load, how: str) -> None:
    prices = [how.format(1000 * (i % 25 + 1)) for i in range(300)]
    path = csv("x,y", *(f'{i},"{price}"' for i, price in enumerate([*prices, *["TBD"] * 9])))
    (told,) = told_of(load(path, target="y"))
    assert told.startswith("target column 'y' is taken for text: 300 of 309 values are numbers with $, 9 are not")
    assert not told_of(load(path, target="y", task="classification"))


@pytest.mark.parametrize("how", ["₹{:.2f}", "USD {:,.2f}", "R$ {:.2f}", "{:.2f} zł", "-₹{:.2f}", "8,57,{:.0f}"])
def test_numbers_with_a_mark_that_is_not_read_are_told(csv: Csv, load: Load, how: str) -> None:
    cells = [how.format(101 + i) for i in range(60)]
    path = csv("price,z,y", *(f'"{cell}",{i % 9},{i % 7}' for i, cell in enumerate(cells)))
    (told,) = told_of(load(path, target="y", task="regression"))
    assert f"60 of 60 values are numbers like '{cells[0]}', which are not read; write them as plain numbers" in told
    assert told in proposed(path).overview.notices


@pytest.mark.parametrize("how", ["K{}", "AB {}", "{}-{}", "room {} b", "{}th of {}"])
def test_codes_are_no_numbers_with_a_mark(csv: Csv, load: Load, how: str) -> None:
    path = csv("code,z,y", *(f"{how.format(100 + i, i)},{i % 9},{i % 7}" for i in range(60)))
    assert told_of(load(path, target="y", task="regression")) == []
    assert not any("taken for text" in told for told in proposed(path).overview.notices)


@pytest.mark.parametrize("every", [1, 2])
def test_numbers_with_an_ending_each_take_no_time(csv: Csv, load: Load, every: int) -> None:
    endings = ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=3), 6000)]
    cells = [f"{1000 + i}{ending if i % every == 0 else ' kg'}" for i, ending in enumerate(endings)]
    path = csv("booking,z,y", *(f"{cell},{i % 9},{i % 7}" for i, cell in enumerate(cells)))
    before = process_time()
    load(path, target="y", task="regression")
    assert process_time() - before < 3  # a walk over all endings for each of them takes 20 s


# text of a file that keeps numbers and text apart


def stored(folder: Path, **columns: Any) -> Path:
    """A Parquet file of these columns beside others."""
    frame = pd.DataFrame({"z": [i % 9 for i in range(ROWS)], "y": [i % 7 for i in range(ROWS)], **columns})
    frame.to_parquet(folder / "stored.parquet")
    return folder / "stored.parquet"


NUMBERS = [f"{i / 7:.3f}" for i in range(ROWS)]


def test_numbers_stored_as_text_are_told_and_proposed_as_numbers(tmp_path: Path, load: Load) -> None:
    path = stored(tmp_path, x=NUMBERS)
    (told,) = told_of(load(path, target="y", task="regression"))
    assert "column 'x' is taken for text, as the file stores it, but all 60 values are numbers" in told
    assert "data.kinds: {x: number} learns from numbers" in told
    made = proposed(path)
    assert made.choices["data.kinds"].value == {"x": "number"}
    assert made.choices["data.kinds"].reason == "the file stores x as text, all of which are numbers"
    assert [column.name for column in made.overview.used] == ["z", "x"]
    cured = load(path, target="y", task="regression", kinds={"x": "number"})
    assert cured.fitted.features == ["z", "x"] and not told_of(cured)


def test_a_target_of_numbers_stored_as_text_is_proposed_as_a_number(tmp_path: Path, load: Load) -> None:
    path = stored(tmp_path, y=[f"{i % 25 / 10}" for i in range(ROWS)])
    assert proposed(path).choices["data.task"].value == "regression"
    why = "none came into the training part; target column 'y' is taken for text, as the file stores it, but all 60"
    with pytest.raises(DataError, match=f"{why} values are numbers; data.task: regression predicts numbers"):
        load(path, target="y")
    assert not told_of(load(path, target="y", task="regression"))


@pytest.mark.parametrize("cells", [[f"{i:05}" for i in range(ROWS)], [f"{10**17 + i}" for i in range(ROWS)]])
def test_codes_stored_as_text_stay_text(tmp_path: Path, load: Load, cells: list[str]) -> None:
    path = stored(tmp_path, x=cells)
    assert not told_of(load(path, target="y", task="regression"))
    assert "data.kinds" not in proposed(path).choices


def test_digits_stored_as_text_are_told_unless_they_are_left_out(tmp_path: Path, load: Load) -> None:
    codes = [f"{100 + i}" for i in range(ROWS)]
    data = load(stored(tmp_path, x=codes), target="y", task="regression")
    assert not told_of(data) and any("column 'x' is left out" in told for told in data.notices)
    for cells in ([*codes[:-1], "1.5"], [*codes[:30], *codes[:30]]):
        (told,) = told_of(load(stored(tmp_path, x=cells), target="y", task="regression"))
        assert "all 60 values are numbers" in told


def test_prices_stored_as_text_are_told(tmp_path: Path, load: Load) -> None:
    (told,) = told_of(load(stored(tmp_path, x=[f"${cell}" for cell in NUMBERS]), target="y", task="regression"))
    assert "60 of 60 values are numbers like '$0.000', which are not read from such a file; write them as" in told
