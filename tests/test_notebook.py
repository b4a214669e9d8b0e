"""The page on Python, run as a notebook: each block, and what a notebook shows of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text(), re.MULTILINE | re.DOTALL)


def run_as_notebook(blocks: list[str], folder: Path) -> list[Any]:
    """The cells with their outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return list(client.execute().cells)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each block shows, by its last line: HTML where there is some, else text."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(ROOT / "configs/digits.yaml", folder)
    pixels = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    (folder / "new.csv").write_text(f"{','.join(pixels)}\n{','.join('0' * 64)}\n")
    shown = {}
    for cell in run_as_notebook(BLOCKS, folder):
        found = [output.get("data", {"text/plain": output.get("text", "")}) for output in cell.outputs]
        texts = "\n".join(str(data.get("text/html", data.get("text/plain"))) for data in found)
        shown[cell.source.strip().splitlines()[-1].strip()] = texts
    return shown


def test_tables_and_charts_are_shown(cells: dict[str, str]) -> None:
    assert "22 pass" in cells["nnrun.check(config)"]
    assert "<table" in cells["run"]
    for line in ("run.plot()", "search.plot()", "better.plot()"):
        assert "<iframe" in cells[line]
        assert "plotly" in cells[line]
    assert "dev_loss" in cells["run.epochs.tail(3)"]
    assert "nnrun train" in cells["found"]
    assert "optimizer.learning_rate" in cells[BLOCKS[5].strip().splitlines()[-1]]
    assert "# Improved in" in cells["better.plot()"]


def test_errors_are_what_the_command_line_prints(cells: dict[str, str]) -> None:
    assert "network.hiden: unknown key; did you mean hidden?" in cells["print(error)"]


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError):
        run_as_notebook(["import nnrun\nnnrun.trian"], tmp_path)
