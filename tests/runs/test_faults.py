"""Killed at any instant, or out of disk: the run directory always loads, and resuming ends with the same bits."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.errors import NnrunError, UsageError
from nnrun.runs import session, verbs
from nnrun.runs.finding import list_runs
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Row
from nnrun.runs.rundir import RunDir

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}


def python(script: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, **options)


# killed at a random moment

TRAIN = """
import sys
from pathlib import Path
from nnrun.runs import verbs as experiment
from nnrun.config.load import load_config
experiment.train(load_config(None, sys.argv[2:]), Path(sys.argv[1]))
"""
# The system ends the process when it has computed for so long, from its start or from where it holds the run.
MORTAL = """
import signal, sys
since, seconds = sys.argv.pop(1), float(sys.argv.pop(1))
live = lambda: signal.setitimer(signal.ITIMER_PROF, seconds)
if since == "start":
    live()
from nnrun.runs.session import Session
train = Session.train
if since == "hold":
    Session.train = lambda *given, **named: live() and train(*given, **named)
"""
RESUME = """
import sys
from pathlib import Path
from nnrun.runs import verbs as experiment
from nnrun.runs.rundir import RunDir
experiment.resume(RunDir(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, compiled_before: None) -> list[str]:
    """Training in epochs of about 10 ms."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8_000, 20)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "made-up.npz"
    np.savez(path, x=x, y=np.sign(x[:, 0] * x[:, 1]) > 0)
    return [
        f"data.source={path}", "network.hidden=[48, 24]", "network.batch_norm=true", "regularization.dropout=0.2",
        "optimizer.name=momentum", "training.batch_size=64", "regularization.early_stopping={patience: 100000}",
    ]  # fmt: skip


def live_for(chance: random.Random, seconds: float, script: str, *arguments: str) -> None:
    """Run it for a random time of the processor, so that it comes as far on a busy machine as on a quiet one.

    A first run is always killed in its training: a quick machine would have ended that by the time others have begun.
    """
    since, most = ("hold", seconds) if chance.random() < 0.8 or script == TRAIN else ("start", 1.0)
    process = python(MORTAL + script, since, str(chance.uniform(0.001, most)), *arguments)
    process.communicate()
    assert process.returncode in (0, -signal.SIGPROF)


def check_loss(run: RunDir) -> None:
    """Whole epochs that must be trained again took less than a second; the last line may stand before its save."""
    saved = run.load_checkpoint("last")
    epoch = saved[1]["epoch"] if saved else 0
    rows = run.metrics()
    numbers = [row["epoch"] for row in rows]
    assert numbers == list(range(1, len(rows) + 1))
    assert epoch <= len(rows)
    assert sum(row["seconds"] for row in rows[epoch:-1]) < session.SECONDS_BETWEEN_CHECKPOINTS


def survive(kills: int, seed: int, root: Path, settings: list[str], seconds: float) -> RunDir:
    """Train under kills, going on each time with whatever is there; the run that is done in the end."""
    chance, in_training = random.Random(seed), 0
    root.mkdir()
    for _ in range(kills):
        runs = list_runs(root)
        live_for(chance, seconds, *((RESUME, str(runs[0].path)) if runs else (TRAIN, str(root), *settings)))
        for run in list_runs(root):
            assert run.status in ("interrupted", "done")
            check_loss(run)
            in_training += run.read_json("run.json")["status"] == "running"
    assert in_training >= kills / 3, "else the run is too short for its kills"
    if not list_runs(root):
        verbs.train(load_config(None, settings), root)
    (run,) = list_runs(root)
    assert verbs.resume(run).status == "done"
    return run


def check_survival(kills: int, seed: int, epochs: int, settings: list[str], folder: Path, bits: Bits) -> None:
    settings = [*settings, f"training.epochs={epochs}"]
    began = time.process_time()
    whole = verbs.train(load_config(None, settings), folder / "whole").run
    seconds = 2.5 / kills * (time.process_time() - began)  # so that most kills come before the end
    assert bits(survive(kills, seed, folder / "killed", settings, seconds)) == bits(whole)


@pytest.mark.long
def test_killed_three_times(settings: list[str], tmp_path: Path, bits: Bits) -> None:
    check_survival(3, 0, 150, settings, tmp_path, bits)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_twenty_times(settings: list[str], tmp_path: Path, bits: Bits, seed: int) -> None:
    check_survival(20, seed, 1500, settings, tmp_path, bits)


# killed before each change of a file

EVERY_POINT = """
import json, os, sys
from pathlib import Path
from nnrun.runs import preparing, verbs as experiment, session
from nnrun.config.load import load_config
from nnrun.runs.rundir import RunDir; from nnrun.runs.finding import list_runs
from tests.dying import die_at
from tests.forked import exit_code

root, epochs, networks = Path(sys.argv[1]), *sys.argv[2:]
session.SECONDS_BETWEEN_CHECKPOINTS = 0.0
preparing.CACHE = str(root / "cache")
loaded = load_config(None, ["data.source=iris", "network.hidden=[6]", "network.batch_norm=true",
                            "regularization.dropout=0.3", f"training.epochs={epochs}",
                            f"network.ensemble={networks}"])


def bits(run):
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]
    return rows, run.read("checkpoints/best.safetensors"), run.read("checkpoints/last.safetensors")


whole = bits(experiment.train(loaded, root / "whole").run)
report = {"points": 0, "before": 0, "wrong": []}
while True:
    report["points"] += 1
    here = root / str(report["points"])
    if not exit_code(lambda: (die_at(report["points"]), experiment.train(loaded, here))):
        break
    runs = list_runs(here)
    if not runs:
        report["before"] += 1
        continue
    try:
        status = runs[0].status
        if len(runs) > 1 or status not in ("interrupted", "done"):
            raise RuntimeError(f"{len(runs)} runs, {status}")
        outcome = experiment.resume(RunDir(runs[0].path))
        if outcome.status != "done" or bits(outcome.run) != whole:
            raise RuntimeError("other bits")
        if left := [str(path) for path in runs[0].path.rglob(".*")]:
            raise RuntimeError(f"left behind: {left}")
    except Exception as error:
        report["wrong"].append(f"{report['points']}: {error!r}")
