"""Work on pieces of a file goes on beside their reading, on as many threads as the process may have."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nnrun.data.files.chunks import beside
from nnrun.machine import threads


@pytest.mark.parametrize("count", [1, 2, 4])
def test_results_come_in_order_and_a_fault_after_those_before_it(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.OURS, str(count))
    workers = set()

    def pieces() -> Iterator[int]:
        yield from range(20)
        raise ValueError("a wrong line")

    def work(piece: int) -> int:
        workers.add(threading.current_thread())
        return piece * piece

    found = []
    with pytest.raises(ValueError, match="a wrong line"):
        for result in beside(work, pieces(), 2):
            found.append(result)
    assert found == [piece * piece for piece in range(20)]
    assert (threading.current_thread() in workers) == (count == 1)
    assert len(workers) <= 2
