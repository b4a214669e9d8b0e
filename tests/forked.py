"""Work in a process that is forked from this one, of which a test sees how it ended."""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0  # seconds; what takes longer waits for a lock that a thread held which was not forked


def exit_code(work: Callable[..., object], *given: Any) -> int:
    """0 where it comes to its end; 1 where it raises or never ends, of which it tells; below 0 for a signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            faulthandler.dump_traceback_later(PATIENCE, exit=True, file=sys.__stderr__)
            gc.freeze()  # what the parent left to be collected may wait for threads of the parent
            work(*given)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
