"""What is read is never written over, whatever name the output goes by and however strongly it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

ROWS = "id,a,b,y\n" + "".join(f"R{i},{i % 7},{i % 5},{'yes' if i % 7 > i % 5 else 'no'}\n" for i in range(60))


@pytest.fixture
def run(here: Path, nnrun: Callable[..., Done]) -> Path:
    """A run on data.csv; new.csv holds other rows, linked.csv and hard.csv are the same file."""
    Path("data.csv").write_text(ROWS)
    Path("new.csv").write_text(ROWS)
    Path("linked.csv").symlink_to("new.csv")
    Path("hard.csv").hardlink_to("new.csv")
    settings = ("data.source=data.csv", "data.target=y", "training.epochs=2", "network.hidden=[4]")
    assert nnrun("train", "-q", *(word for setting in settings for word in ("--set", setting))).code == 0
    (found,) = [path for path in Path("runs").iterdir() if path.name[0] != "."]
    return found


@pytest.mark.parametrize(
    "command",
    [
        "predict latest new.csv -o new.csv --force",
        "predict latest new.csv -o linked.csv --force",
        "predict latest linked.csv -o hard.csv --force",
        "predict latest new.csv -o data.csv --force",
        "predict latest - -o new.csv --force < new.csv",
        "predict latest new.csv >> new.csv",
        "predict latest - < new.csv >> new.csv",
        "export latest --format numpy -o data.csv --force",
        "init new.csv --target y -o new.csv",
    ],
)
def test_the_rows_that_are_read_stay(run: Path, shell: Callable[[str], Done], command: str) -> None:
    done = shell(f"nnrun {command}")
    assert done.code == 2 and "is read here and would be lost" in done.err
    assert Path("new.csv").read_text() == Path("data.csv").read_text() == ROWS


@pytest.mark.parametrize("file", ["run.json", "resolved.yaml", "metrics.jsonl", "checkpoints/best.safetensors"])
def test_the_files_of_a_run_stay(run: Path, nnrun: Callable[..., Done], file: str) -> None:
    before = (run / file).read_bytes()
    for command in (("export", "latest", "--format", "numpy"), ("configs", "digits")):
        done = nnrun(*command, "-o", run / file, "--force")
        assert done.code == 2 and "is a file of a run, which would be damaged" in done.err
    assert (run / file).read_bytes() == before


def test_what_was_put_beside_a_run_is_replaced_as_before(run: Path, nnrun: Callable[..., Done]) -> None:
    for _ in range(2):
        assert nnrun("export", "latest", "--format", "numpy", "-o", run / "model.py", "--force").code == 0
        assert nnrun("predict", "latest", "new.csv", "-o", run / "new.csv", "--force").code == 0
