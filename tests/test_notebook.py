"""The page on Python, run as a notebook: each block, and what a notebook shows of it."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nnrun

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

Shown = dict[str, str]  # what a block shows, by its last line: HTML where there is some, else text


def in_this_process(blocks: list[str], folder: Path) -> Shown:
    """As a kernel does it: the value of a last expression is shown; a hundredth of the time that a kernel takes."""
    names: dict[str, Any] = {}
    shown = {}
    with contextlib.chdir(folder):
        for block in blocks:
            *before, last = ast.parse(block).body
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(ast.Module(before, []), "<cell>", "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
                    print("" if value is None else getattr(value, "_repr_html_", value.__repr__)())
                else:
                    exec(compile(ast.Module([last], []), "<cell>", "exec"), names)
            shown[block.strip().splitlines()[-1].strip()] = printed.getvalue()
    return shown


def in_a_kernel(blocks: list[str], folder: Path) -> Shown:
    """By Jupyter."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    shown = {}
    for cell in client.execute().cells:
        found = [output.get("data", {"text/plain": output.get("text", "")}) for output in cell.outputs]
        texts = (str(data.get("text/html", data.get("text/plain"))) for data in found)
        shown[cell.source.strip().splitlines()[-1].strip()] = "\n".join(texts)
    return shown


@pytest.fixture(scope="module", params=[in_this_process, pytest.param(in_a_kernel, marks=pytest.mark.soak)])
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What each block of the page shows."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(ROOT / "configs/digits.yaml", folder)
    run: Callable[[list[str], Path], Shown] = request.param
    return run(BLOCKS, folder)


def test_tables_and_charts_are_shown(cells: Shown) -> None:
    assert "24 pass" in cells["nnrun.check(config)"]
    for line, words in {
        "run": "Done after 10 epochs",
        "found": "nnrun train",
        "search": "is the best of 8",
        "nnrun.compare([run, whole])": "dev_error",
    }.items():
        assert 'class="nnrun-card"' in cells[line]
        assert words in cells[line]
    for line in ("run.plot()", "search.plot()", "better.plot()"):
        assert "<iframe" in cells[line]
        assert "plotly" in cells[line]
    frames = [block.strip().splitlines()[-1] for block in BLOCKS if block.rstrip().endswith("]]")]
    assert len(frames) == 4
    assert all("dataframe" in cells[line] for line in frames)
    assert "# Improved in" in cells["better.plot()"]


def test_errors_are_what_the_command_line_prints(cells: Shown) -> None:
    assert "network.hiden: unknown key; did you mean hidden?" in cells["print(error)"]


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="trian"):
        in_this_process(["import nnrun\nnnrun.trian"], tmp_path)


def test_every_public_function_is_on_the_page() -> None:
    functions = {name for name in nnrun.__all__ if name[0].islower()}
    assert {name for name in functions if not re.search(rf"\b{name}\b", PAGE)} == set()
