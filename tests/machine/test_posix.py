"""Locks and limits; what signals do to workers is tested with the pool of a search."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.machine import posix
from nnrun.machine.posix import is_locked, killed_from_outside, limit_memory, try_lock


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as one, path.open("w") as another:
        assert try_lock(one.fileno(), exclusive=True)
        assert not try_lock(another.fileno(), exclusive=True)
        assert not try_lock(another.fileno(), exclusive=False)
    with path.open("w") as one, path.open("w") as another:
        assert try_lock(one.fileno(), exclusive=False)
        assert try_lock(another.fileno(), exclusive=False)


def locks_fail(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(posix.fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES])
def test_a_lock_that_somebody_has(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    locks_fail(monkeypatch, number)
    assert (try_lock(0, exclusive=True), try_lock(0, exclusive=False), is_locked(0)) == (False, False, True)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.EIO])
def test_a_lock_that_nobody_gets(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    locks_fail(monkeypatch, number)
    with pytest.raises(OSError, match="this disk gives no locks: ") as told:
        try_lock(0, exclusive=True)
    assert (told.value.errno, is_locked(0)) == (number, False)


@pytest.mark.parametrize("disk_knows_it", [True, False])
def test_on_macos_the_cache_of_the_drive_is_emptied(disk_knows_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    def fcntl(descriptor: int, command: int) -> None:
        asked.append((descriptor, command))
        if not disk_knows_it:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append((descriptor,)))
    monkeypatch.setattr(posix.fcntl, "fcntl", fcntl)
    monkeypatch.setattr(posix.fcntl, "F_FULLFSYNC", 51, raising=False)
    posix.write_through(7)
    assert asked == [(7, 51)] + ([] if disk_knows_it else [(7,)])
    monkeypatch.delattr(posix.fcntl, "F_FULLFSYNC")
    posix.write_through(8)
    assert asked[-1] == (8,)


@pytest.mark.skipif(not posix.LIMITS_MEMORY, reason="this system does not limit the memory of a process")
def test_memory_beyond_the_limit_is_refused() -> None:
    code = "from nnrun.machine.posix import limit_memory; limit_memory(200 << 20); bytearray(400 << 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith("MemoryError\n")


def test_a_system_that_refuses_limits_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*limits: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(posix.resource, "setrlimit", refuse)
    monkeypatch.setattr(posix, "LIMITS_MEMORY", False)
    limit_memory(200 << 20)


@pytest.mark.parametrize(
    ("code", "killed"), [(0, False), (1, False), (-signal.SIGSEGV, False), (-signal.SIGKILL, True)]
)
def test_who_ended_a_process(code: int, killed: bool) -> None:
    assert killed_from_outside(code) is killed
