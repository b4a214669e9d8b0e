"""How things are said, each with an example that can be worked out by hand."""

from __future__ import annotations

from math import exp

import pytest

from nnrun.text import last_words, log_scale, network_shape, points, sparkline


@pytest.mark.parametrize(
    ("widths", "told"),
    [
        ([64, 10], "64-10"),
        ([64, 128, 64, 10], "64-128-64-10"),
        ([4, 8, 8, 8, 3], "4-8-8-8-3"),
        ([64, *[64] * 30, 10], "64-[64×30]-10"),  # the features are no layer
        ([9, 100, *[50] * 4, *[20] * 5, 1], "9-100-[50×4]-[20×5]-1"),
    ],
)
def test_a_network_is_told_in_a_few_words_however_deep(widths: list[int], told: str) -> None:
    assert network_shape(widths, 1, 1) == told


def test_keys_have_as_many_words_as_tell_them_apart() -> None:
    keys = ["a.b.epochs", "c.b.epochs", "training.epochs", "optimizer.name", "epochs"]
    assert list(last_words(keys).values()) == ["a.b.epochs", "c.b.epochs", "training.epochs", "name", "epochs"]
    assert last_words(["optimizer.schedule.epochs", "training.epochs"]) == {
        "optimizer.schedule.epochs": "schedule.epochs", "training.epochs": "training.epochs",
    }  # fmt: skip


def test_noise_is_no_mountain() -> None:
    """Between 0.9 and 0.88 lies 3% of a factor of two; from 8 to 1 lie three."""
    low, high = log_scale([0.9, 0.88])
    assert (exp(low), exp(high)) == pytest.approx((0.45, 0.9))
    assert sparkline([high, high - 0.02], low, high) == "██"
    assert [exp(end) for end in log_scale([8.0, 1.0, 2.0])] == pytest.approx([1, 8])


def test_a_difference_of_errors_fits_its_column_however_large() -> None:
    told = [points(step) for step in (0.026, -0.0004, 9.99, 10.0, 1e300, -12.0)]
    assert told == ["+2.6", "+0.0", "+999.0", "> +1000", "> +1000", "< -1000"]
