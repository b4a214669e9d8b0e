"""What a stranger's run may hold in place of a folder of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from nnrun.errors import DataError


def refuse_links(run: Path) -> None:
    """DataError for a link that leads to a folder or nowhere, in a run or in a folder of it.

    Whoever trains the run writes into its folders and removes them, and would do so wherever such a link leads.
    """
    for folder in _folders_of(run):
        with suppress(FileNotFoundError):  # such as of requests, which go while a run is trained
            _folders_of(folder)


def _folders_of(folder: Path) -> list[Path]:
    """Folders in it; DataError for such a link."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_symlink() and not os.path.isfile(entry.path):  # noqa: PTH113 - which takes one to itself for none
            raise DataError(f"{entry.path}: a link; a folder of the run belongs there, or nothing")
    return [Path(entry.path) for entry in entries if entry.is_dir()]
