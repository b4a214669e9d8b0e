"""The conditions of a benchmark: one thread each, the BLAS kernel that the processor deserves, modules compiled."""

from __future__ import annotations

import os
import sys

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NNRUN_THREADS": "1",
    "NPROC": "1",  # the size of XLA's thread pools; XLA_FLAGS alone leaves them at all cores
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
KERNEL_PINS = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "NPY_DISABLE_CPU_FEATURES",
)
# Where this is set, each process of an nnrun that runs from its sources compiles its modules anew, a fifth of a second
# before anything begins; libraries that were installed have theirs compiled.
REMOVED = (*KERNEL_PINS, "PYTHONDONTWRITEBYTECODE")


def restart_cleaned() -> None:
    """Start this very command again without what is REMOVED and with one thread; returns if that is so already.

    BLAS libraries read their variables once, when they are loaded, so changing them in this process would be too late.
    """
    cleaned = {name: value for name, value in os.environ.items() if name not in REMOVED} | ONE_THREAD
    if cleaned != dict(os.environ):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], cleaned)


def settle_allocator() -> None:
    """Free one large block, so that glibc stops mapping and unmapping every array above 128 KiB.

    It learns from the largest block that was ever freed. A process that read some data has it behind itself; here it
    would happen to some peer in the middle of the run. scikit-learn gains most: 1.6 times at 784-256-128-10.
    """
    import numpy as np

    np.empty(31 << 20, np.uint8).fill(1)


def numpy_kernel() -> str:
    """The BLAS that NumPy's products run on, its kernel and threads, e.g. `openblas 0.3.30 SkylakeX, 1 thread`."""
    import numpy as np
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if "numpy" in pool["filepath"]] or pools
    if not own:
        return f"unknown (NumPy {np.__version__})"
    pool = own[0]
    kernel = pool.get("architecture", "unknown kernel")
    return f"{pool['internal_api']} {pool['version']} {kernel}, {plural(pool['num_threads'], 'thread')}"


def plural(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
