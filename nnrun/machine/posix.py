"""What only POSIX systems have, but for the few names in other modules that a test lists, such as the engine's."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import stat
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

Modes = list[Any]  # how a terminal treats what is typed

HANG_UP = signal.SIGHUP  # comes when a terminal closes
SUSPEND = signal.SIGTSTP  # Ctrl-Z
KILL = signal.SIGKILL
WITHOUT_WAITING = os.O_NONBLOCK | os.O_NOCTTY  # of a file to open: a pipe or a terminal keeps nobody waiting
NO_LINK = os.O_NOFOLLOW  # of a file to open: fail where it is a link
LIMITS_MEMORY = sys.platform != "darwin"  # macOS refuses such a limit, and would not hold it
HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}  # what systems say of a lock that somebody has
LEAST_MEMORY = 1 << 28  # of a worker: the libraries and a small network; where a BLAS finds no room it hangs


def try_lock(descriptor: int, exclusive: bool) -> bool:
    """Take the lock of an open file, alone or with others; False if somebody has it.

    OSError where the disk gives no locks, which some network file systems do not.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_NB | (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH))
    except OSError as error:
        if error.errno in HELD:
            return False
        raise OSError(error.errno, f"this disk gives no locks: {error.strerror}") from error
    return True


def is_locked(descriptor: int) -> bool:
    """Whether somebody else has the lock of an open file, which none has where the disk knows no locks."""
    try:
        if not try_lock(descriptor, exclusive=False):
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        return False
    return False


def write_through(descriptor: int) -> None:
    """Have what was written to an open file, or the names in an open folder, survive a power cut."""
    empty_cache = getattr(fcntl, "F_FULLFSYNC", None)  # of macOS, where fsync leaves it in the drive's cache
    if empty_cache is not None:
        with suppress(OSError):  # a disk that knows fsync alone
            fcntl.fcntl(descriptor, empty_cache)
            return
    os.fsync(descriptor)


def belongs_to_user(found: os.stat_result) -> bool:
    """Whether a file is this user's."""
    return found.st_uid == os.getuid()


def give_to_owner_of(path: Path, other: Path) -> None:
    """Make it that user's whose the other file or folder is, where the system lets this one do so: the superuser."""
    owner = other.stat()
    with suppress(OSError):
        os.chown(path, owner.st_uid, owner.st_gid)


def user_number() -> int:
    """What the system calls this user, as long as it runs."""
    return os.getuid()


def is_kept_from_others(folder: os.stat_result) -> bool:
    """Whether only this user and root can put something in the place of what this user has in a folder.

    That holds of one for temporary files to which all may write, as there only owners rename and delete.
    """
    is_shared = folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX
    return folder.st_uid in (0, os.getuid()) and not is_shared


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


def stand_back() -> None:
    """Let other processes of this machine go first."""
    with suppress(OSError):
        os.nice(10)


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here never hear of a Ctrl-C, which is the parent's to handle; for it the signal waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_own_terminal(descriptor: int) -> bool:
    """Whether it is the terminal that this process was started from, be it in front or in the background."""
    return _group_in_front(descriptor) is not None


def in_foreground(terminal: int) -> bool:
    """Whether what is typed on a terminal is for this process and those started with it."""
    return _group_in_front(terminal) == os.getpgrp()


def _group_in_front(terminal: int) -> int | None:
    try:
        return os.tcgetpgrp(terminal)
    except OSError:  # it is none, or that of others, or gone
        return None


def key_by_key(terminal: int, usual: Modes | None) -> Modes | None:
    """Let each key be read as it is typed, unseen, and leave all else as usual: Ctrl-C sends its signal.

    Reading waits for none: a key that was there a moment ago may be gone, as Ctrl-Z throws away what is not read.
    How it was, which is looked up where that is not known; what `give_back` takes.
    """
    with suppress(termios.error):
        usual = usual or termios.tcgetattr(terminal)
        modes = [*usual[:6], [*usual[6]]]
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 0, 0
        termios.tcsetattr(terminal, termios.TCSANOW, modes)
    return usual


def give_back(terminal: int, usual: Modes) -> None:
    """Let a terminal be as it was, if it is still there and in front of this process: in the background it is the
    shell's, and whoever changes it is stopped."""
    with suppress(termios.error):
        if in_foreground(terminal):
            termios.tcsetattr(terminal, termios.TCSANOW, usual)


def never_stopped_by_a_terminal() -> None:
    """What this thread wants of a terminal that is not its own fails; by default it would stop the process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTIN, signal.SIGTTOU])


def stop_here() -> None:
    """Stop until somebody continues the process, as Ctrl-Z asks for; to be called by the handler of SUSPEND."""
    ours = signal.signal(SUSPEND, signal.SIG_DFL)
    signal.pthread_kill(threading.get_ident(), SUSPEND)
    signal.signal(SUSPEND, ours)
