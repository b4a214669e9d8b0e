"""Where compiled code is kept: a folder of the user's own, as what lies there is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nnrun.machine.posix import belongs_to_user

OURS = "NNRUN_COMPILED_CACHE"  # names the folder


def wanted() -> Path:
    """As the variable says, else where the system wants a user's cache."""
    if given := os.environ.get(OURS):
        return Path(given)
    if sys.platform == "darwin":
        return Path("~/Library/Caches/nnrun").expanduser() / "compiled"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nnrun" / "compiled"


def own() -> Path | None:
    """The folder, made if need be, if it is this user's, closed to others and open for writing."""
    folder = wanted()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):  # no home
        return None
    private = belongs_to_user(found) and not found.st_mode & 0o077
    return folder if private and os.access(folder, os.W_OK) else None
