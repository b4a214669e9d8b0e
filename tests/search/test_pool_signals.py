"""What a terminal sees of the workers when its whole process group is interrupted, or the search is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys, time
from multiprocessing import util
from nnrun.search.executors import Pool

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    pool = Pool(2)
    for _ in range(40):  # all the while that workers load NumPy
        os.killpg(0, signal.SIGINT)
        time.sleep(0.01)
    print(pool.submit(dict, {"trials": [{}]}).result(600), flush=True)
    print(util.get_temp_dir(), flush=True)
    if sys.argv[1] == "be killed":
        os.kill(os.getpid(), signal.SIGKILL)
    pool.close()
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups")


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("be killed", -signal.SIGKILL)])
def test_workers_say_and_leave_nothing_when_their_group_is_interrupted_and_the_parent_dies(
    tmp_path: Path, how: str, code: int
) -> None:
    script, said = tmp_path / "script.py", tmp_path / "said"
    script.write_text(SCRIPT)
    with said.open("wb") as file:  # no pipe, which orphans would keep open
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(
            [sys.executable, str(script), how], stdout=file, stderr=file, env=environment, start_new_session=True
        )
        assert process.wait(600) == code
    given_up = time.monotonic() + 600
    while _alive(process.pid) and time.monotonic() < given_up:
        time.sleep(0.05)
    assert not _alive(process.pid)
    answer, temporary = said.read_text().splitlines()
    assert answer == "{'trials': [{}]}" and not Path(temporary).exists()


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
