"""The folder of sockets, where the one for temporary files will not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.errors import UsageError
from nnrun.machine import sockets

SCRIPT = """
import stat
from contextlib import closing
from multiprocessing import util
from pathlib import Path
from nnrun.search.executors import Pool

with closing(Pool(1)) as pool:
    print(pool.submit(len, {"trials": []}).result())
folder = Path(util.get_temp_dir())
print(folder, oct(folder.stat().st_mode & 0o777))
"""


@pytest.mark.parametrize("place", ["a" * 90, "gone"])
def test_workers_start_where_temporary_files_have_no_place_or_a_long_one(tmp_path: Path, place: str) -> None:
    (tmp_path / ("a" * 90)).mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / place), "PYTHONPATH": str(Path(__file__).parents[2])}
    unusable = "import tempfile\ntempfile._candidate_tempdir_list = lambda: []\n" if place == "gone" else ""
    done = subprocess.run(
        [sys.executable, "-c", unusable + SCRIPT], capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr
    answer, folder, mode = done.stdout.split()
    assert (answer, mode) == ("1", "0o700")
    assert str(Path(folder).parent) in sockets.OTHERS and not Path(folder).exists()
    assert not any((tmp_path / ("a" * 90)).iterdir())


def test_what_to_do_where_there_is_no_other_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/" + "a" * 90)
    monkeypatch.setattr(sockets, "OTHERS", ("/none",))
    monkeypatch.setattr("multiprocessing.util.get_temp_dir", lambda: Path("/none/pymp").mkdir())
    with pytest.raises(UsageError, match=r"temporary files, of at most 71 letters .* as in TMPDIR=/tmp"):
        sockets.make_folder()
