"""How `nnrun init` reads what a file leaves open: words among numbers, and numbers that were categories."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.errors import DataError
from nnrun.insight.scaffold.verbs import Wishes, scaffold


def table(folder: Path, others: list[str], rows: int = 200) -> str:
    """A table in whose column `age` stand these cells among numbers, and in `town` words alone."""
    draw = random.Random(0)
    ages = [*others, *(f"{draw.randint(18, 90)}" for _ in range(rows - len(others)))]
    draw.shuffle(ages)
    lines = [f"{age},{draw.choice(['Rome', 'Oslo', 'unknown'])},{i % 2}" for i, age in enumerate(ages)]
    (folder / "people.csv").write_text("\n".join(["age,town,ill", *lines]) + "\n")
    return str(folder / "people.csv")


@pytest.mark.parametrize(
    "others",
    [["unknown"] * 2, ["not asked"] * 90, ["unknown"] * 5 + ["refused"] * 20, ["#DIV/0!"] * 20],
    ids=["few", "many", "two words", "an error of a spreadsheet"],
)
def test_words_that_come_again_among_numbers_are_missing_values(tmp_path: Path, others: list[str]) -> None:
    made = scaffold(table(tmp_path, others), Wishes(target="ill"), tmp_path / "config.yaml")
    assert set(made.choices["data.format.missing"].value) == set(others)
    assert "as most values of age are numbers" in made.choices["data.format.missing"].reason
    column = next(column for column in made.overview.columns if column.name == "age")
    assert (column.kind, column.missing) == ("number", len(others))
    config = load_config(tmp_path / "config.yaml", text=made.text).config
    dataset = load_dataset(config.data, "float32", tmp_path / "cache")
    assert sum(part.x.shape[0] for part in dataset.parts.values()) == 200


def test_a_word_that_comes_once_may_be_a_slip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'thirty' is not a number, but 199 .* or list it in data.format.missing"):
        scaffold(table(tmp_path, ["thirty"]), Wishes(target="ill"), tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "others", [["<30"] * 40, ["a", "b", "c", "d"] * 20, ["unknown"] * 150], ids=["digits", "many words", "few numbers"]
)
def test_what_may_say_something_is_left_as_it_is(tmp_path: Path, others: list[str]) -> None:
    made = scaffold(table(tmp_path, others), Wishes(target="ill"), tmp_path / "config.yaml")
    assert "data.format.missing" not in made.choices


def test_a_word_among_words_is_a_value(tmp_path: Path) -> None:
    made = scaffold(table(tmp_path, []), Wishes(target="ill"), tmp_path / "config.yaml")
    assert "data.format.missing" not in made.choices


def test_numbers_that_were_categories_in_the_table_of_a_parquet_file_are_such(tmp_path: Path) -> None:
    """Though Parquet has them as numbers; of several files that of the training part tells."""
    codes, paths = np.random.default_rng(0).integers(0, 30, 300), {"train": "a.parquet", "dev": "b.parquet"}
    frame = pd.DataFrame({"zone": pd.Categorical([None, *codes[1:]]), "x": codes % 7 / 3, "y": pd.Categorical(codes)})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.astype(float).to_parquet(tmp_path / "b.parquet")
    sources = {part: str(tmp_path / path) for part, path in paths.items()}
    choices = scaffold(sources, Wishes("y"), tmp_path / "config.yaml").choices
    assert (choices["data.kinds"].value, choices["data.task"].value) == ({"zone": "category"}, "classification")
