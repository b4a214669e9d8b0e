"""Where compiled code is kept: a folder of the user's own, as what lies there is run."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from nnrun.machine.posix import belongs_to_user, is_kept_from_others, user_number

OURS = "NNRUN_COMPILED_CACHE"  # names the folder
UNKEPT: dict[str, bytes] = {}  # by precision: code that no folder keeps, of this process or handed to it as a worker
COMPILED = "the training step was compiled"  # how a line begins that says for how long
SECONDS_UNTIL_UNUSED = 90 * 86_400.0


def wanted_folder() -> Path | None:
    """The folder of compiled code: that which the variable names, else where the system wants a user's cache.

    None where that is in the home of a user who has none.
    """
    if given := os.environ.get(OURS):
        return Path(given)
    usual = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(usual).expanduser() / "nnrun" / "compiled"
    except RuntimeError:
        return None


def own_folder() -> Path | None:
    """The folder, made if need be, if it is this user's, closed to others and open for writing.

    Where a home cannot be written to, as in containers, it is one for temporary files, so that all that runs there
    compiles once; never in place of a folder that was named.
    """
    if (folder := wanted_folder()) and _is_private(folder):
        return folder
    return None if os.environ.get(OURS) else _temporary_folder()


def _temporary_folder() -> Path | None:
    """A private folder in a private folder, which nobody else can put another in the place of."""
    place = Path(os.environ.get("TMPDIR") or "/tmp")
    above = place / f"nnrun-{user_number()}"
    try:
        is_safe = is_kept_from_others(place.stat()) and _is_private(above) and not above.is_symlink()
    except OSError:
        return None
    return above / "compiled" if is_safe and _is_private(above / "compiled") else None


def _is_private(folder: Path) -> bool:
    """Whether such a folder is there, or could be made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
    except OSError:
        return False
    return belongs_to_user(found) and not found.st_mode & 0o077 and os.access(folder, os.W_OK)


def name_for(prefix: str, *made_for: object) -> str:
    """Code for other sources of this wing, another Python, NumPy or processor has another name."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    here = (sys.version, version("numpy"), version("numba"), platform.machine(), *made_for)
    digest = hashlib.sha256(b"\0".join([*sources, repr(here).encode()])).hexdigest()
    return f"{prefix}-{digest[:16]}"


def note_use(path: Path) -> None:
    """Set the time of a file, which says when code was used last."""
    with suppress(OSError):
        os.utime(path)


def drop_unused(folder: Path, prefix: str) -> None:
    """Remove code that was not used for long; who begins to use it at this very instant compiles."""
    for path in folder.glob(f"{prefix}-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime >= SECONDS_UNTIL_UNUSED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
