"""A terminal that closes, a disk that is full: the run says how it ended, and where."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.files import naming


def test_a_closed_terminal_leaves_final_numbers(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("train", "--set", "training.epochs=100000", held_after=3)
    assert process.stderr is not None
    next(line for line in process.stderr if "epoch " in line)
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert process.returncode == 128 + signal.SIGHUP
    (record,) = Path("runs").glob("*-digits-*/run.json")
    written = json.loads(record.read_text())
    assert written["status"] == "interrupted" and written["final"]["dev_error"] < 1 and written["epochs"] >= 1


def test_a_full_disk_is_told_with_the_name_of_the_file() -> None:
    told = pytest.raises(OSError, match=r"No space left on device: 'runs/x/metrics\.jsonl'")
    with told, naming(Path("runs/x/metrics.jsonl")), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
