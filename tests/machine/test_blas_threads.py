"""Every BLAS that NumPy may come with is told to use one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KNOWN = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
TELL = f"import os; print(*[os.environ.get(name) for name in {KNOWN}])"


@pytest.mark.parametrize(
    ("before", "asked", "threads"),
    [
        ("from nnrun.machine import blas_threads; blas_threads.prepare()", {}, "1"),
        ("from nnrun.machine import blas_threads; blas_threads.prepare()", {"NNRUN_BLAS_THREADS": "3"}, "3"),
        ("from nnrun.search.executors import begin_to_load; begin_to_load()", {}, "1"),  # workers inherit it
    ],
)
def test_all_of_them(tmp_path: Path, before: str, asked: dict[str, str], threads: str) -> None:
    environment = {**os.environ, **dict.fromkeys(KNOWN, "7"), **asked}
    command = [sys.executable, "-c", f"{before}\n{TELL}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [threads] * len(KNOWN), done.stderr
