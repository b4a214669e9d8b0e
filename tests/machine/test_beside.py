"""Work on pieces of a file goes on beside their reading, on as many threads as the process may have."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnrun.machine import threads
from nnrun.machine.threads import beside


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


@pytest.mark.parametrize("most", [1, 2])
def test_who_goes_no_further_waits_for_nobody(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the garbage collector does it while a thread begins, which no thread can end at the same time."""
    monkeypatch.setenv(threads.OURS, "2")
    go_on = threading.Event()

    def work(piece: int) -> int:
        assert piece == 0 or go_on.wait(60)
        return piece

    results = beside(work, range(9), most)
    assert next(results) == 0
    closing = threading.Thread(target=results.close)
    closing.start()
    closing.join(30)
    waits = closing.is_alive()
    go_on.set()
    closing.join()
    assert not waits
    assert [*beside(work, range(9), most)] == [*range(9)], "others are served"


def test_a_process_ends_when_nobody_works_any_more(tmp_path: Path) -> None:
    """A thread in a library of C++ that came back behind the end of the interpreter would abort it, with code 134."""
    program = """
import sys, threading, time
from nnrun.machine.threads import beside

at_work = threading.Event()

def work(piece):
    if piece:
        at_work.set()
        time.sleep(0.3)
    open(f"{piece}", "w").close()

results = beside(work, range(9), 1)
next(results)
at_work.wait()
sys.exit(3)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, threads.OURS: "2"})
    assert done.returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"], "nothing else was begun"
