"""Locks and limits; what signals do to workers is tested with the pool of a search."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.machine import posix
from nnrun.machine.posix import killed_from_outside, limit_memory, try_lock


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as one, path.open("w") as another:
        assert try_lock(one.fileno(), exclusive=True)
        assert not try_lock(another.fileno(), exclusive=True)
        assert not try_lock(another.fileno(), exclusive=False)
    with path.open("w") as one, path.open("w") as another:
        assert try_lock(one.fileno(), exclusive=False)
        assert try_lock(another.fileno(), exclusive=False)


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
