"""Folders are filled by one process, and those of killed ones go, on disks of all kinds."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun import locks
from nnrun.errors import UsageError
from nnrun.locks import SECONDS_UNTIL_ABANDONED, drop_abandoned, filling, take_lock

FILL = """
import sys
from pathlib import Path
from nnrun.locks import filling
with filling(Path(sys.argv[1]), ".creating-") as folder:
    (folder / "half").touch()
    print(folder.name, flush=True)
    sys.stdin.readline()
"""
flock = fcntl.flock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folders_lock_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen by the other machine of a disk that is shared by NFS."""

    def shared(descriptor: int, operation: int) -> None:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", shared)


@pytest.mark.usefixtures("folders_lock_nothing")
def test_a_folder_that_is_being_filled_stays_until_its_process_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        drop_abandoned(tmp_path, ".creating-")
        assert names(tmp_path) == [name, f"{name}.lock"]
        process.kill()
        process.wait()
    drop_abandoned(tmp_path, ".creating-")
    assert names(tmp_path) == [], "that of the killed one goes at once"


@pytest.mark.usefixtures("no_locks")
def test_without_locks_no_folder_is_filled_and_none_removed(tmp_path: Path) -> None:
    """Another machine may lock what lies there."""
    (tmp_path / ".creating-1").mkdir()
    (tmp_path / ".creating-1.lock").touch()
    with pytest.raises(OSError, match="this disk gives no locks"), filling(tmp_path, ".creating-"):
        pytest.fail("nobody would know that it is held")
    assert names(tmp_path) == [".creating-1", ".creating-1.lock"]


@pytest.mark.usefixtures("no_locks")
def test_without_locks_nobody_writes_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"this disk gives no locks: .*; two processes could write there at once"):
        take_lock(tmp_path / "run.lock")


def test_a_folder_that_gets_its_name_leaves_nothing_else(tmp_path: Path) -> None:
    with filling(tmp_path, ".creating-") as folder:
        folder.rename(tmp_path / "run")
    assert names(tmp_path) == ["run"]


def test_a_folder_that_is_held_for_days_stays(tmp_path: Path) -> None:
    """Whatever its time says."""
    days_ago = time.time() - 2 * SECONDS_UNTIL_ABANDONED
    with filling(tmp_path, ".creating-") as folder:
        for path in (folder, folder.with_suffix(".lock")):
            os.utime(path, (days_ago, days_ago))
        drop_abandoned(tmp_path, ".creating-")
        assert folder.is_dir()


@pytest.mark.parametrize("days", [0, 2])
def test_a_folder_without_a_lock_goes_when_it_is_old(days: int, tmp_path: Path) -> None:
    left, then = tmp_path / ".creating-1", time.time() - days * SECONDS_UNTIL_ABANDONED
    left.mkdir()
    os.utime(left, (then, then))
    drop_abandoned(tmp_path, ".creating-")
    assert left.is_dir() == (days == 0)


def test_what_cannot_be_removed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder keeps its lock, by which the next process sees that nobody fills it."""
    with monkeypatch.context() as refused, filling(tmp_path, ".creating-") as folder:
        refused.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    assert names(tmp_path) == [folder.name, f"{folder.name}.lock"]
    drop_abandoned(tmp_path, ".creating-")
    assert names(tmp_path) == []


@pytest.mark.parametrize("taken_for_good", [False, True])
def test_a_lock_that_is_taken_before_its_folder_is_there_is_made_again(
    taken_for_good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, which is clearing away, comes in the instant between the two."""
    taken: list[int] = []

    def lock(descriptor: int) -> bool:
        if not taken:
            taken.append(descriptor)
            drop_abandoned(tmp_path, ".creating-")
            return not taken_for_good
        return True

    monkeypatch.setattr(locks, "lock_exclusively", lock)
    with filling(tmp_path, ".creating-") as folder:
        assert names(tmp_path) == [folder.name, f"{folder.name}.lock"]
    assert len(taken) == 1


@pytest.mark.parametrize(
    "lead", [os.mkfifo, Path.touch, lambda path: path.symlink_to(".")], ids=["pipe", "file", "link"]
)
def test_what_is_called_like_an_abandoned_folder_keeps_nobody_waiting(
    lead: Callable[[Path], object], tmp_path: Path
) -> None:
    lead(tmp_path / ".creating-00")
    drop_abandoned(tmp_path, ".creating-")
    with filling(tmp_path, ".creating-") as folder:
        assert folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [".creating-00"]
