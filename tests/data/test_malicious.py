"""Tables made to do harm: nothing in them is executed, nothing hangs, and memory is not their choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.data_section import Data
from nnrun.data.prepare import prepare
from nnrun.errors import DataError
from tests.data.reading import read_table

FORMULAS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.org")',
    "+1+cmd",
    "@SUM(1)",
    "-2+3",
    "{{7*7}}",
    "$(touch x)",
    "../../etc/passwd",
    "/dev/stdin",
    "%s%n",
    "__import__('os')",
    "\x1b[2J",
]


def test_formulas_and_paths_are_text(csv: Any, load: Any) -> None:
    cells = ['"' + formula.replace('"', '""') + '"' for formula in FORMULAS]
    data = load(csv("x,c,y", *(f"{i},{cells[i % len(cells)]},{'ab'[i % 2]}" for i in range(240))), target="y")
    assert data.fitted.document["columns"][1]["vocabulary"] == sorted(FORMULAS)


def test_a_cell_of_a_megabyte(csv: Any, load: Any) -> None:
    long = "word " * (1 << 18)
    path = csv("x,c,y", *(f"{i},{'short' if i % 2 else long},{'ab'[i % 2]}" for i in range(10)))
    assert len(load(path, target="y").fitted.features) == 3
    digits = csv("x,y", *(f"{i},{'ab'[i % 2]}" for i in range(40)), f"{'9' * (1 << 20)},a", name="digits.csv")
    with pytest.raises(DataError, match=r"digits\.csv:42:1: '9+\.\.\.9+' is not a number, but 40 of 41") as caught:
        load(digits, target="y")
    assert len(str(caught.value)) < 500
    grouped = csv("x,z,y", *(f"{'9 999' * (1 << i)},${'7' * (1 << i)},{'ab'[i % 2]}" for i in range(20)), name="g.csv")
    assert len(read_table(grouped)) == 20  # whatever they are


def test_a_quote_that_swallows_the_file(csv: Any) -> None:
    # Sixteen million characters are as long as a field may be, however long the file is.
    path = csv("x,y", "1,a", '2,"b', *(["3,cccccccccc"] * 1_500_000))
    with pytest.raises(DataError, match=r"data\.csv:3:2: a quote opens here and is never closed"):
        read_table(path)


def test_nothing_but_quotes(csv: Any) -> None:
    quotes = '"' * 200_000
    assert read_table(csv("x,y", f"{quotes},1")).frame["x"].str.len().tolist() == [99_999]
    with pytest.raises(DataError, match=r"data\.csv:2:1: a quote opens here and is never closed"):
        read_table(csv("x,y", f'{quotes}",1'))


def test_thousands_of_columns(csv: Any) -> None:
    width = 2_000
    header = ",".join([*(f"c{i}" for i in range(width)), "y"])
    numbers = ",".join(["1.5"] * width)
    path = csv(header, *(f"{numbers},{'ab'[i % 2]}" for i in range(6)))
    prepared = prepare(Data(source=str(path), target="y", split=(0.6, 0.4, 0)), "float32")
    arrays, fitted = prepared.arrays(), prepared.fitted
    assert arrays["train_x"].shape == (4, width)
    assert np.all(arrays["dev_x"] == 0)
    assert len(fitted.features) == width


def test_repeated_names_by_the_thousand(csv: Any) -> None:
    table = read_table(csv(",".join(["x"] * 8_000), ",".join(["1"] * 8_000)))
    assert table.columns[-1] == "x.8000"


def test_a_zip_within_the_name_of_a_path(tmp_path: Path) -> None:
    # The archive's member is called like a file elsewhere; it is an array's name and nothing else.
    np.savez(tmp_path / "a.npz", **{"../../x": np.ones((4, 2)), "y": np.arange(4)})
    assert read_table(tmp_path / "a.npz").columns == ["../../x[0]", "../../x[1]", "y"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]
