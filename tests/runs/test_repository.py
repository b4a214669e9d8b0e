"""Commit and changes of real repositories, one of which would run a stranger's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.runs.repository import git_state

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def git(*words: str, folder: Path | None = None) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path, *how: str) -> Path:
    """A repository with one commit of two files, which were written well before its index."""
    folder.mkdir()
    git("init", "--quiet", *how, folder=folder)
    for name in ("a.txt", "sub/b.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("one\n")
        os.utime(folder / name, (1e9, 1e9))
    git("add", ".", folder=folder)
    git("commit", "--quiet", "--message=first", folder=folder)
    return folder


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Is the current directory."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = committed(tmp_path / "repository")
    monkeypatch.chdir(folder)
    return folder


def changed() -> bool:
    state = git_state()
    assert state and state["commit"] == git("rev-parse", "HEAD")
    return state["changed"]


def touch() -> None:
    os.utime("a.txt")


def write() -> None:
    Path("a.txt").write_text("two\n")  # as long as before


def stage() -> None:
    write()
    git("add", ".")


def make_executable(known: str) -> None:
    git("config", "core.fileMode", known)
    Path("a.txt").chmod(0o755)


def end_lines_otherwise() -> None:
    git("config", "core.autocrlf", "true")
    Path("a.txt").unlink()
    git("checkout", "a.txt")
    touch()


CHANGES: dict[str, tuple[Callable[[], object], bool]] = {
    "nothing": (lambda: None, False),
    "a file is written as it was": (touch, False),
    "a file is written": (write, True),
    "a change is staged": (stage, True),
    "a file is gone": (lambda: Path("sub/b.txt").unlink(), True),
    "a file is new": (lambda: Path("new").touch(), False),  # which git does not know
    "a mode that counts": (lambda: make_executable("true"), True),
    "a mode that does not": (lambda: make_executable("false"), False),
    "ends of lines that do not": (end_lines_otherwise, False),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_counts_as_changed(what: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, counts = CHANGES[what]
    change()
    assert changed() is counts
    monkeypatch.chdir("sub")
    assert changed() is counts
    assert bool(git("status", "--porcelain", "--untracked-files=no")) is counts


def test_another_tree_of_the_repository(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    write()
    monkeypatch.chdir(tmp_path / "other")
    assert not changed()
    write()
    assert changed()


def test_a_repository_of_longer_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(committed(tmp_path / "long", "--object-format=sha256"))
    assert not changed()


def test_none_where_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert git_state() is None
    git("init", "--quiet")
    assert git_state() is None


# what a stranger's repository may name


def armed(*settings: str) -> None:
    for setting in settings:
        git("config", *setting.split("=", 1))


def monitor(program: str) -> None:
    armed(f"core.fsmonitor={program}")


def clean(program: str) -> None:
    armed(f"filter.x.clean={program}")


def process(program: str) -> None:
    armed(f"filter.x.process={program}", "filter.x.required=true")


def hook(program: str) -> None:
    armed("core.hooksPath=hooks")
    Path("hooks").mkdir()
    Path("hooks/post-index-change").symlink_to(program)


def hidden_among_settings(program: str) -> None:
    armed(f"core.eol=lf\ncore.fsmonitor {program}", f"core.fsmonitor={program}")


def transport(program: str) -> None:
    """Git fetches an object that is missing from where the rest is said to be."""
    armed("core.repositoryFormatVersion=1", "extensions.partialClone=there", "remote.there.promisor=true")
    armed(f"remote.there.url=ext::{program}", "protocol.ext.allow=always")
    tree = git("rev-parse", "HEAD^{tree}")
    Path(".git/objects", tree[:2], tree[2:]).unlink()


def submodule(program: str) -> None:
    git("submodule", "--quiet", "add", "./", "inner")
    git("commit", "--quiet", "--message=second")
    git("config", "core.fsmonitor", program, folder=Path("inner"))


ARMS = [monitor, clean, process, hook, hidden_among_settings, transport, submodule]


@pytest.mark.parametrize("arm", ARMS)
def test_nothing_that_a_repository_names_is_run(arm: Callable[[str], None], repository: Path, tmp_path: Path) -> None:
    mark, program = tmp_path / "was run", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    Path(".gitattributes").write_text("*.txt filter=x\n")
    arm(str(program))
    touch()
    mark.unlink(missing_ok=True)
    index = Path(".git/index").read_bytes()
    assert git_state()
    assert (mark.exists(), Path(".git/index").read_bytes() == index) == (False, True)
    subprocess.run(["git", "status"], capture_output=True)
    assert mark.exists()  # by git itself