print(json.dumps(report))
"""


def check_every_point(tmp_path: Path, epochs: int, networks: int = 1) -> None:
    process = python(EVERY_POINT, str(tmp_path), str(epochs), str(networks))
    report = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert report["wrong"] == []
    # 4 changes before a run has its name: the folder of runs, the directory, its checkpoints, the name;
    # then in each epoch 2 lines, and 2 files of at least 1 checkpoint
    assert report["before"] >= 4
    assert report["points"] > 5 * epochs + report["before"]


def test_killed_before_each_change_of_a_file(tmp_path: Path) -> None:
    check_every_point(tmp_path, epochs=2)


@pytest.mark.soak
@pytest.mark.parametrize("networks", [1, 3])
def test_killed_before_each_change_of_a_file_in_a_longer_run(tmp_path: Path, networks: int) -> None:
    check_every_point(tmp_path, epochs=12, networks=networks)


def test_a_run_killed_in_resuming_is_resumed(train_run: Train, bits: Bits) -> None:
    """Killed after the new total was written and before the first epoch: the new total holds."""
    settings = ("data.source=iris", "training.epochs=3")
    whole = train_run(*settings, "training.epochs=6").run
    run = train_run(*settings).run
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from nnrun.runs import verbs as experiment; from nnrun.runs.rundir import RunDir\n"
        "RunDir.forget_metrics_after = lambda self, epoch: os.kill(os.getpid(), signal.SIGKILL)\n"
        "experiment.resume(RunDir(Path(sys.argv[1])), epochs=6)"
    )
    process = python(script, str(run.path))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    verbs.resume(run)
    assert bits(run) == bits(whole)


def test_only_one_process_trains_a_run(train_run: Train, settings: list[str], tmp_path: Path) -> None:
    process = python(TRAIN, str(tmp_path / "busy"), *settings, "training.epochs=1000000")
    try:
        while not any(run.metrics() for run in list_runs(tmp_path / "busy")):
            assert process.poll() is None
            time.sleep(0.005)
        (run,) = list_runs(tmp_path / "busy")
        assert run.status == "running"
        with pytest.raises(UsageError, match=r"process \d+ on .* is training this run"):
            verbs.resume(run)
    finally:
        process.kill()
        process.communicate()
    assert run.status == "interrupted"


# a full disk


class Fill(Listener):
    """Leaves no room on the disk when it hears of an epoch."""

    def __init__(self, disk: Path, epoch: int) -> None:
        self.disk, self.number = disk, epoch

    def epoch(self, row: Row) -> None:
        if row["epoch"] != self.number:
            return
        with (self.disk / "ballast").open("wb", buffering=0) as ballast:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while ballast.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only the superuser can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("seconds", [0.0, math.inf])
def test_a_full_disk_costs_nothing_but_time(
    train_run: Train, bits: Bits, disk: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Full in the fifth of eight epochs; a checkpoint was written in each before it, or in none."""
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
    settings = ("data.source=wine", "network.hidden=[64, 64]", "regularization.dropout=0.2", "training.epochs=8")
    whole = train_run(*settings).run
    with pytest.raises(NnrunError, match="No space left on device; what is finished is kept, and `nnrun resume "):
        train_run(*settings, root=disk / "runs", listener=Fill(disk, 5))
    (run,) = list_runs(disk / "runs")
    assert run.status in ("interrupted", "failed")
    rows = bits(whole)["metrics"]
    assert [row["dev_loss"] for row in run.metrics()[:5]] == [row["dev_loss"] for row in rows[:5]]
    saved = run.load_checkpoint("last")
    assert (saved[1]["epoch"] if saved else 0) == (4 if seconds == 0 else 0)
    (disk / "ballast").unlink()
    assert verbs.resume(run).status == "done"
    assert bits(run) == bits(whole)
    assert list(run.path.rglob(".*")) == []


LIMITED = """
import resource, sys
from pathlib import Path
from nnrun.errors import NnrunError
from nnrun.runs import verbs as experiment
from nnrun.config.load import load_config
from nnrun.runs.listener import Listener

class Limit(Listener):
    def started(self, run, config, beginning):
        self.metrics = run.path / "metrics.jsonl"
    def epoch(self, row):
        endless = resource.RLIM_INFINITY  # room again after a torn line, if that was not noticed
        most = self.metrics.stat().st_size + 10 if row["epoch"] == 4 else endless
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, endless))

try:
    experiment.train(load_config(None, sys.argv[2:]), Path(sys.argv[1]), Limit())
except NnrunError as error:
    print(error)
"""


def test_a_line_cut_short_by_the_system_is_an_error(train_run: Train, bits: Bits, tmp_path: Path) -> None:
    """The first write is told to be ten letters long, without an error; going on would stick two lines together."""
    settings = ("data.source=wine", "network.hidden=[4]", "training.epochs=8")
    whole = train_run(*settings).run
    process = python(LIMITED, str(tmp_path / "limited"), *settings)
    assert "metrics.jsonl: File too large; what is finished is kept" in process.communicate()[0]
    (run,) = list_runs(tmp_path / "limited")
    assert not run.read("metrics.jsonl").endswith(b"\n"), "the fifth line is torn"
    assert len(run.metrics()) == 4
    assert verbs.resume(run).status == "done"
    assert bits(run) == bits(whole)
