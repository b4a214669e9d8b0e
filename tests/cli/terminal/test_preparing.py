"""A conversion that takes long is told of, and ends when it is told to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.cli.terminal.screen import Preparation
from nnrun.text import COMPILING

# The command with pieces of a few rows, and a moment that is over at once; perhaps held up once it has said a word.
PROGRAM = """
import sys, time
from nnrun.cli.terminal import screen, signals
from nnrun.data.files import chunks; from nnrun.data import prepare
chunks.CELLS = prepare.CELLS = 30
screen.MOMENT = 0.0
if sys.argv.pop() == "held":
    say, asked, told = screen.say, signals.StopRequest.__call__, []
    screen.say = lambda *lines: (say(*lines), told.append(True))

    def patient(request):
        while told and request.signal is None:
            time.sleep(0.01)
        return asked(request)

    signals.StopRequest.__call__ = patient
from nnrun.__main__ import main
main()
"""


def start(here: Path, *options: str, held: bool = False) -> subprocess.Popen[str]:
    if not (here / "data.csv").exists():
        (here / "data.csv").write_text("x,z,y\n" + "".join(f"{i},{i * i},{'ab'[i % 2]}\n" for i in range(60)))
    settings = ["data.source=data.csv", "data.target=y", "training.epochs=1", "network.hidden=[4]"]
    words = [word for setting in settings for word in ("--set", setting)]
    (here / "c.yaml").write_text("seed: 0\n")
    command = [sys.executable, "-c", PROGRAM, "train", "c.yaml", *words, *options, "held" if held else "free"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_line_at_the_start_and_one_at_the_end(here: Path) -> None:
    process = start(here)
    _, err = process.communicate()
    assert process.returncode == 0
    told = [line for line in err.splitlines() if line.startswith("data     ") and "prepar" in line]
    assert told == ["data     being prepared piece by piece, which is done once", told[1]]
    assert re.fullmatch(r"data     \d+ s were spent on preparing it", told[1])
    assert "piece by piece" not in start(here).communicate()[1]  # the arrays are there


def test_who_compiles_promises_nothing_of_where_it_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """That no folder keeps it may be found when it has been compiled."""
    Preparation()(COMPILING, 0, None)
    assert capsys.readouterr().err == "engine   compiling the training step, which takes some seconds\n"


def test_nothing_is_told_with_q(here: Path) -> None:
    assert "prepar" not in start(here, "-q").communicate()[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(here: Path, number: signal.Signals, code: int) -> None:
    process = start(here, held=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("data     being prepared"):
            process.send_signal(number)
            break
    _, err = process.communicate()
    assert process.returncode == code
    assert err.splitlines()[-1] == "nnrun: stopped while the data was being prepared; nothing of it was kept"
    assert "Traceback" not in err
    assert not [entry for entry in (here / "runs").rglob("*") if entry.is_file()]
