"""Runs and searches with names that try to become HTML, and a browser without a network to open their pages in."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.report.page.page import BUNDLE
from nnrun.report.verbs import write_report
from nnrun.runs import verbs
from nnrun.runs.stored import StoredRun
from tests.panda import nudge, rewind

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
SPACE = (
    "{optimizer.learning_rate: {log: [1e-4, 1e12]}, optimizer.name: {choice: [adam, sgd]}, "
    "optimizer.beta1: {one_minus_log: [0.9, 0.999], when: {optimizer.name: adam}}, "
    "network.width: {int_log: [4, 16]}, regularization.dropout: {quantized: [0.0, 0.4, 0.2]}}"
)


def nnrun(*arguments: str | Path, folder: Path) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "nnrun", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest(runs: Path) -> Path:
    """The only run or search in a folder."""
    (found,) = (path for path in runs.iterdir() if path.name[0] != ".")
    return found


@pytest.fixture(scope="session")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes and two inputs, with everything recorded."""
    folder = tmp_path_factory.mktemp("run")
    draw = random.Random(0)
    points = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(200)]
    rows = [f"{a},{b},{'inner' if a * a + b * b < 1 else 'outer'}" for a, b in points]
    (folder / "rings.csv").write_text("\n".join(["length,width,ring", *rows]) + "\n")
    settings = ("data.source=rings.csv", "data.target=ring", "training.epochs=40", "training.layer_statistics=true")
    settings += ("optimizer.schedule.name=inverse_sqrt",)
    nnrun("train", "-q", "--report", *(word for s in settings for word in ("--set", s)), folder=folder)
    return newest(folder / "runs") / "report.html"


@pytest.fixture(scope="session")
def search_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty trials from coarse to fine, some of which diverge."""
    folder = tmp_path_factory.mktemp("search")
    settings = ("data.source=iris", "training.epochs=4", f"search.space={SPACE}")
    words = [word for s in settings for word in ("--set", s)]
    nnrun("search", "-q", "--trials", "50", "--strategy", "coarse_to_fine", "--report", *words, folder=folder)
    return newest(folder / "runs") / "report.html"


@pytest.fixture(scope="session")
def family_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rewound child that was changed as it trained, with a parent and a child of its own."""
    root = tmp_path_factory.mktemp("family")
    settings = ["data.source=iris", "network.hidden=[4]", "training.epochs=30"]
    parent = verbs.train(load_config(None, settings), root).run
    child = rewind(parent, 12, name="20990101-000000-iris-0000")
    for number, epoch in enumerate((16, 20, 21, 22), start=1):
        nudge(child, epoch, {"regularization.dropout": (0, number / 10)}, f"{number:04}", note="<b>flat</b>")
    rewind(child, 25, {"optimizer.learning_rate": (0.001, 0.01)}, name="20990101-000001-iris-0000")
    return write_report(StoredRun(child), Path("config.yaml"))


@pytest.fixture(scope="session")
def evil_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Columns, values, classes and a folder whose names are HTML."""
    folder = tmp_path_factory.mktemp("evil")
    draw = random.Random(0)
    rows = [f'"{SCRIPT}","{IMAGE.replace(chr(34), chr(34) * 2)}","<b>target</b>"']
    for _ in range(240):
        number, kind = draw.gauss(0, 1), draw.choice([SCRIPT, IMAGE, "plain"])
        answer = SCRIPT if number + draw.gauss(0, 0.7) > 0 else IMAGE
        rows.append(f'{number:.3f},"{kind.replace(chr(34), chr(34) * 2)}","{answer.replace(chr(34), chr(34) * 2)}"')
    (folder / "evil.csv").write_text("\n".join(rows) + "\n")
    runs = folder / "<img src=x onerror=alert(1)>"
    settings = ("data.source=evil.csv", "data.target=<b>target</b>", "training.epochs=5")
    words = [word for s in settings for word in ("--set", s)]
    nnrun("train", "-q", "--report", "--runs", runs, *words, folder=folder)
    return newest(runs) / "report.html"


@pytest.fixture(scope="session")
def bundled_traces() -> set[str]:
    """The kinds of charts that the bundle says it can draw; a test in a browser holds that it is true."""
    head = BUNDLE.read_text(encoding="utf-8").partition("\n")[0]
    return {*re.findall(r"traces: ([\w, ]+);", head)[0].split(", ")}
