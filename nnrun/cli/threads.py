"""BLAS threads of the process: a library reads their number once, when it is loaded."""

from __future__ import annotations

import os
import sys

from nnrun.machine import blas_threads

VARIABLE = "NNRUN_BLAS_THREADS"


def prepare() -> None:
    """One thread, before NumPy loads: more slow small products down many times over and change the bits."""
    blas_threads.ask_for(os.environ.get(VARIABLE, "1"))


def need(threads: int) -> None:
    """Start this command again if its BLAS was loaded with fewer threads than `training.blas_threads` asks for."""
    if threads > int(os.environ.get(VARIABLE, "1")):
        os.environ[VARIABLE] = str(threads)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
