"""Where processes listen for their own: a socket in a private folder whose path is short enough for one."""

from __future__ import annotations

import os
import tempfile
from multiprocessing import util

from nnrun.errors import UsageError

LONGEST = 103 - len("/pymp-01234567/listener-01234567")  # bytes; of a socket macOS takes 103, Linux 107
OTHERS = ("/tmp", "/var/tmp", "/dev/shm")  # where the folder for temporary files will not do


def make_folder() -> None:
    """Let multiprocessing make the folder of its sockets, if it has none yet; it removes it in the end.

    It lies where temporary files do, unless there is no such place, or one as long as batch systems set TMPDIR to.
    UsageError where no other will do.
    """
    before = tempfile.tempdir
    for place in (*_usual(), *OTHERS):
        if len(os.fsencode(place)) <= LONGEST:
            tempfile.tempdir = place
            try:
                util.get_temp_dir()
                return
            except OSError:
                continue
            finally:
                tempfile.tempdir = before
    least = f"workers need a folder for temporary files, of at most {LONGEST} letters with those above it"
    raise UsageError(f"{least}; name one that may be written to by TMPDIR, as in TMPDIR=/tmp")


def _usual() -> list[str]:
    try:
        return [tempfile.gettempdir()]
    except FileNotFoundError:  # none can be written to
        return []
