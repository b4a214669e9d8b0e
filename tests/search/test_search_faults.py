"""Killed at any instant: no finished trial is run again, none is lost, and the resumed search ends the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nnrun.errors import NnrunError
from nnrun.runs.finding import list_runs
from nnrun.runs.rundir import RunDir
from nnrun.search.ledger import Ledger
from nnrun.search.running import SearchOutcome

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], tuple[list[dict[str, Any]], dict[int, bytes]]]

SETTINGS = ["search.trials=30", "training.epochs=60", "search.strategy=coarse_to_fine"]
SEARCH = """
import sys
from pathlib import Path
from nnrun.config.load import load_config
from nnrun.runs.rundir import RunDir
from nnrun.search.study import Watcher
from nnrun.search.state import Options; from nnrun.search.verbs import begin, resume
if __name__ == "__main__":
    where, *settings = sys.argv[1:]
    options = Options(workers=2, limits={"stack": 3})
    if settings:
        begin(load_config(None, settings[1:], text=settings[0]), Path(where), options, Watcher())
    else:
        resume(RunDir(Path(where)), None, options, Watcher())
"""

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


class Searching:
    """A search in a process group of its own, all of it marked."""

    def __init__(self, script: Path, *arguments: str) -> None:
        self.mark = f"SEARCH_UNDER_TEST={uuid.uuid4().hex}"
        name, value = self.mark.split("=")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), name: value}
        command = [sys.executable, str(script), *arguments]
        self.said = script.with_name(value)  # no pipe, which orphans would keep open
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=file)

    def alive(self) -> dict[int, str]:
        """Its processes and their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text()
            except OSError:  # it has just ended, or belongs to the system
                continue
        return found

    def workers(self) -> list[int]:
        """The processes that their server has forked."""
        forked = {pid for pid, command in self.alive().items() if "forkserver" in command}
        return [pid for pid in forked if _parent(pid) in forked]

    def end(self) -> tuple[int, str]:
        """Wait for the end of the whole family: exit code and stderr of the parent."""
        code, given_up = self.process.wait(600), time.monotonic() + 120
        while orphans := self.alive():
            assert time.monotonic() < given_up, f"orphans: {orphans}"
            time.sleep(0.05)
        return code, self.said.read_text()


def _parent(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has just ended
        return 0
    return int(status.partition("PPid:")[2].split()[0])


def finished(run: RunDir) -> dict[int, int]:
    """When each trial that the ledger or its own run.json calls finished was finished, in ns."""
    known = {record["number"] for record in Ledger(run.path / "trials.jsonl").read()[0]}
    times = {}
    for path in (run.path / "trials").glob("[0-9]*/run.json"):  # an attempt that is being removed has none any more
        number = int(path.parent.name)
        with suppress(FileNotFoundError, NnrunError):  # it is being removed at this instant
            if number in known or RunDir(path.parent).read_json("run.json")["status"] == "done":
                times[number] = path.stat().st_mtime_ns
    assert known <= set(times)
    return times


def kill_group(searching: Searching) -> None:
    os.killpg(searching.process.pid, signal.SIGKILL)


def kill_parent(searching: Searching) -> None:
    searching.process.kill()


def kill_worker(searching: Searching) -> None:
    if workers := searching.workers():
        try:
            os.kill(random.choice(workers), signal.SIGKILL)
        except ProcessLookupError:  # the search is over
            return


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "search.py"
    path.write_text(SEARCH)
    return path


@pytest.fixture
def whole(search: Search, stored: Stored, tmp_path: Path) -> Iterator[Any]:
    outcome = search(*SETTINGS, root=tmp_path / "whole")
    yield *stored(outcome.run), outcome.record["best_trial"], outcome.record["final"]


def killed_and_resumed(
    script: Path, root: Path, text: str, kill: Callable[[Searching], None], chance: random.Random, settings: list[str]
) -> RunDir:
    """The search after a kill at a random moment, a resume with another, and a resume to the end."""
    searching = Searching(script, str(root), text, *settings)
    while searching.process.poll() is None and not list_runs(root):
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 1.2))
    kill(searching)
    if kill is kill_worker:
        assert searching.end() == (0, "")
        [run] = list_runs(root)
        return run
    killed = [searching]
    searching.process.wait()
    [run] = list_runs(root)
    for seconds in (chance.uniform(0.2, 0.9), None):
        before = finished(run)
        searching = Searching(script, str(run.path))  # at once: workers of the one before may be ending yet
        if seconds is not None:
            time.sleep(seconds)
            kill(searching)
            searching.process.wait()
            killed.append(searching)
        else:
            assert searching.end() == (0, "")
        after = finished(run)
        assert {number: after.get(number) for number in before} == before
    for searching in killed:
        searching.end()
    return run


@pytest.mark.long
@pytest.mark.parametrize("kill", [kill_group, pytest.param(kill_parent, marks=pytest.mark.soak), kill_worker])
def test_killed_and_resumed_it_ends_the_same(
    kill: Callable[[Searching], None], script: Path, whole: Any, stored: Stored, config_text: str, tmp_path: Path
) -> None:
    check(kill, 0, script, whole, stored, config_text, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("kill", [kill_group, kill_parent, kill_worker])
def test_killed_twenty_times(
    kill: Callable[[Searching], None], script: Path, whole: Any, stored: Stored, config_text: str, tmp_path: Path
) -> None:
    for seed in range(1, 21):
        check(kill, seed, script, whole, stored, config_text, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("kill", [kill_group, kill_parent])
def test_killed_in_folds(
    kill: Callable[[Searching], None], script: Path, search: Search, stored: Stored, config_text: str, tmp_path: Path
) -> None:
    settings = [*SETTINGS, "data.folds=3", "training.epochs=30"]
    outcome = search(*settings, root=tmp_path / "whole")
    whole = *stored(outcome.run), outcome.record["best_trial"], outcome.record["final"]
    for seed in range(3):
        check(kill, seed, script, whole, stored, config_text, tmp_path, settings)


def check(
    kill: Callable[[Searching], None],
    seed: int,
    script: Path,
    whole: Any,
    stored: Stored,
    text: str,
    tmp_path: Path,
    settings: list[str] = SETTINGS,
) -> None:
    run = killed_and_resumed(script, tmp_path / str(seed), text, kill, random.Random(seed), settings)
    record = run.read_json("run.json")
    assert (*stored(run), record["best_trial"], record["final"]) == whole
    numbers = [r["number"] for r in Ledger(run.path / "trials.jsonl").read()[0]]
    lines = run.read("trials.jsonl").count(b"\n")
    assert numbers == list(range(30))
    assert lines == 30
    assert not list(run.path.glob("trials/.creating-*"))
