"""What only POSIX systems have; `engine/reading.py` alone asks such a system for more, as the engine stands alone."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HANG_UP = signal.SIGHUP  # comes when a terminal closes
LIMITS_MEMORY = sys.platform != "darwin"  # macOS refuses such a limit, and would not hold it


def try_lock(descriptor: int, exclusive: bool) -> bool:
    """Take the lock of an open file, alone or with others; False if somebody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_NB | (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH))
    except OSError:
        return False
    return True


def belongs_to_user(found: os.stat_result) -> bool:
    """Whether a file is this user's."""
    return found.st_uid == os.getuid()


def limit_memory(most: int) -> None:
    """Let this process claim no more bytes than that, where LIMITS_MEMORY."""
    if not LIMITS_MEMORY:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def killed_from_outside(code: int) -> bool:
    """Whether an exit code is that of a process which somebody ended, and not a crash of its own."""
    return code in (-signal.SIGKILL, -signal.SIGTERM)


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here never hear of a Ctrl-C, which is the parent's to handle; for it the signal waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
