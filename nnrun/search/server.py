"""What the server of workers loads before it forks them, by this name.

It stands alone because loading it changes the process: it is imported by nobody else.
"""

import atexit
import gc
import sys
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

import psutil  # noqa: F401  (this and the next two a trial loads where it needs them, which took each worker 20 ms)
import safetensors.numpy  # noqa: F401
import threadpoolctl  # noqa: F401

import nnrun.search.trials  # noqa: F401


def _keep_quiet(*error: object) -> None:
    """Of a worker that dies before its first job, as when its pool is closed meanwhile, the parent tells.

    And of a server that can fork none, in whose place that begins another, with its socket in the same folder.
    """
    atexit.unregister(_leave_nothing)


def _leave_nothing() -> None:
    """Remove the socket and its folder as this process ends, which a parent that was killed has left."""
    with suppress(OSError, TypeError):  # it is gone, or this one died before it knew it
        socket = Path(forkserver._forkserver._forkserver_address)  # type: ignore[attr-defined]
        socket.unlink()
        socket.parent.rmdir()


sys.excepthook = _keep_quiet
atexit.register(_leave_nothing)  # workers end without it
gc.set_threshold(50_000)  # epochs leave next to no cycles: looking for them took a worker a fourteenth of its time
