"""nnrun watch as a process: what it prints, that a page is there, and that Ctrl-C ends it quietly."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]


def test_it_serves_a_page_until_ctrl_c(start: Start) -> None:
    process = start("watch", "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b"nnrun watch" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == "watching runs; Ctrl-C ends it, and no run notices\n"


def test_what_is_no_folder_and_no_port_is_refused(nnrun: Nnrun) -> None:
    Path("file").write_text("x")
    done = nnrun("watch", "--runs", "file")
    assert (done.code, done.err) == (2, "nnrun: file: not a folder\n")
    assert nnrun("watch", "--port", "70000").code == 2


def test_the_commands_of_a_run_can_be_typed(nnrun: Nnrun) -> None:
    from nnrun.runs.rundir import RunDir
    from nnrun.watching.details import details

    assert nnrun("train", "-q", *QUICK).code == 0
    (run,) = Path("runs").glob("[!.]*")
    lines = [each["command"] for each in details(RunDir(run))["commands"]]
    assert {line.split()[1] for line in lines} == {"show", "diagnose", "report", "rewind"}
    for line in lines:
        done = nnrun(*line.split()[1:])
        assert done.code == 0, f"{line}: {done.err}"
    RunDir(run).update_record(status="interrupted")
    assert any(each["command"] == f"nnrun resume {run.name}" for each in details(RunDir(run))["commands"])
