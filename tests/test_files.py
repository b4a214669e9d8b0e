"""Files are whole at any instant, and JSON lines survive a torn end."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any
from unittest.mock import Mock

import pytest

from nnrun.errors import DataError
from nnrun.files import (
    drop_torn_line,
    drop_unfinished,
    put,
    read_regular,
    regular,
    replacing,
    to_json,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [False, True])
def test_content_is_replaced_as_a_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, b"a longer old content", durable)
    write_atomically(path, b"new", durable)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["run.json"]


def syncs(monkeypatch: pytest.MonkeyPatch, of_folders: int | None, of_files: int | None = None) -> None:
    """Have the system refuse with these numbers."""

    def fsync(descriptor: int) -> None:
        number = of_folders if stat.S_ISDIR(os.fstat(descriptor).st_mode) else of_files
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_disks_that_sync_no_folders_keep_files(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs(monkeypatch, of_folders=number)
    write_atomically(tmp_path / "run.json", b"new", durable=True)
    assert (tmp_path / "run.json").read_bytes() == b"new"


def test_what_cannot_be_synced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs(monkeypatch, of_folders=errno.EIO)
    with pytest.raises(OSError, match="Input/output error") as told:
        write_atomically(tmp_path / "run.json", b"new", durable=True)
    assert told.value.filename == str(tmp_path)
    syncs(monkeypatch, of_folders=None, of_files=errno.EINVAL)
    with pytest.raises(OSError, match="Invalid argument") as told:
        write_atomically(tmp_path / "run.json", b"newer", durable=True)
    assert (told.value.filename, (tmp_path / "run.json").read_bytes()) == (str(tmp_path / "run.json"), b"new")


def test_an_exception_in_the_middle_leaves_the_old_content_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text, which a binary file refuses")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["run.json"]


def test_a_rename_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"content")
    assert names(tmp_path) == ["taken"]


@pytest.mark.parametrize("name", [None, "temporary", "other.csv"])
def test_an_error_names_the_file_that_was_meant(tmp_path: Path, name: str | None) -> None:
    """The temporary name says nothing to whoever asked for the file, another file's name does."""
    with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "out.csv") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(temporary) if name == "temporary" else name)
    assert caught.value.filename == ("other.csv" if name == "other.csv" else str(tmp_path / "out.csv"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_what_came_meanwhile_is_not_replaced_unless_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # as on a stick
        monkeypatch.setattr(Path, "hardlink_to", Mock(side_effect=PermissionError(1, "Operation not permitted")))
    path = tmp_path / "out.csv"
    with pytest.raises(FileExistsError, match=r"out\.csv"), replacing(path, overwrite=False) as temporary:
        temporary.write_text("late")
        path.write_text("early")
    assert (path.read_text(), names(tmp_path)) == ("early", ["out.csv"])
    with replacing(path) as temporary:
        temporary.write_text("forced")
    assert path.read_text() == "forced"
    with replacing(tmp_path / "new.csv", overwrite=False) as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["new.csv", "out.csv"]


def test_what_a_kill_left_is_told_apart_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between writing and renaming: neither the rename nor the clearing up happens."""
    monkeypatch.setattr(Path, "replace", lambda self, target: None)
    write_atomically(tmp_path / "run.json", b"half")
    (tmp_path / ".gitignore").write_text("the user's own")
    assert len(names(tmp_path)) == 2
    drop_unfinished(tmp_path)
    assert names(tmp_path) == [".gitignore"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"loss": float("nan"), "cost": float("inf")}, '{"loss": null, "cost": null}'),
        ([1.5, -float("inf"), [float("nan")]], "[1.5, null, [null]]"),
        ({3: (0.5, 2)}, '{"3": [0.5, 2]}'),
        ("Größe ≥ 1", '"Größe ≥ 1"'),
        (None, "null"),
    ],
)
def test_json_is_strict(value: Any, text: str) -> None:
    assert to_json(value) == text


def test_floats_come_back_with_every_bit() -> None:
    numbers = [0.1, 1 / 3, 1e-300, 123456789.123456789, 5e-324]
    assert json.loads(to_json(numbers)) == numbers


def bind(path: Path) -> None:
    with socket(AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    "put",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), bind],
    ids=["pipe", "folder", "device", "socket"],
)
@pytest.mark.parametrize("mode", ["r", "a"])
def test_what_is_no_file_is_not_opened(
    put: Callable[[Path], object], mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep whoever opens it waiting, or be read without end."""
    monkeypatch.chdir(tmp_path)  # a socket has no long name
    put(path := Path("run.json"))
    with pytest.raises((DataError, IsADirectoryError)), open(path, mode, opener=regular):
        pass


def test_what_is_too_large_to_be_written_by_nnrun_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "run.json").touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(DataError, match=f"{path}: larger than 1 GiB"):
        read_regular(path)


@pytest.mark.parametrize(
    "lead", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(__file__)]
)
def test_only_a_file_is_copied(lead: Callable[[Path], object], tmp_path: Path) -> None:
    """A stranger's run may lead to a file of the user's, or to what has no end."""
    lead(path := tmp_path / "log.txt")
    with pytest.raises(DataError, match="a file belongs there"):
        put(tmp_path / "copy", path)
    assert not (tmp_path / "copy").exists()


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3, "tra')
    drop_torn_line(path)
    assert path.read_bytes() == b'{"epoch": 1}\n{"epoch": 2}\n'


def test_every_cut_of_a_file_ends_with_a_line(tmp_path: Path) -> None:
    path, whole = tmp_path / "metrics.jsonl", b'{"epoch": 1}\n{"epoch": 2}\n'
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        drop_torn_line(path)
        assert path.read_bytes() == whole[: 13 * whole[:size].count(b"\n")]


def test_a_missing_file_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    drop_torn_line(path)
    assert not path.exists()
