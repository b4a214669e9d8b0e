"""Rows that come in groups."""

from __future__ import annotations

import numpy as np

from nnrun.data.groups import joined_rows, numbered


def test_groups_are_numbered_without_a_gap_in_their_order() -> None:
    assert numbered(np.array([7, 3, 7, 12])).tolist() == [1, 0, 1, 2]
    assert numbered(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]


def test_pieces_without_groups_add_nothing() -> None:
    joined = joined_rows([np.array([1, 2]), None, np.array([3])])
    assert joined is not None and joined.tolist() == [1, 2, 3]
    assert joined_rows([None, None]) is None
