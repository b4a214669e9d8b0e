"""A disk without room ends a run, a search and an improvement in words, with the command that goes on."""

from __future__ import annotations

import errno
import json
import os
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from nnrun.errors import NnrunError, ShortageError
from nnrun.runs.rundir import RunDir
from nnrun.search import forking
from nnrun.search.executors import Inline, failure_of
from nnrun.search.state import Options
from tests.cli.conftest import Done
from tests.cli.test_ensemble import IRIS, SPACE, Run

SEEN = "trials/0002/metrics.jsonl"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third trial, which trains in this process, once has no room for what it measures."""
    lacks_room(monkeypatch, SEEN)


def lacks_room(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    append, room = RunDir.append, [file]

    def fails(self: RunDir, file: str, line: str) -> None:
        if room and str(self.path / file).endswith(room[0]):
            room.clear()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / file))
        append(self, file, line)

    monkeypatch.setattr(RunDir, "append", fails)
    monkeypatch.setattr(Options, "executor", lambda options, told_to_stop: Inline())


def told_of(done: Done, file: str = SEEN) -> str:
    assert done.code == 1, done.out
    (run,) = Path("runs").glob("2*")
    last = done.err.splitlines()[-1]
    words = "No space left on device; what is finished is kept, and `nnrun resume"
    assert last == f"nnrun: {run / file}: {words} {run}` goes on with it"
    assert "Errno" not in done.err
    return str(run)


def test_a_search_says_how_it_goes_on(nnrun: Run, here: Path, full: None) -> None:
    space = ("--set", f"search.space={SPACE}", "--trials", "4", "--workers", "1", "--stack", "1")
    run = told_of(nnrun("search", *IRIS, *space))
    told = f"{Path(run) / SEEN}: No space left on device"
    assert json.loads((Path(run) / "run.json").read_text())["error"] == told, "a command would be one from here"
    assert f"failed, 2 of 4 trials so far; {told}\n" in nnrun("show", run).out
    assert nnrun("resume", run, "--json").json["counts"]["done"] == 4


@pytest.mark.parametrize(("file", "settings"), [("metrics.jsonl", ()), ("members/02/metrics.jsonl", ("data.folds=3",))])
def test_a_run_says_how_it_goes_on(
    nnrun: Run, here: Path, monkeypatch: pytest.MonkeyPatch, file: str, settings: tuple[str, ...]
) -> None:
    lacks_room(monkeypatch, file)
    run = told_of(nnrun("train", *IRIS, *(word for setting in settings for word in ("--set", setting))), file)
    assert nnrun("list", "--json").json["runs"][0]["status"] in ("failed", "interrupted")
    assert nnrun("resume", run, "--json").json["status"] == "done"


def test_so_does_an_improvement(nnrun: Run, here: Path, full: None) -> None:
    told_of(nnrun("improve", *IRIS, "--budget", "30runs", "--workers", "1", "--stack", "1"))


@pytest.mark.parametrize(
    "command",
    [("search", "--set", f"search.space={SPACE}", "--trials", "2"), ("improve", "--budget", "30runs", "--stack", "1")],
)
def test_so_does_a_search_whose_workers_cannot_be_started(
    nnrun: Run, here: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def start(process: BaseProcess) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patched:
        patched.setattr(forking, "BETWEEN_TRIES", ())
        patched.setattr(BaseProcess, "start", start)
        done = nnrun(*command, *IRIS, "--workers", "2")
    (run,) = Path("runs").glob("2*")
    lack = "no worker could be started: the system gives no more processes (Resource temporarily unavailable)"
    assert done.code == 1, done.out
    assert done.err.splitlines()[-1] == (
        f"nnrun: {lack}; what is finished is kept, and `nnrun resume {run}` goes on with it"
    )
    assert json.loads((run / "run.json").read_text())["error"] == lack
    if command[0] == "search":
        assert f"failed, 0 of 2 trials so far; {lack}\n" in nnrun("show", str(run)).out
        assert nnrun("resume", str(run), "--workers", "1", "--json").json["counts"]["done"] == 2


def test_the_file_is_that_which_was_meant() -> None:
    named = OSError(errno.ENOSPC, "No space left on device", "here/data.json")
    named.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert failure_of(named) == {"error": "here/data.json: No space left on device", "disk_full": True}
    wrapped = NnrunError("the network cannot be kept")
    wrapped.__cause__ = named
    assert failure_of(wrapped) == failure_of(named)
    assert failure_of(ShortageError("no more processes")) == {"error": "no more processes", "disk_full": True}
    assert failure_of(ValueError("no")) == {"error": "ValueError: no", "disk_full": False}
