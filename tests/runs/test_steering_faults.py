"""Killed at any instant between what is asked of a run and its effect: none is lost, halved or done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}

# A run asks itself for a change of two keys, for a pause and its end, for dropout and more epochs, and for its stop. It
# dies before a change of a file, is resumed to its end, sometimes dying once more, and compared with what a fresh
# training of its resolved.yaml gives.
EVERY_POINT = """
import json, os, random, signal, sys
from pathlib import Path
from nnrun.config.load import load_config
from nnrun.runs import preparing, requests, session, steering, verbs
from nnrun.runs.finding import list_runs
from nnrun.runs.listener import Listener
from nnrun.runs.requests import ask
from nnrun.runs.rundir import RunDir
from tests.dying import die_at
from tests.forked import exit_code

root, share, seconds, twice = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "twice"
session.SECONDS_BETWEEN_CHECKPOINTS = seconds
requests.SECONDS_BETWEEN_LOOKS = steering.SECONDS_BETWEEN_LOOKS = 0.0
preparing.CACHE = str(root / "cache")
loaded = load_config(None, ["data.source=iris", "network.hidden=[5]", "network.batch_norm=true",
                            "optimizer.name=momentum", "regularization.dropout=0.2", "training.epochs=6"])
PLAN = {
    2: [("change", ["optimizer.learning_rate=0.05", "regularization.l2=0.5"])],
    3: [("pause", []), ("resume", [])],
    4: [("change", ["regularization.dropout=0.4", "training.epochs=8"])],
    5: [("change", ["optimizer.learning_rate=0.01"]), ("stop", [])],
}


class Asks(Listener):
    def __init__(self, side):
        self.side = side

    def started(self, run, config, beginning):
        self.run = run

    def epoch(self, row):
        for do, settings in PLAN.get(row["epoch"], []):
            name = ask(self.run, do, settings)
            os.write(self.side, json.dumps([name, do, len(settings)]).encode() + b"\\n")


def train(here, point):
    here.mkdir()
    side = os.open(here / "asked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count = os.open(root / "count", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    left = die_at(point)
    verbs.train(loaded, here / "runs", Asks(side))
    os.write(count, str(-left[0]).encode())


def go_on(run, point):
    die_at(point)
    verbs.resume(RunDir(run.path))


def bits(run):
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]
    return rows, run.read("checkpoints/best.safetensors"), run.read("checkpoints/last.safetensors")


known = {}


def fresh(run):
    content = run.read("resolved.yaml")
    if content not in known:
        known[content] = bits(verbs.train(load_config(run.resolved), root / "fresh").run)
    return known[content]


def check(here, run):
    events = run.events()
    asked = [json.loads(line) for line in (here / "asked").read_text().splitlines()]
    of = {}
    for event in events:
        if "request" in event:
            of.setdefault(event["request"], []).append((event["event"], event.get("key")))
    for name, do, keys in asked:
        told = of.get(name, [])
        assert len(told) == len(set(told)) == max(1, keys), (name, do, told)
        kinds = {"change": {"changed"}, "pause": {"paused", "refused"}, "resume": {"continued", "refused"},
                 "stop": {"told to stop", "refused"}}[do]
        assert {kind for kind, _ in told} <= kinds, (do, told)
    changes = {}
    for event in events:
        if event["event"] == "changed":
            changes.setdefault(event["epoch"], {})[event["key"]] = event["new"]
    assert load_config(run.resolved).config.training.changes == changes, changes
    folder = run.path / "requests"
    assert not folder.exists(), list(folder.iterdir())
    assert not list(run.path.rglob(".*")), list(run.path.rglob(".*"))
    assert bits(run) == fresh(run), "bits"
    if len(asked) > 4:
        assert len(run.metrics()) == 8, len(run.metrics())


def survive(point, chance):
    here = root / str(point)
    if exit_code(train, here, point) != -signal.SIGKILL:
        return False
    runs = list_runs(here / "runs")
    if not runs:
        return True
    (run,) = runs
    assert run.status in ("interrupted", "done"), run.status
    if twice:
        exit_code(go_on, run, chance.randint(1, 40))
    for _ in range(4):
        if verbs.resume(RunDir(run.path)).status == "done":
            break
    check(here, RunDir(run.path))
    return True


for name in ("first", "whole"):  # the first one writes the cache
    assert exit_code(train, root / name, 0) == 0
points = int((root / "count").read_text())
chance = random.Random(0)
chosen = sorted(chance.sample(range(1, points + 1), max(1, round(share * points))))
report = {"points": points, "killed": 0, "wrong": []}
for point in chosen:
    try:
        report["killed"] += survive(point, chance)
    except BaseException as error:
        report["wrong"].append(f"{point}: {error!r}"[:500])
print(json.dumps(report))
"""


def check_points(tmp_path: Path, share: float, seconds: float, twice: bool = False) -> None:
    script = [sys.executable, "-c", EVERY_POINT, str(tmp_path), str(share), str(seconds), "twice" if twice else "once"]
    process = subprocess.run(script, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(process.stdout)
    assert report["wrong"] == []
    # 4 before the run has its name; 6 epochs with a line in 2 files each; a request is at least 3 of its file, and
    # 2 of its line and its file's end
    assert report["points"] > 4 + 6 * 2 + 6 * 5
    assert report["killed"] == max(1, round(share * report["points"]))


@pytest.mark.parametrize("seconds", [0.0, pytest.param(1e9, marks=pytest.mark.soak)])
def test_killed_between_a_request_and_its_effect(tmp_path: Path, seconds: float) -> None:
    """Before a tenth of all changes of files; with a checkpoint after each epoch, and with none before the end."""
    check_points(tmp_path, 0.1, seconds)


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [0.0, 1e9])
@pytest.mark.parametrize("twice", [False, True])
def test_killed_before_each_change_of_a_file_and_once_more(tmp_path: Path, seconds: float, twice: bool) -> None:
    check_points(tmp_path, 1.0, seconds, twice)
