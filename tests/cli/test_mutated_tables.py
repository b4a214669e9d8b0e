"""Tables with slips in them, in each format: proposed for, trained on, predicted for, or refused in few words.

See tests/cli/mutated: what is changed in them, what must not be, and what stands in them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 3_000  # for all tables of one format; one alone has fewer
MOST = 2 << 30  # bytes of memory


def tried(folder: Path, format: str, number: int, commands: str) -> None:
    """The first tables in a process of their own."""
    trial = [sys.executable, "-W", "error", "-m", "tests.cli.mutated.trial", format, str(number), commands]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(trial, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-1_000:]
    *faults, peak = map(json.loads, done.stdout.splitlines())
    assert faults == []
    assert peak["memory"] < MOST
    assert {"init 0", "init 4", "predict 0", "predict 4"} <= set(peak["ended"]), "neither all nor none is refused"


@pytest.mark.parametrize(("format", "number"), [("csv", 40), ("parquet", 20), ("npy", 20), ("npz", 40)])
def test_some_tables(tmp_path: Path, format: str, number: int) -> None:
    tried(tmp_path, format, number, "by turns")


@pytest.mark.soak
@pytest.mark.parametrize(("format", "number"), [("csv", 1_200), ("parquet", 600), ("npy", 600), ("npz", 600)])
def test_many_tables(tmp_path: Path, format: str, number: int) -> None:
    tried(tmp_path, format, number, "all")
