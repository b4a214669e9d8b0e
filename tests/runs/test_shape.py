"""The shape of a network in a line."""

from __future__ import annotations

import pytest

from nnrun.runs.shape import network_shape


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
