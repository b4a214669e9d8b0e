"""Benchmarks import what there is; that of whole jobs runs, and notices a peer that learned nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.engines import LACKING

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@LACKING
def test_what_they_import_of_nnrun_is_there() -> None:
    """Most take too long to run here, so that nothing else would tell that a name is gone."""
    imports = [
        (path.name, node.module, name.name)
        for path in sorted([*BENCHMARKS.glob("*.py"), *ROOT.glob("docs/**/*.py")])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nnrun"
        for name in node.names
    ]
    assert len(imports) > 100
    lost = [each for each in imports if not hasattr(import_module(each[1]), each[2])]
    assert [each for each in lost if not (ROOT / each[1].replace(".", "/") / f"{each[2]}.py").is_file()] == []


@pytest.mark.parametrize("jobs", [["table"], pytest.param(["digits", "table"], marks=pytest.mark.soak)])
def test_a_whole_job_is_measured_from_the_command_to_the_written_model(jobs: list[str]) -> None:
    command = [sys.executable, str(BENCHMARKS / "whole_job.py"), "--quick", "--repeats", "1", "--json"]
    done = subprocess.run([*command, "--jobs", *jobs], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["job"] for row in rows] == jobs
    for row in rows:
        assert row["nnrun_s"] > 0
        assert row["ratio"]["sklearn"] == pytest.approx(row["sklearn_s"] / row["nnrun_s"], rel=1e-3)
        assert set(row["dev_error"]) == set(row["test_error"]) >= {"nnrun", "sklearn"}


def test_a_peer_that_learned_nothing_or_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from whole_job import Result, Spent, problems

    def told(dev: float, test: float) -> list[str]:
        return problems(
            Result("digits", 1797, {"nnrun": Spent(errors=(0.02, 0.03)), "peer": Spent(errors=(dev, test))}), 0.9
        )

    assert told(0.02, 0.04) == []
    assert told(0.02, 0.9) == ["digits: peer has not learned, test error 0.900 of 0.900"]
    assert told(0.2, 0.03) == ["digits: peer has a dev error of 0.200, nnrun 0.020"]
    assert told(float("nan"), 0.03) == ["digits: peer has not learned, dev error nan of 0.900"]


def test_folds_come_out_as_in_scikit_learn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from folds import compared, rows_of

    from nnrun.config.load import load_config

    found = compared("wine", tmp_path, epochs=40)
    assert len(found.nnrun) == len(found.sklearn) == 5
    assert abs(found.difference) < 1
    held = [row for _, dev in rows_of(load_config(None, ["data.source=wine", "data.folds=5"])) for row in dev]
    assert sorted(held) == list(range(178))
