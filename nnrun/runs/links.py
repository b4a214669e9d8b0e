"""What a stranger's run may hold in place of a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

from nnrun.errors import DataError


def refuse_links(run: Path) -> None:
    """DataError for a link that leads to a folder or nowhere, in a run or in a folder of it.

    Whoever trains the run writes into its folders and removes them, and would do so wherever such a link leads.
    """
    folders = [run]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and not entry.is_file():
                    raise DataError(f"{entry.path}: a link; a folder of the run belongs there, or nothing")
                if folder is run and entry.is_dir():
                    folders.append(Path(entry.path))
