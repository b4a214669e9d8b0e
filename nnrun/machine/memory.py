"""Memory: how much is free for this process, and what does not fit."""

from __future__ import annotations

import psutil

from nnrun.machine.cgroups import memory_left


def free_memory() -> int:
    """Bytes that this process may still claim without pushing others out, of the machine and of its group; never 0."""
    return max(1, int(min(psutil.virtual_memory().available, memory_left())))


def lacking(needed: int) -> str | None:
    """In words, what would be taken and what is free; None where that is enough."""
    free = free_memory()
    if needed <= free:
        return None
    return f"about {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free"
