"""Sizes, and who goes where: complete, disjoint, keyed by the seed; groups, times and classes as promised."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.data.split import Folds, Ratios, Split, TooFewError, part_sizes, random_order, split_rows


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (3, (1, 1, 1)),  # a fifth of 3 is 0.6
        (50, (30, 10, 10)),
        (178, (106, 36, 36)),  # 35.6
        (1797, (1079, 359, 359)),  # 359.4
        (49_999, (29_999, 10_000, 10_000)),  # 9999.8
        (50_001, (30_001, 10_000, 10_000)),  # 10,000.2, now the limit
        (1_000_000, (980_000, 10_000, 10_000)),  # 98/1/1
        (4_000_000, (3_980_000, 10_000, 10_000)),  # 99.5/0.25/0.25
    ],
)
def test_auto_sizes(n: int, sizes: tuple[int, int, int]) -> None:
    assert part_sizes(n, "auto") == sizes


def test_ratio_sizes() -> None:
    assert part_sizes(10, (0.7, 0.3, 0)) == (7, 3, 0)
    assert part_sizes(150, (0.8, 0.1, 0.1)) == (120, 15, 15)
    assert part_sizes(1_000_000, (0.98, 0.01, 0.01)) == (980_000, 10_000, 10_000)
    assert part_sizes(15, (0.7, 0.1, 0.2)) == (10, 2, 3)  # 1.5 rounds up
    assert part_sizes(10, (0.7, 0.15, 0.15)) == (7, 2, 1)  # of two halves one rounds up
    assert part_sizes(10, (0.5, 0.25, 0.25)) == (5, 3, 2)
    assert part_sizes(20, (0.98, 0.01, 0.01)) == (18, 1, 1)  # at least one each


@pytest.mark.parametrize(("n", "split"), [(2, "auto"), (0, "auto"), (1, (0.8, 0.2, 0)), (2, (0.8, 0.1, 0.1))])
def test_fewer_rows_than_parts(n: int, split: Any) -> None:
    with pytest.raises(TooFewError):
        part_sizes(n, split)


fractions = st.tuples(st.integers(1, 100), st.integers(1, 100), st.integers(0, 100)).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)
splits: Any = st.just("auto") | fractions


@given(st.integers(300, 5000), fractions)
def test_no_part_is_a_whole_row_away_from_its_share(n: int, split: tuple[float, float, float]) -> None:
    for rows, fraction in zip(part_sizes(n, split), split, strict=True):
        assert rows == 1 or abs(rows - n * fraction) < 1 - 1e-9 or min(n * part for part in split if part) < 1


def rows_of(split: Split) -> dict[str, Any]:
    return {part: np.concatenate(list(split.rows(part))) for part in split.sizes}


def everything(split: Split) -> list[int]:
    return sorted(int(row) for rows in rows_of(split).values() for row in rows)


@given(n=st.integers(3, 400), split=splits, seed=st.integers(0, 2**70))
def test_random_split_is_complete_disjoint_and_of_the_right_size(n: int, split: Any, seed: int) -> None:
    try:
        sizes = part_sizes(n, split)
    except TooFewError:
        return
    found = split_rows(n, split, seed)
    assert everything(found) == list(range(n))
    assert tuple(found.sizes.get(part, 0) for part in ("train", "dev", "test")) == sizes
    assert all((np.diff(rows) > 0).all() for rows in rows_of(found).values())
    again = split_rows(n, split, seed)
    assert all(np.array_equal(rows_of(found)[part], rows_of(again)[part]) for part in found.sizes)


@given(labels=st.lists(st.sampled_from("abc"), min_size=3, max_size=200), split=splits, seed=st.integers(0, 99))
def test_split_by_class_has_the_same_sizes(labels: list[str], split: Any, seed: int) -> None:
    try:
        sizes = part_sizes(len(labels), split)
    except TooFewError:
        return
    found = split_rows(len(labels), split, seed, classes=np.array(labels, dtype=object))
    assert everything(found) == list(range(len(labels)))
    assert tuple(found.sizes.get(part, 0) for part in ("train", "dev", "test")) == sizes


@given(groups=st.lists(st.integers(0, 8), min_size=3, max_size=100), split=splits, seed=st.integers(0, 99))
def test_groups_never_straddle(groups: list[int], split: Any, seed: int) -> None:
    values = np.array(groups)
    try:
        found = split_rows(len(values), split, seed, groups=values)
    except TooFewError:
        return
    assert everything(found) == list(range(len(values)))
    assert all(len(rows) for rows in rows_of(found).values())
    homes = [set(values[rows]) for rows in rows_of(found).values()]
    assert sum(len(home) for home in homes) == len(set(groups))


def test_groups_meet_the_sizes_where_they_can() -> None:
    # 100 groups of 10 rows: a fifth of 1000 is 20 groups.
    found = split_rows(1000, "auto", 3, groups=np.arange(1000) // 10)
    assert found.rule == "groups"
    assert found.sizes == {"train": 600, "dev": 200, "test": 200}


def test_large_groups_leave_no_part_empty() -> None:
    # Three groups of 10: none fits into a fifth of 30, so that each part takes one all the same.
    found = split_rows(30, "auto", 0, groups=np.arange(30) // 10)
    assert found.sizes == {"train": 10, "dev": 10, "test": 10}


def test_fewer_groups_than_parts() -> None:
    with pytest.raises(TooFewError, match="2 groups for 3 parts"):
        split_rows(30, "auto", 0, groups=np.arange(30) // 15)


def test_stratification_keeps_the_shares() -> None:
    # 60% a, 30% b, 10% c in 200 rows: a fifth of each is 24, 12, 4.
    classes = np.array(["a"] * 120 + ["b"] * 60 + ["c"] * 20, dtype=object)
    found = split_rows(200, "auto", 7, classes=classes)
    assert found.rule == "stratified"
    assert Counter(classes[rows_of(found)["train"]]) == {"a": 72, "b": 36, "c": 12}
    assert Counter(classes[rows_of(found)["dev"]]) == {"a": 24, "b": 12, "c": 4}
    assert Counter(classes[rows_of(found)["test"]]) == {"a": 24, "b": 12, "c": 4}


def test_a_class_of_one_row_goes_to_train() -> None:
    classes = np.array(["a"] * 50 + ["b"] * 49 + ["c"], dtype=object)
    found = split_rows(100, "auto", 0, classes=classes)
    assert 99 in rows_of(found)["train"]
    # A fifth of 50 and of 49 rows: 10 and 9.8, and 20 rows in each part.
    assert Counter(classes[rows_of(found)["dev"]]) == Counter(classes[rows_of(found)["test"]]) == {"a": 10, "b": 10}


@given(labels=st.lists(st.sampled_from("aaaaabbc"), min_size=10, max_size=300), seed=st.integers(0, 99))
def test_shares_of_classes_are_met_to_the_row(labels: list[str], seed: int) -> None:
    classes = np.array(labels, dtype=object)
    for rows in rows_of(split_rows(len(labels), "auto", seed, classes=classes)).values():
        for label, count in Counter(labels).items():
            assert abs(int((classes[rows] == label).sum()) - count * len(rows) / len(labels)) < 2


def test_the_seed_decides() -> None:
    first, second = (rows_of(split_rows(100, "auto", seed))["test"] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_time_sends_the_latest_to_test() -> None:
    times = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 0])
    found = split_rows(10, "auto", 0, times=times)
    assert found.rule == "time" and found.notices == []
    assert [sorted(times[rows]) for rows in rows_of(found).values()] == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
    without_test = split_rows(10, (0.8, 0.2, 0), 0, times=times)
    assert [sorted(times[rows]) for rows in rows_of(without_test).values()] == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9]]


def test_ties_across_a_cut_are_told() -> None:
    # Sorted: 0 1 2 3 4 5 | 5 7 | 8 9.
    found = split_rows(10, "auto", 0, times=np.array([0, 1, 2, 3, 4, 5, 5, 7, 8, 9]))
    told = "rows of the same time stand on both sides of the cut between train and dev"
    assert found.notices == [f"{told}; data.split: [0.5, 0.3, 0.2] cuts between times"]
    assert rows_of(found)["train"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("split", ["auto", (0.8, 0.2, 0.0), (0.7, 0.15, 0.15)])
@pytest.mark.parametrize("n", [70, 997, 12345])
def test_the_fractions_that_are_told_cut_between_times(n: int, split: Ratios) -> None:
    times = np.sort(np.random.default_rng(n).integers(0, 12, n))
    found = split_rows(n, split, 0, times=times)
    shares = found.notices[-1].partition("[")[2].partition("]")[0]
    fractions = [float(share) for share in shares.split(", ")]
    assert sum(fractions) == pytest.approx(1)
    beside = split_rows(n, fractions, 0, times=times)
    assert beside.notices == [] and beside.sizes.keys() == found.sizes.keys()


def test_where_too_few_times_differ_no_other_cut_is_told() -> None:
    found = split_rows(10, "auto", 0, times=np.array([0] * 7 + [1] * 3))
    assert [told.rpartition("cut ")[2] for told in found.notices] == ["between train and dev", "between dev and test"]


def test_rows_that_are_level_stay_in_their_order() -> None:
    """Another sort has another order on another processor, and an old run would not find its rows again."""
    n, folds = 2000, 4
    level = np.random.default_rng(0).integers(0, 3, n)  # times, or classes
    drawn = random_order(n, 0, None).tolist()

    by_time = sorted(range(n), key=lambda row: level[row])
    assert split_rows(n, "auto", 0, times=level).part_of[by_time].tolist() == [0] * 1200 + [1] * 400 + [2] * 400
    last = split_rows(n, "auto", 0, times=level, folds=Folds(folds, folds)).part_of
    assert last[by_time].tolist() == [0] * 1600 + [1] * 400

    cut = [split_rows(n, "auto", 0, classes=level, folds=Folds(folds, fold + 1)).part_of == 1 for fold in range(folds)]
    by_class = sorted(drawn, key=lambda row: level[row])
    assert np.argmax(cut, axis=0)[by_class].tolist() == [0, 1, 2, 3] * (n // folds)

    pairs = zip(*([row for row in drawn if row % 2 == label] for label in (0, 1)), strict=True)
    mixed = [row for pair in pairs for row in sorted(pair, key=drawn.index)]
    assert random_order(n, 0, np.arange(n) % 2).tolist() == mixed
