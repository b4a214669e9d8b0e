"""Cores this process may use."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.machine import cores
from nnrun.machine.cores import usable_cores

ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.execv(sys.executable, [sys.executable, "-m", "nnrun", *sys.argv[1:]])
"""  # as `taskset -c 0 nnrun` does


@pytest.mark.parametrize(
    ("affinity", "group", "usable"), [(8, math.inf, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.25, 1), (2, 16.0, 2)]
)
def test_the_least_counts(monkeypatch: pytest.MonkeyPatch, affinity: int, group: float, usable: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(affinity)), raising=False)
    monkeypatch.setattr(cores, "cores_allowed", lambda: group)
    assert usable_cores() == usable


def test_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(cores, "cores_allowed", lambda: math.inf)
    assert usable_cores() == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no process on chosen cores")
@pytest.mark.parametrize(("asked", "told"), [([], "1 worker\n"), (["--workers", "2"], "2 workers\n")])
def test_a_search_on_one_core_has_one_worker(tmp_path: Path, asked: list[str], told: str) -> None:
    """Unless it is told otherwise; each run remembers how many cores there were to use."""
    command = ["search", "--trials", "1", "--set", "training.epochs=1", *asked]
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE, *command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, told in done.stderr) == (0, True), done.stderr
    (record,) = tmp_path.glob("runs/*/best/run.json")
    assert '"usable_cores": 1' in record.read_text()
