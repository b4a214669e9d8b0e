"""Where nnrun runs: on other systems it says so and ends, and what would fail there stands in one place."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORD = "nnrun runs on Linux and macOS, and on Windows inside WSL\n"
ELSEWHERE = """
import os, runpy, signal, sys

sys.platform = "win32"
sys.modules |= dict.fromkeys(["fcntl", "resource", "termios", "pwd", "grp"])  # importing them fails
for module, names in {
    os: ["sysconf", "sched_getaffinity", "fork", "kill", "geteuid"],
    signal: ["SIGKILL", "pthread_sigmask"],
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""
POSIX = {  # what typeshed has for Linux and not for Windows
    "nnrun/engine/batches.py": {"MADV_DONTNEED", "MADV_WILLNEED", "madvise"},
    "nnrun/machine/capacity.py": {"sysconf"},
    "nnrun/machine/holding.py": {"register_at_fork"},
    "nnrun/machine/threads.py": {"register_at_fork"},
    "nnrun/search/forking.py": {"register_at_fork"},
    "nnrun/machine/posix.py": {
        *("fcntl", "flock", "LOCK_NB", "LOCK_EX", "LOCK_SH", "LOCK_UN"),
        *("getrlimit", "setrlimit", "RLIMIT_DATA", "RLIM_INFINITY", "getuid", "chown", "O_NOFOLLOW"),
        *("SIGKILL", "SIGHUP", "pthread_sigmask", "SIG_BLOCK", "SIG_SETMASK"),
        *("tcgetpgrp", "getpgrp", "SIGTSTP", "SIGTTIN", "SIGTTOU", "pthread_kill"),
        *("tcgetattr", "tcsetattr", "TCSANOW", "ICANON", "ECHO", "VMIN", "VTIME", "error", "nice"),
        *("O_NONBLOCK", "O_NOCTTY"),
    },
}


def elsewhere(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ELSEWHERE + code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("list",), ("train",), ("search", "--trials", "1")])
def test_elsewhere_every_command_ends_with_a_word(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = elsewhere("runpy.run_module('nnrun', run_name='__main__')", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"nnrun: {WORD}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("use", ["nnrun.train({})", "from nnrun import load_run", "nnrun.minimize"])
def test_elsewhere_python_is_told_the_same(tmp_path: Path, use: str) -> None:
    done = elsewhere(f"import nnrun\n{use}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(f"nnrun.errors.UsageError: {WORD}")


def attributes_lacking(platform: str, cache: Path) -> set[tuple[str, str, str]]:
    """File, owner and name of each attribute that mypy does not find on a platform."""
    options = ["--config-file=", "--no-site-packages", "--ignore-missing-imports", f"--cache-dir={cache}"]
    command = [sys.executable, "-m", "mypy", *options, "--platform", platform, "nnrun"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = r'^([\w/]+\.py):\d+: error: (.+) has no attribute "(\w+)"'
    return set(re.findall(told, done.stdout, re.MULTILINE))


def by_file(attributes: set[tuple[str, str, str]]) -> dict[str, set[str]]:
    """The names in each file."""
    found = defaultdict(set)
    for file, _, name in attributes:
        found[file].add(name)
    return found


@pytest.mark.soak
def test_what_needs_posix_stands_where_it_is_named_and_nothing_else_is_lacking(tmp_path: Path) -> None:
    """Without the packages that nnrun uses, mypy misses attributes of what comes from them, too, on any system."""
    on_linux = attributes_lacking("linux", tmp_path)
    assert by_file(attributes_lacking("win32", tmp_path) - on_linux) == POSIX
    assert attributes_lacking("darwin", tmp_path) <= on_linux
