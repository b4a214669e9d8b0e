"""Every command once: `make test` runs it with the lowest versions of all libraries."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from nnrun.cli.app import app
from nnrun.config.data_section import Data
from nnrun.data.files.sources import read_source
from tests.cli.conftest import SECONDS, Done

Run = Callable[..., Done]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris, as a CSV file and as Parquet."""
    path = tmp_path_factory.mktemp("table") / "iris.csv"
    frame = read_source(Data(source="iris"))["all"].frame
    frame.to_csv(path, index=False)
    frame.to_parquet(path.with_suffix(".parquet"))
    return path


def steered(nnrun: Run, start: Start) -> Iterator[tuple[str, Done]]:
    """A run that is changed, paused and stopped while another process trains it, and rewound."""
    where = ("--runs", "steered")
    endless = ("--set", "training.epochs=1000000", "--set", "regularization.early_stopping=null")
    trained = start("train", "config.yaml", "-q", *where, *endless)
    while not any(path.stat().st_size for path in Path("steered").glob("[!.]*/metrics.jsonl")):
        assert trained.poll() is None
        time.sleep(0.01)
    yield "nudge", nnrun("nudge", *where, "--set", "optimizer.learning_rate=0.01")
    yield "pause", nnrun("pause", *where)
    yield "stop", nnrun("stop", *where)
    assert trained.wait(SECONDS) == 130
    yield "rewind", nnrun("rewind", *where, "--to", "1", "--set", "training.epochs=3", "-q")


def watched(start: Start) -> Iterator[tuple[str, Done]]:
    """A page of all runs, until Ctrl-C."""
    server = start("watch", "--port", "0")
    assert server.stdout is not None
    with urllib.request.urlopen(server.stdout.readline().strip(), timeout=SECONDS) as answer:
        page = answer.read().decode()
    server.send_signal(signal.SIGINT)
    yield "watch", Done(server.wait(SECONDS), page, "")


def walk(nnrun: Run, process: Run, table: Path) -> Iterator[tuple[str, Done]]:
    """The commands in an order in which each finds what it needs, with how each ended.

    In this process, which loads each library once; in another one command that begins to load its workers at once.
    """

    def step(*arguments: str | Path, by: Run = nnrun) -> tuple[str, Done]:
        return str(arguments[0]), by(*arguments)

    yield step("init", table, "--target", "target")
    yield step("schema")
    yield step("configs")
    yield step("check", "config.yaml")
    yield step("train", "config.yaml", "-q")
    yield step("resume", "latest", "--set", "training.epochs=160", "-q")
    yield step("train", "config.yaml", "-q", "--set", f"data.source={table.with_suffix('.parquet')}")
    yield step("rerun", "latest", "-q")
    yield step("evaluate")
    yield step("evaluate", "latest", table)
    yield step("diagnose")
    yield step("predict", "latest", table, "-o", "predictions.csv")
    yield step("predict", "latest", table, "-o", "predictions.parquet")
    yield step("split", "latest", "-o", "parts.csv")
    yield step("export", "latest", "--format", "numpy", "-o", "model.py")
    yield step("export", "latest", "--format", "onnx", "-o", "model.onnx")
    yield step("report")
    for strategy in ("random", "sobol", "tpe"):
        trials = ("--trials", "4", "--workers", "2", "--strategy", strategy)
        yield step("search", "config.yaml", *trials, "-q", "--set", "training.epochs=3")
    yield step("retest", "latest", "--top", "2", "--workers", "2", "-q")
    improved = ("--budget", "90epochs", "--seeds", "3", "-q", "--set", "training.epochs=3")
    yield step("improve", "config.yaml", *improved, by=process)
    yield step("show")
    yield step("report")
    yield step("diagnose")
    yield step("tag", "latest", "retested")
    yield step("note", "latest", "once more")
    yield step("rm", "latest", "--yes")
    yield step("clean", "--older", "1d", "--cache", "--yes")
    runs = nnrun("list", "--json").json["runs"]
    yield step("list")
    yield step("compare", *(run["id"] for run in runs[-2:]))
    yield step("ensemble", runs[-2]["id"], "--top", "2")


@pytest.mark.soak
def test_every_command(nnrun: Run, process: Run, start: Start, table: Path) -> None:
    walked = set()
    for command, done in chain(walk(nnrun, process, table), steered(nnrun, start), watched(start)):
        assert done.code == 0, f"{command}: {done.out}{done.err}"
        assert "Warning" not in done.err, f"{command}: {done.err}"
        walked.add(command)
    assert walked == {command.name or command.callback.__name__ for command in app.registered_commands}
    assert all(Path(name).stat().st_size > 0 for name in ("predictions.parquet", "model.onnx", "model.py"))
