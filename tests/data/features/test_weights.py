from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from nnrun.data.dataset import Dataset
from nnrun.data.features.weights import effective_rows
from nnrun.errors import DataError

Csv = Callable[..., Path]
Load = Callable[..., Dataset]

ROWS = [f"{i},{'ab'[i % 3 == 0]},{i % 4}" for i in range(60)]  # every third row is a b; weights 0 1 2 3 0 1 …


def test_a_column_weighs_the_rows(csv: Csv, load: Load) -> None:
    data = load(csv("x,y,w", *ROWS), target="y", weight="w", normalize="none")
    assert data.fitted.features == ["x"]
    for part in data.parts.values():
        raw = part.x[:, 0] % 4
        np.testing.assert_allclose(part.weights, raw / raw.mean())
    assert "column 'w' weighs the rows, it is no feature; losses and errors are weighted" in data.notices


def test_balanced_counts_every_class_of_each_part_alike(csv: Csv, load: Load) -> None:
    data = load(csv("x,y,w", *ROWS), target="y", class_weight="balanced", drop=["w"])
    for part in data.parts.values():
        np.testing.assert_allclose(part.weights, compute_sample_weight("balanced", part.y))
    assert "losses and errors count every class alike, however many rows it has" in data.notices


def test_class_weights_and_a_column_multiply(csv: Csv, load: Load) -> None:
    data = load(csv("x,y,w", *ROWS), target="y", class_weight={"b": 5}, weight="w", normalize="none")
    train = data.parts["train"]
    raw = (train.x[:, 0] % 4) * np.where(train.y == 1, 5, 1)  # a, which is not named, weighs 1
    np.testing.assert_allclose(train.weights, raw / raw.mean())
    assert "losses and errors count a row by its class: a 1, b 5" in data.notices


@pytest.mark.parametrize(
    ("named", "label"), [({0: 3}, "0"), ({"0": 3}, "0"), ({True: 3}, "True")], ids=["number", "text", "boolean"]
)
def test_classes_are_named_as_they_stand_in_the_file(csv: Csv, load: Load, named: Any, label: str) -> None:
    words = ("1", "0") if label == "0" else ("False", "True")
    data = load(csv("x,y", *(f"{i},{words[i % 2]}" for i in range(30))), target="y", class_weight=named)
    train = data.parts["train"]
    assert data.classes is not None
    chosen = train.y == data.classes.index(label)
    assert train.weights is not None
    np.testing.assert_allclose(train.weights[chosen].mean() / train.weights[~chosen].mean(), 3)


def test_a_file_a_part(csv: Csv, load: Load) -> None:
    files = {part: csv("x,y,w", *ROWS, name=f"{part}.csv") for part in ("train", "dev")}
    data = load(files, target="y", weight="w")
    assert data.parts["dev"].weights is not None
    lacking = files | {"dev": csv("x,y", *(row[: row.rindex(",")] for row in ROWS), name="dev.csv")}
    with pytest.raises(DataError, match=r"dev\.csv:1: no column 'w'"):
        load(lacking, target="y", weight="w")


def test_the_cache_keeps_the_weights(csv: Csv, load: Load, tmp_path: Path) -> None:
    path = csv("x,y,w", *ROWS)
    first = load(path, target="y", weight="w")
    again = load(path, target="y", weight="w")
    assert first.parts["dev"].weights is not None and again.parts["dev"].weights is not None
    assert first.parts["dev"].weights.tobytes() == again.parts["dev"].weights.tobytes()
    (damaged,) = (tmp_path / "cache").glob("*/dev_w.npy")
    damaged.write_bytes(b"")
    mended = load(path, target="y", weight="w").parts["dev"].weights
    assert mended is not None and mended.tobytes() == first.parts["dev"].weights.tobytes()


def test_as_many_rows_without_weights_are_as_sure() -> None:
    # (1 + 1 + 2)² / (1 + 1 + 4) = 16 / 6; nine rows of weight 1 and one of 9: 18² / (9 + 81) = 3.6
    assert effective_rows(np.array([1, 1, 2], "float32")) == 3
    assert effective_rows(np.array([1.0] * 9 + [9.0])) == 4
    assert effective_rows(np.full(50, 0.1)) == 50


def test_sizes_of_weighted_parts(csv: Csv, load: Load) -> None:
    data = load(csv("x,y,w", *ROWS), target="y", class_weight="balanced", drop=["w"])
    assert data.sizes["rows"] == {"train": 36, "dev": 12, "test": 12}
    # 24 rows of a and 12 of b weigh 1/24 and 1/12: 2² / (1/24 + 1/12) = 32; of dev 8 and 4: 2² / (1/8 + 1/4) = 10.7
    assert data.sizes["effective_rows"] == {"train": 32, "dev": 11, "test": 11}
    assert "effective_rows" not in load(csv("x,y,w", *ROWS), target="y").sizes


def test_without_weights_there_are_none(csv: Csv, load: Load) -> None:
    data = load(csv("x,y,w", *ROWS), target="y")
    assert [part.weights for part in data.parts.values()] == [None] * 3
    assert data.fitted.weights is None


MISTAKES: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "negative": (
        ["1,a,1", "2,b,-2"], {"weight": "w"},
        ":3:3: -2 in column 'w', which weighs the rows; a weight is a number from 0 on, correct it or remove the row",
    ),
    "missing": (
        ["1,a,1", "2,b,"], {"weight": "w"},
        ":3:3: no value in column 'w', which weighs the rows; a weight is a number from 0 on, correct it or remove the "
        "row",
    ),
    "no number": (["1,a,1", "2,b,much"], {"weight": "w"}, ":3:3: 'much' in column 'w' is not a number"),
    "infinite": (["1,a,1", "2,b,inf"], {"weight": "w"}, ":3:3: the value in column 'w' is infinite"),
    "no such column": (["1,a,1"], {"weight": "v"}, ":1: no column 'v'; the columns are x, y, w"),
    "the target": (["1,a,1"], {"weight": "y"}, ":1:2: 'y' is the target; take it out of drop, group, time and weight"),
    "all zero": (
        [f"{i},a,0" for i in range(9)], {"weight": "w"},
        ".csv, the train part: no row counts, as all weigh 0 by column 'w'",
    ),
    "no such class": (
        [f"{i},{'ab'[i % 2]},1" for i in range(9)], {"class_weight": {"c": 1}},
        "no class 'c'; the classes are a, b",
    ),
    "zero for each class": (
        [f"{i},{'ab'[i % 2]},1" for i in range(9)], {"class_weight": {"a": 0, "b": 0}},
        ".csv, the train part: no row counts, as all weigh 0 by data.class_weight",
    ),
    "no classes": (
        [f"{i},{i}.5,1" for i in range(9)], {"class_weight": "balanced"},
        "class weights need classes, and the target is a number",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(csv: Csv, load: Load, mistake: str) -> None:
    rows, settings, expected = MISTAKES[mistake]
    path = csv("x,y,w", *rows, *(f"{i},{'ab'[i % 2]},{rows[0][-1]}" for i in range(20) if mistake != "no classes"))
    with pytest.raises(DataError) as caught:
        load(path, target="y", **settings)
    assert expected in str(caught.value)


def test_a_part_of_its_own_in_which_no_row_counts_is_named(csv: Csv, load: Load) -> None:
    parts = {"train": csv("x,y,w", *ROWS), "dev": csv("x,y,w", "1,a,0", "2,b,0", name="dev.csv")}
    with pytest.raises(DataError, match=r"dev\.csv, the dev part: no row counts, as all weigh 0 by column 'w'$"):
        load(parts, target="y", weight="w")
