"""The classifier two-sample test: its area under the curve, its level, and what it names."""

from __future__ import annotations

import numpy as np
import pytest

from nnrun.data.files.values import Floats
from nnrun.insight.preflight import mismatch
from nnrun.insight.preflight.mismatch import areas, ranks, separate


def test_the_area_counts_pairs_in_the_right_order() -> None:
    # Members score 3 and 1, the others 2 and 0: of four pairs, (3, 2), (3, 0) and (1, 0) are in order, (1, 2) is not.
    assert areas(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])) == 0.75


def test_areas_of_several_columns_each_with_its_members() -> None:
    scores = np.array([[3.0, 0.0], [2.0, 1.0], [1.0, 2.0]])
    member = np.array([[True, True], [False, False], [False, True]])
    assert areas(scores, member).tolist() == [1.0, 0.5]


def test_ranks_share_a_tie_and_rare_values_are_not_stretched() -> None:
    # Ranks 1.5, 1.5, 3, 4 of 4: (2r − 1)/4 − 1 = −0.5, −0.5, 0.25, 0.75; their mean is 0, their variance 0.28125.
    assert ranks(np.array([[1.0], [1.0], [5.0], [9.0]]))[:, 0] == pytest.approx(
        np.array([-0.5, -0.5, 0.25, 0.75]) / np.sqrt(0.28125)
    )
    # One in 1000: the others at rank 500, so −0.001, and 0.999 for the one, a deviation of 0.03; it would become 32.
    assert np.abs(ranks(np.eye(1000)[:, :1])).max() < 4
    assert not ranks(np.full((5, 1), 7.0)).any()


@pytest.mark.parametrize(("rows", "columns"), [(40, 3), (120, 8)])
def test_random_halves_are_hardly_ever_told_apart(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    x = np.exp(rng.standard_normal((rows, columns)))
    x[:, 0] = x[:, 0] > 3  # a few ties too
    halves = (rng.permutation(rows) < rows // 2 for _ in range(200))
    alarms = sum(separate(x, half, list("abcdefgh")[:columns]).p <= 0.01 for half in halves)
    assert alarms <= 6, "2 of 200 are expected at 1%; 7 or more would come of it once in 200 times"


def samples(rows: int, one: float, other: float) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Two samples of four columns, the second of which follows the first by so much."""
    x = np.random.default_rng(0).standard_normal((rows, 4))
    member = np.arange(rows) >= rows // 2
    slope = np.where(member, other, one)
    x[:, 1] = slope * x[:, 0] + np.sqrt(1 - slope**2) * x[:, 1]
    return x, member


def test_the_pair_of_columns_is_named() -> None:
    found = separate(*samples(400, 0.7, -0.7), ["a", "b", "c", "d"])
    assert found.by == ["a with b"]
    assert found.auc > 0.75
    assert found.p == pytest.approx(1 / 600)  # none of 599 permutations came near
    assert separate(*samples(400, 0.7, 0.7), ["a", "b", "c", "d"]).p == 1


def test_what_features_and_products_contribute_adds_up_to_the_difference_of_the_mean_scores() -> None:
    x, member = samples(60, 0.7, -0.7)
    z = ranks(x)
    kernel = mismatch._kernel(z, z)
    scores = kernel @ mismatch._ridge_fit(kernel, member - member.mean())
    difference = scores[member].mean() - scores[~member].mean()
    assert mismatch._contributions(z, member).sum() == pytest.approx(difference)


def test_features_of_one_column_are_one_column() -> None:
    x, member = samples(400, 0.0, 0.0)
    x[member, 2] += 1
    assert separate(x, member, ["a", "a", "b", "b"]).by == ["b"]


def test_equal_input_gives_equal_numbers() -> None:
    x, member = samples(100, 0.7, 0.0)
    assert separate(x, member, list("abcd")) == separate(x, member, list("abcd"))
