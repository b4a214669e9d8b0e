"""What the server of workers loads besides where the compiled engine is likely to train: its code, if it is there.

Loading takes a third of a second, here once and while the data are read. Like `server`, it is imported by nobody else.
"""

from contextlib import suppress

import numpy as np

from nnrun.compiled import machine_code

USUAL = np.dtype(np.float32)

with suppress(Exception):  # what fails here fails in a worker again, which tells of it
    folder = machine_code.own_folder()
    if folder and machine_code.is_sound(folder / machine_code.name_of(USUAL)):
        machine_code.load(USUAL)
        machine_code.gemm_address(USUAL)
