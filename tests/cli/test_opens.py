"""How often a command opens the files of the run that it is about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COUNTING = """
import json, os, sys
from collections import Counter

folder, opened = os.path.realpath(sys.argv.pop(1)) + os.sep, Counter()

def hear(event, args):
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(args[0]))
        if path.startswith(folder):
            opened[path.removeprefix(folder)] += 1

sys.addaudithook(hear)
from nnrun.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print(json.dumps(opened), file=sys.stderr)
"""
# Weights are read by a library that no hook hears; nnrun itself looks at their header once each time.
WEIGHTS = "checkpoints/best.safetensors"
FILES = ("resolved.yaml", "data.json", "run.json", WEIGHTS)
AT_MOST = 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the one run."""
    folder = tmp_path_factory.mktemp("opens")
    settings = ["--set", "training.epochs=3", "--set", "network.hidden=[8]", "--set", "data.source=iris"]
    subprocess.run(
        [sys.executable, "-m", "nnrun", "train", "-q", *settings], cwd=folder, check=True, capture_output=True
    )
    return folder


def opens(folder: Path, *words: str) -> dict[str, int]:
    """How often each file of the run was opened, by its name there."""
    (run,) = (path for path in (folder / "runs").iterdir() if path.name[0] != ".")
    command = [sys.executable, "-c", COUNTING, str(run), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stderr.splitlines()[-1])
    return counts


@pytest.mark.parametrize(
    ("words", "unread"),
    [
        (("report",), set()),
        (("evaluate",), set()),
        (("diagnose",), {WEIGHTS}),
        (("diagnose", "--by", "petal length (cm)", "--estimate-base"), set()),
        (("predict", "latest", "new.csv"), set()),
        (("show",), {"data.json", WEIGHTS}),
        (("resume", "-q", "--epochs", "5"), set()),
    ],
)
def test_no_file_is_opened_more_than_twice(trained: Path, words: tuple[str, ...], unread: set[str]) -> None:
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    (trained / "new.csv").write_text(f"{header}\n5.1,3.5,1.4,0.2\n")
    counts = opens(trained, *words)
    assert {file: count for file in FILES if (count := counts.get(file, 0)) > AT_MOST} == {}
    assert {file for file in FILES if file not in counts} == unread
