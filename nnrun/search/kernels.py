"""What the server of workers loads besides where the compiled engine is likely to train: its code, if it is there.

Loading takes a third of a second, here once and while the data are read. Like `server`, it is imported by nobody else.
"""

from contextlib import suppress

import numpy as np

from nnrun.compiled import machine_code

USUAL = np.dtype(np.float32)

with suppress(Exception):  # what fails here fails in a worker again, which tells of it
    if machine_code.is_ready(USUAL):
        machine_code.load(USUAL)
        machine_code.gemm_address(USUAL)
