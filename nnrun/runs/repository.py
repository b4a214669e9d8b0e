"""The commit of the current directory, learnt without running what the repository names.

Its configuration may name programs that git runs when it is asked for the state of files: filters, hooks, a monitor of
the file system, a transport. A folder that came from a stranger would have them run here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nnrun.runs.records import Git

SECONDS = 5  # that git has for an answer
NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
HOW_FILES_LOOK = r"^core\.(autocrlf|checkstat|eol|filemode|ignorecase|precomposeunicode|symlinks|trustctime)$"
SHA256 = "[core]\nrepositoryFormatVersion = 1\n[extensions]\nobjectFormat = sha256\n"


def git_state() -> Git | None:
    """Commit and whether files may differ from it; None outside a repository or without git."""
    commit = _git("rev-parse", "HEAD")
    return {"commit": commit, "changed": _changed(commit)} if commit else None


def _changed(commit: str) -> bool:
    """Asked of a repository with the same files, index and objects, and no configuration but how files look here.

    As no filter is run, a file that one turns back to what was committed counts as changed once it was written anew; so
    does what git cannot tell. Nothing is written to the repository, and in a submodule only the commit is looked at.
    """
    where = (_git("rev-parse", "--show-toplevel", "--git-path", "index", "--git-path", "objects") or "").split("\n")
    if len(where) != 3:
        return True
    top, index, objects = map(os.path.abspath, where)
    places = {"GIT_WORK_TREE": top, "GIT_INDEX_FILE": index, "GIT_OBJECT_DIRECTORY": objects}
    options = ["--no-optional-locks", *_how_files_look()]
    asking = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"]
    try:
        with tempfile.TemporaryDirectory(prefix="nnrun-git-") as folder:
            (Path(folder) / "refs").mkdir()
            (Path(folder) / "HEAD").write_text(f"{commit}\n")
            (Path(folder) / "config").write_text(SHA256 if len(commit) == 64 else "")
            return _git(*options, *asking, GIT_DIR=folder, **places, **NO_CONFIG) != ""
    except OSError:
        return True


def _how_files_look() -> Iterator[str]:
    """Settings of the repository that name no program."""
    for setting in (_git("config", "--null", "--get-regexp", HOW_FILES_LOOK) or "").split("\0"):
        name, _, value = setting.partition("\n")
        if name:
            yield from ("-c", f"{name}={value}")


def _git(*arguments: str, **variables: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, env=os.environ | variables, timeout=SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(answer.stdout).removesuffix("\n")
