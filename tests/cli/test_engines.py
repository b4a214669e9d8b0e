"""The engine of a run is chosen once, written down, and keeps every promise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nnrun.config.load import load_config
from nnrun.errors import StoppedError
from nnrun.models.trained import trained
from nnrun.runs import engines
from nnrun.runs.preparing import begun
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.cli.conftest import Done

pytest.importorskip("numba")
Nnrun = Callable[..., Done]
COMPILED = ("--set", "training.engine=compiled", "-q")


# From Python, where the BLAS libraries were loaded with two threads; what they have while an epoch is trained.
WITH_TWO_THREADS = """
import json
from pathlib import Path
import numpy
from threadpoolctl import threadpool_info
from nnrun.config.load import load_config
from nnrun.runs import verbs
from nnrun.runs.listener import Listener

def threads():
    return sorted((i["version"], i["num_threads"]) for i in threadpool_info() if i["user_api"] == "blas")

class Watching(Listener):
    def epoch(self, row):
        self.seen = threads()

listener = Watching()
config = load_config(None, ["training.engine=compiled", "training.epochs=1"])
outcome = verbs.train(config, Path("runs"), listener)
recorded = sorted((blas["version"], blas["threads"]) for blas in outcome.record["blas"])
print(json.dumps([threads(), listener.seen, recorded]))
"""


def engine_of(run: Path) -> str:
    return str(yaml.safe_load((run / "resolved.yaml").read_text())["training"]["engine"])


def newest() -> Path:
    return max(
        (path for path in Path("runs").iterdir() if path.name[0] != "."), key=lambda path: path.stat().st_mtime_ns
    )


def parameters(run: Path) -> bytes:
    return (run / "checkpoints/last.safetensors").read_bytes()


def threads_of(run: Path) -> list[int]:
    """Of each BLAS that a run recorded."""
    return [blas["threads"] for blas in StoredRun(RunDir(run)).record["blas"]]


def test_little_work_is_numpys(nnrun: Nnrun) -> None:
    assert nnrun("train", "--set", "training.epochs=2", "-q").code == 0
    assert engine_of(newest()) == "numpy"


def test_much_work_is_compiled_and_the_start_line_says_so(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "WORTH", 1e-6)
    done = nnrun("train", "--set", "training.epochs=2")
    assert (done.code, engine_of(newest())) == (0, "compiled")
    assert "compiled engine, which saves about" in done.err
    assert nnrun("show", "--json").json["config"]["training"]["engine"] == "compiled"


def test_without_numba_numpy_trains_and_much_work_names_the_install(
    nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "has_extra", lambda extra: False)
    monkeypatch.setattr(engines, "WORTH", 1e-6)
    done = nnrun("train", "--set", "training.epochs=2")
    assert (done.code, engine_of(newest())) == (0, "numpy")
    assert "pip install" in done.err


def test_asked_for_without_numba_it_is_an_error_of_the_config(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_extra", lambda extra: False)
    done = nnrun("train", *COMPILED)
    assert done.code == 3
    assert "training.engine" in done.err
    assert "numba" in done.err


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba is installed, but refuses the NumPy that is there."""
    for name in ("machine_code", "steps"):
        monkeypatch.setitem(sys.modules, f"nnrun.compiled.{name}", None)
        monkeypatch.delattr(f"nnrun.compiled.{name}", raising=False)


@pytest.mark.usefixtures("unloadable")
def test_a_compiler_that_cannot_be_loaded_leaves_the_work_to_numpy(
    nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "WORTH", 1e-6)
    done = nnrun("train", "--set", "training.epochs=2")
    assert (done.code, engine_of(newest())) == (0, "numpy")
    assert "the compiled engine fails here, NumPy trains" in done.err
    asked = nnrun("train", *COMPILED)
    assert (asked.code, "the compiled engine fails here: " in asked.err) == (3, True)


def test_a_compiled_run_cannot_go_on_without_the_compiler(nnrun: Nnrun, request: pytest.FixtureRequest) -> None:
    assert nnrun("train", *COMPILED, "--set", "training.epochs=1").code == 0
    request.getfixturevalue("unloadable")
    again = nnrun("resume", "latest", "--epochs", "2")
    assert (again.code, "the compiled engine fails here" in again.err) == (3, True)


