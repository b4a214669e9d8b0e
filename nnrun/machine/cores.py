"""Processor cores."""

from __future__ import annotations

import math
import os

from nnrun.machine.cgroups import cores_allowed


def all_cores() -> int:
    """Those of the machine."""
    return os.cpu_count() or 1


def usable_cores() -> int:
    """Those this process may keep busy: that it may run on, and for which its group has time."""
    on = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else all_cores()
    return max(1, math.ceil(min(on, cores_allowed())))
