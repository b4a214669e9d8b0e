"""nnrun watch as a process: what it prints, that a page is there, and that Ctrl-C ends it quietly."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, SECONDS, Done

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]


def test_it_serves_a_page_until_ctrl_c(start: Start) -> None:
    process = start("watch", "--port", "0")
    address = line_of(process)
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b"nnrun watch" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == "watching runs; Ctrl-C ends it, and no run notices\n"


def test_no_other_user_sees_where_the_browser_is_sent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process tells all users what it was called with."""
    browser, seen = Path("browser").absolute(), Path("seen").absolute()
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process = start("watch", "--port", "0", "--open")
    address = line_of(process)
    while not seen.exists():
        assert process.poll() is None
        time.sleep(0.05)
    page = Path(seen.read_text().removeprefix("file://"))
    assert address not in seen.read_text()
    assert f'url={address}"' in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not page.exists()


def test_no_run_notices_who_watches_it(start: Start, bits: Callable[[RunDir], dict[str, Any]]) -> None:
    """Two watch; a page is closed, and one of the watchers killed, while it trains."""
    settings = (*QUICK, "--set", "training.epochs=300")
    assert start("train", "-q", *settings, "--runs", "alone").wait(SECONDS) == 0
    watchers = [start("watch", "--port", "0") for _ in range(2)]
    addresses = [line_of(watcher).replace("/?", "/stream?look=0&") for watcher in watchers]
    trained = start("train", "-q", *settings)
    for address in addresses:
        with urllib.request.urlopen(address, timeout=60) as stream:
            while b'"epochs": ' not in (line := stream.readline()):
                assert line
    watchers[0].kill()
    assert trained.wait(SECONDS) == 0
    with urllib.request.urlopen(addresses[1], timeout=60) as stream:
        while b'"epochs": 300' not in (line := stream.readline()):
            assert line
    (alone,), (watched,) = (Path(root).glob("[!.]*") for root in ("alone", "runs"))
    assert bits(RunDir(watched)) == bits(RunDir(alone))


def line_of(watcher: subprocess.Popen[str]) -> str:
    """The address that it prints."""
    assert watcher.stdout is not None
    return watcher.stdout.readline().strip()


def test_what_is_no_folder_and_no_port_is_refused(nnrun: Nnrun) -> None:
    Path("file").write_text("x")
    done = nnrun("watch", "--runs", "file")
    assert (done.code, done.err) == (2, "nnrun: file: not a folder\n")
    assert nnrun("watch", "--port", "70000").code == 2


def test_the_commands_of_a_run_can_be_typed(nnrun: Nnrun) -> None:
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


def test_its_address_as_a_document(start: Start, nnrun: Nnrun) -> None:
    process = start("watch", "--port", "0", "--json", "-q")
    assert process.stdout is not None
    lines = [line_of(process)]
    while lines[-1] != "}":
        lines.append(line_of(process))
    found = json.loads("".join(lines))
    assert (found["schema_version"], found["runs"]) == (1, str(Path("runs").absolute()))
    with urllib.request.urlopen(found["address"], timeout=60) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, said, errors) == (0, "", "")
    assert nnrun("watch", "--text", "--json").code == 2
