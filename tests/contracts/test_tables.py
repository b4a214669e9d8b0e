"""One entry in one table is enough: every command works with made-up ones, and nothing else of nnrun knows them.

The entries stand in the folder made_up and are there before anything of nnrun is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pytest

from nnrun.config.data_section import Declared
from nnrun.data.features import columns
from nnrun.data.files.values import Kind
from nnrun.models.drift import comparing
from nnrun.models.export import numpy_file, onnx_graph, standalone

MADE_UP = Path(__file__).with_name("made_up")
SECONDS = 600  # after which a process that hangs is given up, however busy the machine is

VALUES = """
data: {source: rows.lines, target: y}
network: {hidden: [8, 8], activation: softsign, init: {name: lecun, gain: 1.5}}
regularization: {augment: [{name: brightness, share: 0.2}]}
optimizer: {name: sign, schedule: {name: root, start: 2}}
training: {epochs: 3, loss: half_squared_error, layer_statistics: true}
metrics: {primary: worst}
search:
  strategy: diagonal
  trials: 3
  space: {network.activation: {choice: [softsign, relu]}, optimizer.name: {choice: [sign, adam]}}
"""
CLASSES = """
data: {source: iris}
network: {hidden: [8], init: lecun}
regularization: {augment: [brightness]}
optimizer: {name: sign, schedule: root, learning_rate: 0.1}
training: {epochs: 2, loss: wide_cross_entropy}
metrics: {primary: certainty}
search: {strategy: diagonal, trials: 12}
"""
IMAGES = """
data: {source: digits}
network: {hidden: [4]}
regularization: {augment: [quarter]}
optimizer: {schedule: saw}
training: {epochs: 4}
search:
  strategy: diagonal
  trials: 3
  space: {optimizer.learning_rate: {squares: [0.0625, 0.8125]}}
"""
WHOLE_TURN = '[{"name":"quarter","turns":4}]'


class Step(NamedTuple):
    """A command, the code it ends with, and what it must say."""

    command: str
    said: str
    code: int = 0


EVERYWHERE = [
    Step("check config.yaml", "odd_seed     the seed is even"),
    Step("train config.yaml", "training sign "),
    Step("diagnose", "training.epochs="),
    Step("report", "report.html"),
    Step("list --filter optimizer.name=sign", "done"),
    Step("resume --epochs 5", "5"),
    Step("export --format shapes", "model.shapes"),
    Step("export -o other.shapes", "other.shapes"),
    Step("schema", '"sign"'),
]
AFTER_A_SEARCH = [
    Step("search config.yaml --workers 2", "strategy diagonal"),
    Step("show", "diagonal"),
    Step("evaluate", "linear"),
    Step("diagnose", "Three is a made-up number."),
    Step("report", "report.html"),
]
JOURNEYS = {
    "values": (
        VALUES,
        [
            *EVERYWHERE,
            Step("show", "two epochs, epoch 2: it has two epochs"),
            Step("evaluate", "worst"),
            Step("predict latest rows.lines -o predictions.csv", "200 rows"),
            Step("export --format onnx", "this format has no activation softsign", 2),
            Step("export --format numpy", "this format has no activation softsign", 2),
            Step("export --format text", "'text' is not one of 'onnx', 'numpy', 'shapes'", 2),
            *AFTER_A_SEARCH,
        ],
    ),
    "classes": (
        CLASSES,
        [
            *EVERYWHERE,
            Step("evaluate", "certainty"),
            Step("export --format onnx", "model.onnx"),
            Step("export --format numpy", "model.py"),
            *AFTER_A_SEARCH,
            Step("show", "beta1"),
        ],
    ),
    "images": (
        IMAGES,
        [
            Step("train config.yaml", "a quarter of a turn is made up"),
            Step("ensemble latest --snapshots 2", "at the ends of its 2 cycles"),
            Step(f"train config.yaml --set regularization.augment={WHOLE_TURN}", "quarter brings 8 × 8 pixels back", 4),
            Step("search config.yaml --workers 1", "strategy diagonal"),
            Step("report --lesson settings", ".html"),
        ],
    ),
}


@pytest.fixture
def made_up_rows(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).standard_normal((200, 3))
    rows = [{"a": a, "b": b, "c": c, "y": a - b * c} for a, b, c in x.tolist()]
    (tmp_path / "rows.lines").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def commands(lines: list[list[str]], folder: Path) -> list[tuple[int, str, str]]:
    """How each ended: its exit code, stdout and stderr."""
    path = os.pathsep.join([str(MADE_UP), str(Path(__file__).parents[2])])
    environment = os.environ | {"PYTHONPATH": path, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, str(MADE_UP / "run.py"), json.dumps(lines)],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    endings: list[tuple[int, str, str]] = json.loads(done.stdout)
    return endings


@pytest.mark.parametrize(
    "journey", [pytest.param(name, marks=[pytest.mark.soak] if name == "values" else []) for name in JOURNEYS]
)
def test_one_entry_in_one_table_is_enough(made_up_rows: Path, journey: str) -> None:
    config, steps = JOURNEYS[journey]
    (made_up_rows / "config.yaml").write_text(config)
    endings = commands([step.command.split() for step in steps], made_up_rows)
    for step, (code, out, err) in zip(steps, endings, strict=True):
        assert code == step.code, f"nnrun {step.command} ended with {code}:\n{out}\n{err}"
        assert step.said in out + err, f"nnrun {step.command} does not say {step.said!r}:\n{out}\n{err}"


def test_each_table_of_kinds_of_columns_has_all_of_them() -> None:
    kinds = set(get_args(Kind))
    assert kinds == columns.KINDS.keys() == comparing._KINDS.keys() == onnx_graph.KINDS.keys()
    assert {*kinds, "code"} == numpy_file.USED.keys() == standalone.KINDS.keys(), "embedded categories are their codes"
    assert kinds == {*get_args(Declared)} - {"text", "drop"}
