"""What this process may use of the machine: cores and memory.

Linux limits what the group of processes may have that this one is in; containers and job schedulers set such limits.
Groups lie in each other, and each may have a limit. Version 2 has one tree of them, version 1 one for each kind of
limit. In a container paths may be those of the system outside while its own group is the root of the tree, so folders
that are not there are passed over.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

TREES = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
CACHED = ("inactive_file", "active_file")  # pages of files, which the system takes back when it needs them


def all_cores() -> int:
    """The number of the machine's cores."""
    return os.cpu_count() or 1


def usable_cores() -> int:
    """The number of cores this process may keep busy: that it may run on, and for which its group has time."""
    on = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else all_cores()
    return max(1, math.ceil(min(on, cores_allowed())))


def free_memory() -> int:
    """Bytes that this process may still claim without pushing others out, of the machine and of its group; never 0."""
    return max(1, int(min(_available(), memory_left())))


def _available() -> int:
    """Bytes of the machine that nothing needs; all it has where a sandbox hides what the system says of memory."""
    import psutil  # here, since listing runs asks for no memory

    try:
        return int(psutil.virtual_memory().available)
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def lacking_memory(needed: int) -> str | None:
    """In words, what would be taken and what is free; None where that is enough."""
    free = free_memory()
    if needed <= free:
        return None
    return f"about {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free"


def cores_allowed(trees: Path = TREES, membership: Path = MEMBERSHIP) -> float:
    """Processor time in cores, such as 1.5; infinite without a limit."""
    return min((_quota(group) for group in _groups("cpu", trees, membership)), default=math.inf)


def memory_left(trees: Path = TREES, membership: Path = MEMBERSHIP) -> float:
    """Bytes that may still be claimed; infinite without a limit."""
    return min((_left(group) for group in _groups("memory", trees, membership)), default=math.inf)


def _groups(kind: str, trees: Path, membership: Path) -> Iterator[Path]:
    """The folders of the groups around this process, in either version."""
    lines: list[str] = []
    with suppress(OSError):  # not Linux
        lines = membership.read_text().splitlines()
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "" or kind in kinds.split(","):
            tree, names = trees / kind if kinds else trees, PurePosixPath(path).parts[1:]
            yield from (tree.joinpath(*names[:depth]) for depth in range(len(names) + 1))


def _quota(group: Path) -> float:
    words = _words(group / "cpu.max") or [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")]
    if len(words) < 2 or words[0] in ("max", "-1"):
        return math.inf
    quota, period = map(int, words)
    return quota / period


def _left(group: Path) -> float:
    limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
    used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
    if not limit or not used or limit == ["max"]:
        return math.inf
    return int(limit[0]) - int(used[0]) + _cached(group)


def _cached(group: Path) -> int:
    """Of what counts as used, what the system would give up; `total_` in version 1 includes the groups inside."""
    words = _words(group / "memory.stat")
    told = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    return sum(told.get(f"total_{name}", told.get(name, 0)) for name in CACHED)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # no such limit in this version, or in this group
        return []
