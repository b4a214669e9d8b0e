"""What the server of workers loads besides: the code of the compiled engine, if it is there.

That takes a twentieth of a second, here once and while the data are read. Like `server`, it is imported by nobody else.
"""

import gc
from contextlib import suppress

import numpy as np

USUAL = np.dtype(np.float32)

with suppress(Exception):  # what fails here fails in a worker again, which tells of it; the extra may be missing
    from nnrun.compiled import blas, machine_code, steps  # noqa: F401

    if machine_code.is_ready(USUAL):
        machine_code.load(USUAL)
        blas.gemm_address(USUAL)

gc.freeze()  # nothing that is loaded is garbage: the server ends sooner, which who reads what it writes waits for
