"""How many threads a BLAS library uses: it reads a variable once, when it is loaded."""

from __future__ import annotations

import os
import sys

LIBRARIES = (  # the variable that each reads
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",  # Accelerate, of macOS
)
OURS = "NNRUN_BLAS_THREADS"


def ask_for(threads: str = "1") -> None:
    """Set the variable of each library, for this process, if it has not loaded NumPy yet, and for those it starts."""
    os.environ.update(dict.fromkeys(LIBRARIES, threads))


def prepare() -> None:
    """One thread, before NumPy loads: more slow small products down many times over and change the bits."""
    ask_for(os.environ.get(OURS, "1"))


def need(threads: int) -> None:
    """Start this command again if its BLAS was loaded with fewer threads than `training.blas_threads` asks for."""
    if threads > int(os.environ.get(OURS, "1")):
        os.environ[OURS] = str(threads)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
