"""A terminal that closes, a disk that is full: the run says how it ended, and where."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
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


# As soon as a function has ended, a signal comes: `nnrun.cli.list:json_result:15 list --json`.
SIGNALLED = """
import os, sys
from importlib import import_module
from nnrun.__main__ import main

place, name, number = sys.argv.pop(1).split(":")
module = import_module(place)
usual = getattr(module, name)

def signalled(*given):
    done = usual(*given)
    os.kill(os.getpid(), int(number))
    return done

setattr(module, name, signalled)
main()
"""


@pytest.mark.parametrize(
    ("function", "number", "error"),
    [
        ("nnrun.cli.completing:rejoin", signal.SIGINT, 130),
        ("nnrun.cli.terminal.streams:prepare", signal.SIGINT, 130),  # once more while that is told
        ("nnrun.runs.finding:list_runs", signal.SIGTERM, 143),
        ("nnrun.cli.list:json_result", signal.SIGHUP, None),
    ],
)
def test_a_command_that_is_interrupted_prints_one_document(
    here: Path, function: str, number: signal.Signals, error: int | None
) -> None:
    """Before it begins, while it works, and when it has told its result."""
    command = [sys.executable, "-c", SIGNALLED, f"{function}:{number.value}", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert json.loads(done.stdout).get("error", {}).get("exit_code") == error


def test_a_full_disk_is_told_with_the_name_of_the_file() -> None:
    told = pytest.raises(OSError, match=r"No space left on device: 'runs/x/metrics\.jsonl'")
    with told, naming(Path("runs/x/metrics.jsonl")), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