def test_a_compiled_run_goes_on_with_numpy_where_numba_is_missing(
    nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    assert nnrun("train", *COMPILED, "--set", "training.epochs=1").code == 0
    request.getfixturevalue("unloadable")
    monkeypatch.setattr(engines, "has_extra", lambda extra: False)
    refused = nnrun("resume", "latest", "--epochs", "2")
    assert (refused.code, "--set training.engine=numpy" in refused.err) == (3, True)
    assert nnrun("resume", "latest", "--epochs", "2", "--set", "training.engine=numpy").code == 0
    assert engine_of(newest()) == "numpy"
    assert StoredRun(RunDir(newest())).record["epochs"] == 2


def test_a_compiler_that_fails_leaves_the_work_to_numpy(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> None:
        raise RuntimeError("no such processor")

    monkeypatch.setattr(engines, "WORTH", 1e-6)
    monkeypatch.setattr("nnrun.compiled.machine_code.load", fails)
    done = nnrun("train", "--set", "training.epochs=2")
    assert (done.code, engine_of(newest())) == (0, "numpy")
    assert "no such processor" in done.err


def test_a_resumed_run_and_a_repeated_one_have_the_same_bits(nnrun: Nnrun) -> None:
    nnrun("train", *COMPILED, "--set", "training.epochs=6")
    whole = newest()
    nnrun("train", whole / "resolved.yaml", "-q")
    assert parameters(newest()) == parameters(whole)
    nnrun("train", *COMPILED, "--set", "training.epochs=3")
    assert nnrun("resume", "latest", "--epochs", "6", "-q").code == 0
    assert parameters(newest()) == parameters(whole)


def test_a_killed_run_ends_with_the_same_bits(nnrun: Nnrun) -> None:
    settings = ("--set", "training.epochs=3000", *COMPILED)
    process = subprocess.Popen([sys.executable, "-m", "nnrun", "train", *settings], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list(Path("runs").glob("2*/checkpoints/last.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (killed,) = Path("runs").glob("2*")
    epochs = len((killed / "metrics.jsonl").read_bytes().splitlines()) + 5
    nnrun("resume", killed.name, "--epochs", str(epochs), "-q")
    nnrun("train", "--set", f"training.epochs={epochs}", *COMPILED)
    assert parameters(newest()) == parameters(killed)


def test_trials_are_the_same_alone_stacked_and_in_two_workers(nnrun: Nnrun) -> None:
    given = ("--trials", "4", "--repeat", "1", "--set", "training.epochs=2", *COMPILED)
    ledgers = []
    for more in (("--workers", "1"), ("--workers", "2"), ("--workers", "1", "--stack", "1")):
        assert nnrun("search", *given, *more).code == 0
        ledgers.append(
            [(trial / "checkpoints/best.safetensors").read_bytes() for trial in sorted(newest().glob("trials/*"))]
        )
        assert {engine_of(trial) for trial in newest().glob("trials/*")} == {"compiled"}
        assert {threads for trial in newest().glob("trials/*") for threads in threads_of(trial)} == {1}
    assert ledgers[0] == ledgers[1] == ledgers[2]


def test_all_trials_have_one_engine(nnrun: Nnrun) -> None:
    done = nnrun("search", "--set", "search.space={training.engine: {choice: [numpy, compiled]}}")
    assert done.code == 3
    assert "all trials have one engine" in done.err


def test_a_divergence_is_found_in_the_same_place(nnrun: Nnrun) -> None:
    told = []
    for engine in ("numpy", "compiled"):
        settings = ("optimizer.name=sgd", "optimizer.learning_rate=1e30", f"training.engine={engine}")
        done = nnrun("train", *(word for setting in settings for word in ("--set", setting)), "-q")
        assert done.code == 5
        told.append(nnrun("show", "--json").json["divergence"])
    assert told[0] == told[1]
    assert told[0] is not None


def test_a_signal_before_it_compiles_stops_the_command(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(step: str, done: int, rows: int | None) -> None:
        raise StoppedError("stopped")

    monkeypatch.setattr("nnrun.compiled.machine_code.load", lambda dtype, tell: tell("compiled"))
    monkeypatch.setattr("nnrun.compiled.machine_code.is_ready", lambda dtype: False)
    nnrun("train", "--set", "training.epochs=1", "-q")
    found = trained(StoredRun(RunDir(newest())))
    for asked in ("auto", "compiled"):
        with pytest.raises(StoppedError):
            engines.decided(engines.with_engine(found.config, asked), found.dataset, trainings=10**6, heard=heard)


@pytest.mark.usefixtures("compiled_before")
def test_what_is_said_of_the_engine_is_said_once_however_often_a_config_is_used(here: Path) -> None:
    loaded = load_config(None, ["data.source=moons", "training.epochs=100000"])
    for _ in range(2):
        begun_now, _ = begun(loaded, here / "runs")
        assert [told for told in begun_now.notices if "engine" in told] == begun_now.notices != []
    assert loaded.notices == []


def test_code_that_cannot_be_kept_is_one_note(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(dtype: object, tell: Callable[[str], None]) -> None:
        tell("compiled once")
        tell("compiled and not kept")

    monkeypatch.setattr("nnrun.compiled.machine_code.load", load)
    nnrun("train", "--set", "training.epochs=1", "-q")
    found, steps = trained(StoredRun(RunDir(newest()))), list[str]()
    asked = engines.with_engine(found.config, "compiled")
    _, told = engines.decided(asked, found.dataset, heard=lambda step, done, rows: steps.append(step))
    (only,) = told
    assert only.startswith("compiled and not kept: ") and len(steps) == 1


def test_each_blas_has_one_thread_in_training_and_is_recorded(tmp_path: Path) -> None:
    """NumPy's, and SciPy's, where that is loaded."""
    command = [sys.executable, "-c", WITH_TWO_THREADS]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    outside, seen, recorded = json.loads(done.stdout)
    assert seen == recorded == [[version, 1] for version, _ in outside]
    cores = min(2, len(os.sched_getaffinity(0)))
    assert {threads for _, threads in outside} == {cores}


def test_a_resumed_run_records_each_blas(nnrun: Nnrun) -> None:
    assert nnrun("train", *COMPILED, "--set", "training.epochs=1").code == 0
    RunDir(newest()).update_record(blas=[])
    assert nnrun("resume", "latest", "--epochs", "2", "-q").code == 0
    assert set(threads_of(newest())) == {1}
