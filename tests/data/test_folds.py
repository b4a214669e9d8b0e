"""Folds: which rows are dev in which, what stays together, and that nothing of a held row is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.split import Folds, Split, split_rows
from nnrun.errors import ConfigError, DataError

Load = Callable[..., Dataset]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def of(source: Any, **values: Any) -> Dataset:
        config = Config.from_values({"data": {"source": source, **values}})
        return load_dataset(config.data, "float64", tmp_path / "cache")

    return of


def rows(split: Split, part: str) -> list[int]:
    return [int(row) for stretch in split.rows(part) for row in stretch]


def cut(n: int, count: int, seed: int = 0, ratios: Any = "auto", **columns: Any) -> list[Split]:
    return [split_rows(n, ratios, seed, folds=Folds(count, fold), **columns) for fold in range(1, count + 1)]


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("n", [10, 30, 97, 1000])
@pytest.mark.parametrize("by_class", [False, True])
def test_every_row_is_dev_once_and_folds_are_as_large_as_can_be(n: int, count: int, by_class: bool) -> None:
    classes = np.arange(n) ** 2 % 7 % 3 if by_class else None
    folds = cut(n, count, classes=classes)
    assert sorted(row for fold in folds for row in rows(fold, "dev")) == list(range(n))
    for fold in folds:
        assert sorted(rows(fold, "dev") + rows(fold, "train")) == list(range(n))
        assert fold.rule == ("stratified" if by_class else "random")
    sizes = [len(rows(fold, "dev")) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for label in () if classes is None else np.unique(classes):
        counts = [int((classes[rows(fold, "dev")] == label).sum()) for fold in folds]
        assert max(counts) - min(counts) <= 1


def test_folds_hang_on_the_seed_of_the_split_alone() -> None:
    one, again, other = (rows(cut(100, 5, seed)[0], "dev") for seed in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize("columns", [{}, {"classes": np.arange(60) % 3}, {"groups": np.arange(60) // 4}])
def test_test_is_what_it_is_without_folds(columns: dict[str, Any]) -> None:
    whole = split_rows(60, (0.6, 0.2, 0.2), 3, **columns)
    folds = cut(60, 4, 3, (0.6, 0.2, 0.2), **columns)
    assert all(rows(fold, "test") == rows(whole, "test") for fold in folds)
    rest = sorted(set(range(60)) - set(rows(whole, "test")))
    assert sorted(row for fold in folds for row in rows(fold, "dev")) == rest
    everything = split_rows(60, (0.6, 0.2, 0.2), 3, folds=Folds(4, None), **columns)
    assert rows(everything, "train") == rest and rows(everything, "test") == rows(whole, "test")


def test_groups_stay_together_in_folds_of_like_size() -> None:
    groups = np.repeat(np.arange(40), np.arange(40) % 9 + 1)
    folds = cut(len(groups), 5, groups=groups)
    homes = [set(groups[rows(fold, "dev")].tolist()) for fold in folds]
    assert sorted(group for home in homes for group in home) == list(range(40))
    sizes = [len(rows(fold, "dev")) for fold in folds]
    assert max(sizes) - min(sizes) <= 9  # the largest group


def test_by_time_each_fold_learns_from_what_came_before() -> None:
    times = np.random.default_rng(0).permutation(np.arange(60.0))
    folds = cut(60, 5, times=times)
    for k, fold in enumerate(folds, start=1):
        assert sorted(times[rows(fold, "train")]) == list(range(10 * k))
        assert sorted(times[rows(fold, "dev")]) == list(range(10 * k, 10 * k + 10))
    with_test = cut(60, 5, 0, (0.6, 0.2, 0.2), times=times)
    assert sorted(times[rows(with_test[4], "dev")]) == list(range(40, 48))
    assert all(sorted(times[rows(fold, "test")]) == list(range(48, 60)) for fold in with_test)
    tied = cut(60, 5, times=np.floor(times / 3))
    assert [fold.notices for fold in tied[1:3]] == [
        ["rows of the same time stand on both sides of the cut between train and dev"],
        [],
    ]
    (whole,) = split_rows(60, "auto", 0, times=np.floor(times / 3), folds=Folds(5, None)).notices
    assert whole == "rows of the same time stand on both sides of 4 of the 5 cuts between folds"


def table(path: Path, lines: Sequence[str]) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def small(folder: Path, classes: str, name: str = "t.csv") -> str:
    return table(folder / name, ["a,day,who,y", *(f"{i * 7 % 13}.5,{i},g{i // 2},{y}" for i, y in enumerate(classes))])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fold": 2}, "data.fold: needs data.folds, the number of them"),
        ({"folds": 3, "fold": 4}, "data.fold: there are 3 folds, got 4"),
        ({"folds": 1}, "data.folds: must be at least 2, got 1"),
        ({"folds": 3, "fold": 0}, "data.fold: must be at least 1, got 0"),
        ({"folds": 3, "fold": "some"}, "data.fold: unknown choice 'some'; allowed: all, a whole number"),
        ({"source": {"train": "a.csv"}}, "dev is missing; data.folds: 5 does without"),
        ({"source": {"train": "a.csv", "dev": "b.csv"}, "folds": 3}, "data.source.dev: with data.folds each row"),
        ({"source": {"train": "a.csv"}, "folds": 3, "split": [0.8, 0.2, 0]}, "data.split: has no meaning"),
        ({"source": {"train": "a.csv"}, "folds": 3, "group": "a", "time": "b"}, "group and time exclude each other"),
    ],
)
def test_contradictions_are_told(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.from_values({"data": values})
    assert words in error.value.problems[0]


@pytest.mark.parametrize(
    ("classes", "values", "words"),
    [
        ("abababab", {"folds": 9}, "8 rows where 9 folds need 9; add rows, or take fewer folds"),
        ("abababab", {"folds": 8, "time": "day"}, "8 rows where 8 folds need 9"),
        ("abababab", {"folds": 5, "group": "who"}, "4 groups where 5 folds need 5"),
        ("abababac", {"folds": 4, "fold": 4}, "class 'c' has 1 row and none came into the training part of fold 4"),
        ("aabbcccc", {"folds": 2, "fold": 1, "time": "day"}, "it comes after the rows that train: take fewer folds"),
    ],
)
def test_too_few_rows_are_told(tmp_path: Path, load: Load, classes: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as error:
        for fold in [values["fold"]] if "fold" in values else range(1, values["folds"] + 1):
            load(small(tmp_path, classes), **{**values, "fold": fold}, target="y")
    assert words in str(error.value)


def test_a_rare_class_is_told_once_for_all_folds(tmp_path: Path, load: Load) -> None:
    path = small(tmp_path, "aaaabbbbcc")
    assert (
        "fewer rows than folds of class c (2): some of the 4 folds have none as dev"
        in load(path, folds=4, target="y").notices
    )
    told = [load(path, folds=4, fold=fold, target="y").notices for fold in range(1, 5)]
    assert sum(f"the dev part of fold {k} of 4 has no row of class c" in each for k, each in enumerate(told, 1)) == 2


def test_a_train_file_is_cut_and_a_test_file_stays(tmp_path: Path, load: Load) -> None:
    source = {"train": small(tmp_path, "ab" * 10), "test": small(tmp_path, "ab" * 3, "u.csv")}
    parts = [load(source, folds=4, fold=fold, target="y") for fold in range(1, 5)]
    assert [each.sizes["rows"] for each in parts] == [{"train": 15, "dev": 5, "test": 6}] * 4
    assert parts[0].fitted.document["source"] == source
    assert load(source, folds=4, target="y").sizes["rows"] == {"train": 20, "dev": 20, "test": 6}


def test_data_json_tells_the_fold_and_no_two_have_the_same_rows(tmp_path: Path, load: Load) -> None:
    path = small(tmp_path, "ab" * 6)  # in the order of time, so that all rows of the last fold stand as in the whole
    parts = [load(path, target="y", time="day", folds=3, fold=fold) for fold in (1, 2, 3, "all")]
    assert [part.fitted.split["fold"] for part in parts] == [1, 2, 3, "all"]
    assert all(part.fitted.split["folds"] == 3 for part in parts)
    alike = [[one.fitted.same_rows(other.fitted) for other in parts] for one in parts]
    assert alike == np.eye(4, dtype=bool).tolist()
    assert "folds" not in load(path, target="y").fitted.split


def test_where_all_rows_train_dev_is_the_training_part(load: Load) -> None:
    whole, alone = load("iris", folds=5), load("iris", folds=5, fold="all")
    assert whole.all_train and alone.all_train and not load("iris", folds=5, fold=1).all_train
    assert whole.sizes["rows"] == {"train": 150, "dev": 150}
    assert any("so there is no dev set" in notice for notice in alone.notices)
    assert not any("so there is no dev set" in notice for notice in whole.notices)


# nothing of a held row is learned


def mixed(path: Path, poisoned: Sequence[int] = ()) -> str:
    """Numbers, categories, dates and gaps; other cells in the poisoned rows, but for the target."""
    rng, lines = np.random.default_rng(0), ["x,colour,day,gap,y"]
    for row in range(60):
        colour, gap = ["red", "green", "blue"][rng.integers(3)], "" if rng.random() < 0.2 else f"{rng.normal():.3f}"
        cells = [f"{rng.normal():.3f}", colour, f"2020-01-{rng.integers(1, 29):02d}", gap]
        if row in poisoned:
            cells = [["1e9", "ultraviolet", "1913-05-05", ""], ["", f"new{row}", "", "-7e8"]][row % 2]
        lines.append(",".join([*cells, "ab"[row % 2]]))
    return table(path, lines)


@pytest.mark.parametrize("fold", [1, 3])
def test_what_a_fold_learns_hangs_on_no_held_row(tmp_path: Path, load: Load, fold: int) -> None:
    classes = np.arange(60) % 2
    split = split_rows(60, (0.6, 0.2, 0.2), 0, classes=classes, folds=Folds(3, fold))
    held = [*rows(split, "dev"), *rows(split, "test")]
    of_fold = {"folds": 3, "fold": fold, "split": [0.6, 0.2, 0.2], "target": "y"}
    clean, poisoned = (load(mixed(tmp_path / f"{len(out)}.csv", out), **of_fold) for out in ([], held))
    assert np.array_equal(poisoned.parts["train"].x, clean.parts["train"].x)
    assert not np.array_equal(poisoned.parts["dev"].x, clean.parts["dev"].x)
    learned = [dict(each.fitted.document) for each in (clean, poisoned)]
    for document in learned:
        del document["source"], document["files"], document["notices"]
    assert learned[0] == learned[1]
