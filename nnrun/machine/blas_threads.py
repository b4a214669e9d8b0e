"""How many threads a BLAS library uses: it reads a variable once, when it is loaded."""

from __future__ import annotations

import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",  # Accelerate, of macOS
)


def ask_for(threads: str = "1") -> None:
    """Set the variable of each library, for this process, if it has not loaded NumPy yet, and for those it starts."""
    os.environ.update(dict.fromkeys(VARIABLES, threads))
