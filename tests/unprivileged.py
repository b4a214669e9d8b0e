"""What a user meets who may not do everything, as the superuser may."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_privileges() -> Iterator[None]:
    """The superuser may write anywhere; what is imported late may be closed to others."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def shared_folder(mode: int = 0o755) -> Iterator[Path]:
    """A folder that others may enter, as `tmp_path` lies below one that only its owner may; removed in the end."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(mode)
        yield folder
    finally:
        shutil.rmtree(folder)
