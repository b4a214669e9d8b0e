"""A search that is paused and stopped from outside while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.cli import nudge
from nnrun.errors import UsageError
from nnrun.runs import requests, steering
from nnrun.runs.kinds import until_best
from nnrun.runs.requests import ask
from nnrun.runs.rundir import RunDir
from nnrun.search.plan import Plan
from nnrun.search.running import SearchOutcome
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin, resume
from tests.asked import asking

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], tuple[list[Any], dict[int, bytes]]]


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requests, steering):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.002)


class Asks(Watcher):
    """Does something when so many trials are over, and hears what is said."""

    def __init__(self, after: int, act: Callable[[RunDir], Any]) -> None:
        self.after, self.act, self.lines, self.stood_still = after, act, list[str](), 0.0

    def started(self, run: RunDir, plan: Plan) -> None:
        self.run = run

    def say(self, line: str) -> None:
        self.lines.append(line)

    def stood(self, seconds: float) -> None:
        self.stood_still = max(self.stood_still, seconds)

    def trial(self, record: Any, best: Any, finished: int) -> None:
        if finished == self.after:
            self.act(self.run)
        time.sleep(0.003)  # so that the next look into the folder is due


def happened(run: RunDir) -> list[str]:
    return [event["event"] for event in run.events() if "request" in event]


def left(run: RunDir) -> list[str]:
    folder = run.path / requests.FOLDER
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def steered(tmp_path: Any, watcher: Watcher) -> SearchOutcome:
    from nnrun.config.load import load_config
    from tests.search.conftest import CONFIG

    return begin(load_config(None, text=CONFIG), tmp_path / "steered", asking(workers=1, stack=1), watcher)


def test_a_stopped_search_is_resumed_to_the_same_end(search: Search, stored: Stored, tmp_path: Any) -> None:
    whole = search(stack=1, workers=1)
    watcher = Asks(5, lambda run: ask(run, "stop"))
    part = steered(tmp_path, watcher)
    assert (part.status, len(part.records), part.record["ended_by"]) == ("interrupted", 5, "signal")
    assert (happened(part.run), left(part.run)) == (["told to stop"], [])
    assert "stopping as it was asked for" in watcher.lines
    rest = resume(part.run, None, asking(workers=1, stack=1), Watcher())
    assert rest.status == "done"
    assert stored(rest.run) == stored(whole.run)


def test_who_asks_hears_when_a_search_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requests, "PATIENCE", 0.0)
    steered(tmp_path, Asks(2, lambda run: nudge.ask_and_tell(run, "stop", json=False)))
    assert capsys.readouterr().out == "asked    this is taken up between two trials, and its log will say so\n"


def test_a_paused_search_waits_and_comes_to_the_same_end(search: Search, stored: Stored, tmp_path: Any) -> None:
    """While it waits no trial is handed out, and it says that it is paused."""
    whole = search(stack=1, workers=1)
    seen: list[Any] = []

    def pause(run: RunDir) -> None:
        ask(run, "pause")

        def other() -> None:
            view, until = RunDir(run.path), time.monotonic() + 60
            while view.read_record()["status"] != "paused" and time.monotonic() < until:
                time.sleep(0.002)
            seen.append((view.status, (run.path / "trials.jsonl").read_bytes().count(b"\n")))
            time.sleep(0.05)
            seen.append((view.status, (run.path / "trials.jsonl").read_bytes().count(b"\n")))
            ask(view, "resume")

        threading.Thread(target=other).start()

    watcher = Asks(5, pause)
    outcome = steered(tmp_path, watcher)
    assert seen == [("paused", 5)] * 2
    assert watcher.stood_still >= 0.05, "what the pause took, which is no pace"
    assert (outcome.status, happened(outcome.run), left(outcome.run)) == ("done", ["paused", "continued"], [])
    assert stored(outcome.run) == stored(whole.run)


def test_only_the_whole_can_be_asked_for_anything_as_long_as_it_trains(tmp_path: Any) -> None:
    told: list[str | None] = []

    def refused(run: RunDir) -> None:
        with pytest.raises(UsageError, match=rf"is a search, which chooses the settings.*stop {run.path}` are for all"):
            ask(run, "change", ["optimizer.learning_rate=1"])
        for do in ("pause", "stop", "change"):
            with pytest.raises(UsageError, match=r"belongs to the search .*, which chooses the settings of its trials"):
                ask(RunDir(run.path / "trials/0001"), do, ["optimizer.learning_rate=1"])  # type: ignore[arg-type]
        told.append(until_best(run))

    outcome = steered(tmp_path, Asks(5, refused))
    assert (outcome.status, happened(outcome.run), left(outcome.run)) == ("done", [], [])
    trial = f"{outcome.run.path}/trials/0000"
    assert told == [f"that is chosen when the search ends; until then name a trial, such as {trial}"]
    for run in (outcome.run, RunDir(Path(trial))):
        with pytest.raises(UsageError, match=r"is not being trained: it is done$"):
            ask(run, "stop")


def test_a_stop_that_a_killed_search_left_does_not_stop_the_next_one(tmp_path: Any) -> None:
    def leave(run: RunDir) -> None:
        ask(run, "stop")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steered(tmp_path, Asks(5, leave))
    (path,) = [path for path in (tmp_path / "steered").iterdir() if path.name[0] != "."]
    rest = resume(RunDir(path), None, asking(workers=1, stack=1), Watcher())
    assert (rest.status, happened(rest.run), left(rest.run)) == ("done", ["refused"], [])
