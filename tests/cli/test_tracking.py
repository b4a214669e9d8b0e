"""nnrun export for other tools, and `tracking` in a config: tools that are told of a run, and cannot harm it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import psutil
import pytest

from nnrun.errors import UsageError
from nnrun.tracking.mlflow_store import Mlflow, command_to_look
from tests.cli.conftest import QUICK, SECONDS, Done

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]
TO_TENSORBOARD = ("--set", "tracking=[tensorboard]")
TO_MLFLOW = ("--set", "tracking=[mlflow]")
ENDLESS = ("--set", "training.epochs=1000000", "--set", "network.hidden=[64,64]")


def newest() -> Path:
    return max(
        (path for path in Path("runs").glob("2*")),
        key=lambda path: json.loads((path / "run.json").read_text())["created"],
    )


def lasting(run: Path) -> list[dict[str, object]]:
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def scalars(folder: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [(point.step, point.value) for point in events.Scalars("error/dev")]


def followers(run: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(run.absolute()) in (each.info["cmdline"] or ())]


def wait_until(done: Callable[[], object]) -> None:
    given_up = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < given_up
        time.sleep(0.1)


@pytest.fixture
def bad_mlflow(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """bad_mlflow("raise …"): an MLflow that does this when it is loaded; what hangs is ended."""

    def make(code: str) -> None:
        for name in ("mlflow", "sqlalchemy", "alembic"):
            folder = here / "libraries" / name
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text(code if name == "mlflow" else "")
        monkeypatch.setenv("PYTHONPATH", str(here / "libraries"), prepend=os.pathsep)
        monkeypatch.syspath_prepend(here / "libraries")  # where this process asks whether they are there

    yield make
    for path in Path("runs").glob("2*"):
        for process in followers(path):
            process.kill()


def test_a_run_is_told_while_it_trains_and_stays_what_it_is(nnrun: Nnrun, start: Start) -> None:
    pytest.importorskip("tensorboard")
    assert nnrun("train", "-q", *QUICK, *TO_TENSORBOARD).code == 0
    run = newest()
    wait_until(lambda: not followers(run))
    told = scalars(Path("runs/tensorboard") / run.name)
    assert [step for step, _ in told] == [1, 2, 3]
    assert [value for _, value in told] == pytest.approx([row["dev_error"] for row in lasting(run)])
    assert nnrun("train", "-q", *QUICK).code == 0
    alone = newest()
    assert lasting(alone) == lasting(run)
    with_it, without = ((each / "resolved.yaml").read_text().splitlines() for each in (run, alone))
    more = [line for line in with_it if line not in without and not line.startswith("#")]
    assert " ".join(more) in ("tracking: [tensorboard]", "tracking: - tensorboard")
    weights = [each / "checkpoints/best.safetensors" for each in (run, alone)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert {each["id"] for each in nnrun("list", "--json").json["runs"]} == {run.name, alone.name}


def test_a_search_is_told_trial_by_trial(nnrun: Nnrun) -> None:
    pytest.importorskip("tensorboard")
    assert nnrun("search", "-q", "--trials", "2", "--workers", "1", *QUICK[:2], *TO_TENSORBOARD).code == 0
    run = newest()
    wait_until(lambda: not followers(run))
    for trial in ("0000", "0001"):
        assert len(scalars(Path("runs/tensorboard") / run.name / "trials" / trial)) == 3


def test_what_raises_in_a_tool_is_a_word_and_the_run_goes_on(start: Start, bad_mlflow: Callable[[str], None]) -> None:
    bad_mlflow("raise RuntimeError('no luck today')")
    training = start("train", *ENDLESS, *TO_MLFLOW)
    assert training.stderr is not None
    lines = iter(training.stderr.readline, "")
    told = next(line for line in lines if line.startswith("note     mlflow"))
    assert re.search(r"is not told of this run: .*no luck today; `nnrun export \S+ --format mlflow` does it", told)
    assert "epoch" in next(lines)
    training.send_signal(signal.SIGINT)
    assert training.wait(SECONDS) == 130
    assert "no luck today" in (newest() / "log.txt").read_text()


def test_a_password_is_told_nowhere(nnrun: Nnrun, bad_mlflow: Callable[[str], None], start: Start) -> None:
    bad_mlflow("raise RuntimeError('no luck at https://me:secret@host:5000/')")
    training = start("train", *ENDLESS, *TO_MLFLOW)
    assert training.stderr is not None
    told = next(line for line in iter(training.stderr.readline, "") if line.startswith("note     mlflow"))
    training.send_signal(signal.SIGINT)
    assert training.wait(SECONDS) == 130
    done = nnrun("export", "latest", "--format", "mlflow")
    for text in (told, (newest() / "log.txt").read_text(), done.err):
        assert "no luck at https://***@host:5000/" in text and "secret" not in text


def test_where_a_server_is_stands_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(tracking_uri: str) -> None:
        raise RuntimeError(f"nobody at {tracking_uri}")

    modules = {
        "exceptions": SimpleNamespace(MlflowException=RuntimeError),
        "tracking": SimpleNamespace(MlflowClient=client),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"mlflow.{name}", cast(ModuleType, module))
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    where = "postgresql://me:se@cret@host/db"
    with pytest.raises(UsageError) as refused:
        Mlflow(where)
    shown = "postgresql://***@host/db"
    assert str(refused.value) == f"{shown}: MLflow cannot write there: nobody at {shown}"
    assert command_to_look(where).endswith(f" {shown}")


def test_a_tool_that_hangs_keeps_nobody_waiting(nnrun: Nnrun, bad_mlflow: Callable[[str], None]) -> None:
    bad_mlflow("import time; time.sleep(100_000)")
    done = nnrun("train", *QUICK, *TO_MLFLOW)
    assert done.code == 0 and "note     mlflow" not in done.err
    assert followers(newest())  # which has not come far


def test_a_place_that_cannot_be_written_to_and_what_does_it_later(start: Start, nnrun: Nnrun) -> None:
    pytest.importorskip("tensorboard")
    Path("runs").mkdir()
    Path("runs/tensorboard").write_text("in the way")
    training = start("train", *ENDLESS, *TO_TENSORBOARD)
    assert training.stderr is not None
    told = next(line for line in iter(training.stderr.readline, "") if line.startswith("note     tensorboard"))
    assert "Not a directory" in told or "File exists" in told
    training.send_signal(signal.SIGINT)
    assert training.wait(SECONDS) == 130
    Path("runs/tensorboard").unlink()
    (later,) = re.findall("`nnrun ([^`]*)`", told)
    assert nnrun(*later.split()).code == 0
    assert len(scalars(Path("runs/tensorboard") / newest().name)) == len(lasting(newest()))


def test_a_library_that_is_missing_is_told_at_once(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnrun import installation
    from nnrun.runs import followers as module

    monkeypatch.setattr(module, "has_extra", lambda extra: False)
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    done = nnrun("train", *QUICK, *TO_MLFLOW)
    assert done.code == 0
    assert re.search(r"\nnote     mlflow is not told of this run: it needs .*mlflow-skinny.*; to install: ", done.err)
    refused = nnrun("export", "--format", "mlflow")
    assert refused.code == 2 and "MLflow's runs need " in refused.err


def test_tools_are_named_as_they_are(nnrun: Nnrun) -> None:
    done = nnrun("train", "--set", "tracking=[mlfow]")
    assert done.code == 3 and "did you mean mlflow?" in done.err


def test_several_runs_at_once_and_where_they_go(nnrun: Nnrun) -> None:
    pytest.importorskip("tensorboard")
    for seed in ("1", "2"):
        nnrun("train", "-q", *QUICK, "--set", f"seed={seed}")
    done = nnrun("export", "latest", "@1", "--format", "tensorboard")
    assert done.out.splitlines()[2:] == [
        "written  runs/tensorboard",
        "look     tensorboard --logdir runs/tensorboard",
    ]
    found = nnrun("export", "--format", "tensorboard", "-o", "elsewhere", "--json").json
    assert (found["path"], list(found["runs"].values())) == ("elsewhere", [1])
    assert len(list(Path("runs/tensorboard").iterdir())) == 2 and len(list(Path("elsewhere").iterdir())) == 1


def test_what_is_for_models_or_for_tools_alone(nnrun: Nnrun) -> None:
    for seed in ("1", "2"):
        nnrun("train", "-q", *QUICK, "--set", f"seed={seed}")
    assert "2 runs have as many models" in nnrun("export", "latest", "@1").err
    assert "--follow is for --format tensorboard or mlflow" in nnrun("export", "--follow").err
    assert "'wandb' is not one of 'onnx', 'numpy', 'tensorboard', 'mlflow'" in nnrun("export", "--format", "wandb").err
