"""The command itself, with workers of its own, as the page on clusters has it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.search.cluster.test_same_ledger import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

PAGE = Path(__file__).parents[3] / "docs/cluster.md"


def test_the_page_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (command,) = re.findall(r"^nnrun search .* --cluster local:2$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    done = subprocess.run([*command.split(), "--json"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    expected = begin(load_config(None, ["search.trials=8"], text=CONFIG), tmp_path / "here", Options(), Watcher())
    assert left(type(expected.run)(tmp_path / found["path"])) == left(expected.run)
    assert all(record["host"] for record in found["records"])
