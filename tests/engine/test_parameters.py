from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nnrun.engine.parameters import Buffers, Layout

shapes = st.dictionaries(st.text(min_size=1), st.lists(st.integers(1, 4), max_size=3).map(tuple), max_size=6)


@given(shapes, st.lists(st.integers(1, 3), max_size=2).map(tuple))
def test_views_cover_the_vector_without_overlap_or_copy(
    named: dict[str, tuple[int, ...]], lead: tuple[int, ...]
) -> None:
    layout = Layout(named)
    vector = np.zeros((*lead, layout.size))
    views = layout.views(vector)
    assert list(views) == list(named)
    assert {name: view.shape for name, view in views.items()} == {name: lead + shape for name, shape in named.items()}
    for view in views.values():
        view += 1  # a number in two views would be 2, one in no view 0
    assert (vector == 1).all()
    assert layout.size == sum(prod(shape) for shape in named.values())


def test_each_member_has_its_own_part_of_a_view() -> None:
    # Two members of W (2, 2) and b (1, 2): 0…5 and 6…11.
    views = Layout({"W": (2, 2), "b": (1, 2)}).views(np.arange(12.0).reshape(2, 6))
    assert views["W"].tolist() == [[[0, 1], [2, 3]], [[6, 7], [8, 9]]]
    assert views["b"].tolist() == [[[4, 5]], [[10, 11]]]


def test_buffers_come_back_in_the_order_of_the_requests() -> None:
    buffers = Buffers(np.dtype("float32"))
    buffers.rewind(64)
    a, b = buffers.take((64, 3)), buffers.take((64, 3))
    assert not np.shares_memory(a, b)
    buffers.rewind(20)
    c = buffers.take((20, 3))
    buffers.rewind(64)
    assert buffers.take((64, 3)) is a
    assert buffers.take((64, 3)) is b
    buffers.rewind(20)
    assert buffers.take((20, 3)) is c
    assert c.dtype == np.float32


def test_buffer_of_another_shape_replaces_the_old_one() -> None:
    buffers = Buffers(np.dtype("float64"))
    buffers.rewind(4)
    buffers.take((4, 3))
    buffers.rewind(4)
    assert buffers.take((2, 4, 5)).shape == (2, 4, 5)


def test_sum_over_the_examples_of_each_member() -> None:
    buffers = Buffers(np.dtype("float64"))
    buffers.rewind(3)
    a = np.array([[[1.0, 10], [2, 20], [3, 30]], [[4, 40], [5, 50], [6, 60]]])
    assert buffers.sum_rows(a, np.empty((2, 1, 2))).tolist() == [[[6, 60]], [[15, 150]]]
