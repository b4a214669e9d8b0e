"""The verbs of watching: a folder that is looked at, and a server for it, until it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnrun.errors import UsageError
from nnrun.watching.folder import Folder

if TYPE_CHECKING:
    from nnrun.watching.server import Server

PORT = 8_765  # unless another is asked for; where it is taken, any that is free


def begin(root: Path, port: int | None = None, read_only: bool = False) -> Server:
    """A server that listens; `serve_forever` answers. UsageError for a port that cannot be had."""
    folder = folder_of(root)
    if port is not None:
        return _listening(folder, port, read_only)
    try:
        return _listening(folder, PORT, read_only)
    except UsageError:
        return _listening(folder, 0, read_only)


def folder_of(root: Path) -> Folder:
    """What is known of a folder of runs, which need not be there yet; UsageError where something else is."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: not a folder")
    return Folder(root)


def _listening(folder: Folder, port: int, read_only: bool) -> Server:
    from nnrun.watching.routes import READING, WRITING
    from nnrun.watching.server import HOST, Server

    try:
        return Server(folder, port, READING, {} if read_only else WRITING)
    except (OSError, OverflowError) as error:
        raise UsageError(f"--port {port}: {HOST}:{port} cannot be listened on ({error})") from None
