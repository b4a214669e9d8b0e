"""Rows like those of train that are not trained on: which they are, and what is told by their error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnrun
from nnrun.config.config import Config
from nnrun.data.split import Split, TooFewError, held_out, split_rows
from nnrun.errors import ConfigError, DataError

TRAIN, DEV, TEST, TRAIN_DEV = range(4)


def test_a_share_of_every_class_is_held_out() -> None:
    classes = np.repeat([0, 1], [600, 200])
    whole = split_rows(800, (0.5, 0.25, 0.25), 3, classes=classes)
    split = held_out(whole, 0.1, 3, classes, None)
    assert split.sizes == {"train": 360, "dev": 200, "test": 200, "train_dev": 40}
    assert np.bincount(classes[split.part_of == TRAIN_DEV]).tolist() == [30, 10]
    for part in (DEV, TEST):
        assert (split.part_of == part).tolist() == (whole.part_of == part).tolist()
    assert held_out(whole, 0.1, 3, classes, None).part_of.tolist() == split.part_of.tolist()
    assert held_out(whole, 0.1, 4, classes, None).part_of.tolist() != split.part_of.tolist()


def test_groups_stay_together() -> None:
    groups = np.arange(300) // 10
    split = held_out(split_rows(300, (0.6, 0.2, 0.2), 0, groups=groups), 0.25, 0, None, groups)
    assert all(len(set(split.part_of[groups == group])) == 1 for group in range(30))
    assert split.sizes["train_dev"] == 40, "of 180 rows 45, in whole groups of ten"


def test_at_least_one_row_and_not_all() -> None:
    assert held_out(Split(np.zeros(3, np.int8), "files", []), 0.01, 0, None, None).sizes["train_dev"] == 1
    with pytest.raises(TooFewError) as told:
        held_out(Split(np.zeros(1, np.int8), "files", []), 0.5, 0, None, None)
    assert told.value.key == "train_dev"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"train_dev": 0.1, "folds": 5}, "data.train_dev: has no meaning with data.folds"),
        ({"train_dev": 1}, "data.train_dev: must be above 0 and below 1"),
        (
            {"source": {"train": "a.csv", "dev": "b.csv", "train_dev": "c.csv"}, "train_dev": 0.1},
            "data.train_dev: has no meaning where source has a file for it",
        ),
        (
            {"source": {"train": "a.csv", "train_dev": "c.csv"}, "folds": 3},
            "data.source.train_dev: has no meaning with",
        ),
    ],
)
def test_contradictions(data: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as told:
        Config.from_values({"data": data})
    assert words in "\n".join(told.value.problems)


def test_too_few_rows_name_the_key(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,0.5\n2,1.5\n")
    (tmp_path / "d.csv").write_text("a,y\n1,0.5\n2,1.5\n")
    source = {"train": str(tmp_path / "t.csv"), "dev": str(tmp_path / "d.csv")}
    with pytest.raises(DataError, match="2 rows for 2 parts"):
        nnrun.train({"data": {"source": source, "target": "y", "train_dev": 0.9}}, tmp_path / "runs")
