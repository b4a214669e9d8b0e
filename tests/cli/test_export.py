"""nnrun export through the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.installation import installing
from nnrun.models.export.formats import FORMATS
from nnrun.runs.listener import Outcome
from tests.cli.conftest import NNRUN, QUICK, Done
from tests.models.test_ensembles import assembled

Nnrun = Callable[..., Done]


@pytest.fixture
def trained(here: Path, nnrun: Nnrun) -> Path:
    assert nnrun("train", "-q", "--set", "data.source=iris", *QUICK).code == 0
    return here


@pytest.mark.parametrize(("format", "path"), [("onnx", "model.onnx"), ("numpy", "model.py")])
def test_a_file_is_written_and_checked(trained: Path, nnrun: Nnrun, format: str, path: str) -> None:
    done = nnrun("export", "--format", format)
    assert done.code == 0 and Path(path).stat().st_size > 1000
    assert "checked  30 dev rows" in done.out and "largest difference" in done.out
    assert not list(trained.glob(".*"))
    again = nnrun("export", "--format", format)
    assert again.code == 2 and f"{path} exists" in again.err
    found = nnrun("export", "--format", format, "--force", "--json").json
    assert found["path"] == path and found["rows"] == 30 and found["largest_difference"] <= 1e-5


@pytest.mark.parametrize("format", FORMATS)
def test_a_dash_is_stdout(trained: Path, nnrun: Nnrun, format: str) -> None:
    assert nnrun("export", "--format", format, "-o", "model.file").code == 0
    command = [*NNRUN, "export", "--format", format, "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == Path("model.file").read_bytes()
    assert b"checked  30 dev rows" in done.stderr
    assert not Path("-").exists()
    refused = nnrun(*command[len(NNRUN) :], "--json")
    assert refused.code == 2 and "so the model needs a file: -o model." in refused.json["error"]["problems"][0]


@pytest.mark.parametrize("format", ["tensorboard", "mlflow"])
def test_what_a_tool_reads_is_no_stream(trained: Path, nnrun: Nnrun, format: str) -> None:
    done = nnrun("export", "--format", format, "-o", "-")
    assert done.code == 2 and f"-o -: what {format} reads is no stream" in done.err
    assert not Path("-").exists()


def test_a_search_exports_its_best_run(here: Path, nnrun: Nnrun) -> None:
    assert nnrun("search", "-q", "--trials", "2", "--workers", "1", "--set", "data.source=iris", *QUICK).code == 0
    assert nnrun("export", "latest", "-o", "best.onnx").code == 0 and Path("best.onnx").exists()
    (search,) = [path for path in Path("runs").iterdir() if path.name[0] != "."]
    assert nnrun("export", search / "best", "--format", "numpy").code == 0
    (here / "rows.csv").write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n"
    )
    alone = subprocess.run([sys.executable, "-I", "model.py", "rows.csv"], capture_output=True, text=True)
    row, word, *shares = alone.stdout.splitlines()[1].split(",")
    by_nnrun = nnrun("predict", "latest", "rows.csv").out.splitlines()[1].split(",")
    assert [row, word] == by_nnrun[:2]
    assert [float(share) for share in shares] == pytest.approx([float(share) for share in by_nnrun[2:]], abs=1e-5)


def test_an_ensemble_is_one_file(here: Path, nnrun: Nnrun, train_run: Callable[..., Outcome]) -> None:
    """Of members that learned from other rows."""
    settings = ("data.source=diabetes", "training.epochs=2", "network.hidden=[4]")
    outcomes = [train_run(*settings, f"data.split_seed={seed}", root=here / "runs") for seed in (0, 1)]
    whole = assembled(outcomes, [1, 3])
    for name in FORMATS:
        done = nnrun("export", whole.id, "--format", name)
        assert done.code == 0 and f"run      {whole.id}, 2 networks\n" in done.out
        found = nnrun("export", whole.id, "--format", name, "--force", "--json").json
        assert found["networks"] == 2 and found["largest_difference"] <= 1e-6
    rows = "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6\n0.04,0.05,0.06,0.02,-0.04,-0.03,-0.04,0,0.02,-0.02\n"
    (here / "rows.csv").write_text(rows)
    alone = subprocess.run([sys.executable, "-I", "model.py", "rows.csv"], capture_output=True, text=True)
    by_nnrun = nnrun("predict", whole.id, "rows.csv").out.splitlines()[1].split(",")
    assert float(alone.stdout.splitlines()[1].split(",")[1]) == pytest.approx(float(by_nnrun[1]), rel=1e-6)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_must_be_installed_is_said(
    trained: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    done = nnrun("export")
    assert done.code == 2 and f"ONNX files need {missing}; to install: {installing('onnx')}\n" in done.err
    assert not Path("model.onnx").exists()


def test_without_the_data_of_the_run_the_file_is_written_but_not_compared(here: Path, nnrun: Nnrun) -> None:
    Path("d.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(60)))
    assert nnrun("train", "-q", "--set", "data.source=d.csv", "--set", "data.target=y", *QUICK).code == 0
    assert nnrun("export", "-o", "with.py").code == 0
    Path("d.csv").unlink()
    done = nnrun("export", "-o", "without.py")
    assert done.code == 0 and "checked  no: the file could not be compared" in done.out and "d.csv" in done.out
    assert Path("without.py").read_text() == Path("with.py").read_text()
    found = nnrun("export", "--json").json
    assert (found["rows"], found["largest_difference"]) == (0, None) and "d.csv" in found["unchecked"]


def test_a_calibration_of_other_weights_is_told(trained: Path, nnrun: Nnrun) -> None:
    assert nnrun("evaluate", "--calibrate").code == 0
    assert "notice" not in nnrun("export", "-o", "model.py").out
    assert nnrun("resume", "--epochs", "9").code == 0
    told = " ".join(nnrun("export", "-o", "model.py", "--force").out.split())
    assert "notice calibration.json is of other weights than the run has now and is ignored" in told
    (notice,) = nnrun("export", "-o", "model.py", "--force", "--json").json["notices"]
    assert "evaluate" in notice


def test_the_name_of_the_file_decides_where_no_format_is_asked_for(trained: Path, nnrun: Nnrun) -> None:
    assert nnrun("export", "-o", "mine.py", "--json").json["format"] == "numpy"
    assert nnrun("export", "-o", "mine.bin", "--json").json["format"] == "onnx"
    wrong = nnrun("export", "--format", "onnx", "-o", "yours.py")
    assert wrong.code == 2 and "yours.py: a file of that name is of the format numpy" in wrong.err
    assert not Path("yours.py").exists()


@pytest.mark.parametrize("file", ["checkpoints/best.safetensors", "data.json", "resolved.yaml"])
@pytest.mark.parametrize("command", [("export",), ("predict", "latest", "rows.csv")])
def test_a_run_that_is_broken_gives_exit_code_4(
    trained: Path, nnrun: Nnrun, file: str, command: tuple[str, ...]
) -> None:
    Path("rows.csv").write_text("x\n1\n")
    (run,) = [path for path in Path("runs").iterdir() if path.name[0] != "."]
    (run / file).write_bytes(b"\x80\x04\x95cposix\nsystem\n\x94.")
    done = nnrun(*command)
    assert done.code == 4 and Path(file).name in done.err and "Traceback" not in done.err


def test_the_disk_is_full(trained: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write)
    done = nnrun("export")
    assert done.code == 1 and "No space left" in done.err
    assert not [path for path in trained.iterdir() if path.name != "runs"]
