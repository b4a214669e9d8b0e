"""Ctrl-C and SIGTERM, sent to real processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DURATION, EITHER_SECOND, NNRUN, SECONDS, Done, send_both

Start = Callable[..., "subprocess.Popen[str]"]
Shell = Callable[[str], Done]

# Long enough to be interrupted, with all that a resumed run must take up again: momenta, dropout, shuffling.
LONG = """\
name: long
network: {hidden: [128, 128], batch_norm: true}
regularization: {dropout: 0.2, l2: 1e-3}
optimizer: {name: adam, learning_rate: 1e-3}
training: {epochs: 20}
"""
ENDLESS = ("--set", "training.epochs=1000000")


def read_to(process: subprocess.Popen[str], beginning: str) -> str:
    """Read stderr up to a line that begins like this."""
    assert process.stderr is not None
    text = ""
    for line in process.stderr:
        text += line
        if line.startswith(beginning):
            return text
    raise AssertionError(f"{beginning!r} never came:\n{text}")


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=SECONDS)
    return Done(process.returncode, out, err)


def the_run(runs: Path = Path("runs")) -> Path:
    (found,) = (path for path in runs.iterdir() if path.name[0] != ".")
    return found


def record(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((run / "run.json").read_text())
    return loaded


def trained(run: Path) -> tuple[bytes, list[Any]]:
    """The best checkpoint and the epochs without their times."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    best = (run / "checkpoints" / "best.safetensors").read_bytes()
    return best, [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Any]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "config.yaml").write_text(LONG)
    subprocess.run([*NNRUN, "train", "-q"], cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    return trained(the_run(folder / "runs"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_resumes_to_the_same_bits(
    start: Start, shell: Shell, config: Callable[..., Path], uninterrupted: Any, number: int, code: int
) -> None:
    config(LONG)
    process = start("train", held_after=4)
    read_to(process, "epoch  4/20")
    process.send_signal(number)
    done = ended(process)
    assert done.code == code
    assert "\nstopping; once more to stop at once\n" in done.err
    assert "Traceback" not in done.err
    run = the_run()
    assert record(run)["status"] == "interrupted"
    assert record(run)["epochs"] == 4
    assert done.out.startswith("interrupted after 4 epochs in ")
    assert done.next == [f"nnrun resume {run.name}"]

    resumed = shell(done.next[0])
    assert resumed.code == 0, resumed.err
    assert record(run)["status"] == "done"
    assert resumed.out.startswith("done after 20 epochs in ")
    assert trained(run) == uninterrupted


def test_a_second_signal_stops_at_once(
    start: Start, shell: Shell, config: Callable[..., Path], uninterrupted: Any
) -> None:
    config(LONG)
    process = start("train", held_after=4)
    read_to(process, "epoch  4/20")
    send_both(process)
    done = ended(process)
    assert done.code in EITHER_SECOND
    assert "Traceback" not in done.err
    run = the_run()
    assert record(run)["status"] == "running", "the second signal came after the run was closed"
    assert done.out == ""
    assert shell("nnrun list").out.splitlines()[1].split()[:2] == [run.name, "interrupted"]
    assert shell("nnrun show").code == 0

    assert shell("nnrun resume -q").code == 0
    assert trained(run) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_the_first_epoch(start: Start, shell: Shell, config: Callable[..., Path], number: int) -> None:
    config("network: {hidden: [4]}\ntraining: {epochs: 1}\n")
    process = start("train", held_after=0)
    read_to(process, "training")
    process.send_signal(number)
    done = ended(process)
    assert done.code == 128 + number
    run = the_run()
    told = f"run      runs/{run.name}\nnext     {done.next[0]}"
    assert re.fullmatch(rf"interrupted after 0 epochs in {DURATION}\n\n{re.escape(told)}\n", done.out)
    assert record(run)["status"] == "interrupted"
    assert (run / "metrics.jsonl").read_bytes() == b""
    assert shell("nnrun show").code == 0
    assert shell(done.next[0]).out.startswith("done after 1 epoch in ")


def test_a_signal_to_a_resumed_run(start: Start, shell: Shell, config: Callable[..., Path]) -> None:
    config(LONG)
    assert shell("nnrun train -q --set training.epochs=2").code == 0
    process = start("resume", "--epochs", "1000000")
    read_to(process, "epoch       5/")
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.code, done.next) == (130, [f"nnrun resume {the_run().name}"])
    assert record(the_run())["epochs"] >= 5


def test_json_of_an_interrupted_run(start: Start, config: Callable[..., Path]) -> None:
    config(LONG)
    process = start("train", "--json", *ENDLESS)
    while not list(Path("runs").glob("[!.]*/metrics.jsonl")) or not (the_run() / "metrics.jsonl").stat().st_size:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.code == 130
    assert done.json["status"] == "interrupted"


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("train", "nnrun.cli.app"),
        ("train", "nnrun.config.load"),
        ("train", "nnrun.runs.verbs"),
        ("list", "nnrun.cli.app"),
        ("list", "nnrun.runs.rundir"),
    ],
)
def test_ctrl_c_while_the_program_is_being_loaded(here: Path, command: str, module: str) -> None:
    """The signal comes when that module is imported; nothing has been done yet, so nothing is said."""
    code = (
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        f"sys.argv = ['nnrun', {command!r}]\n"
        "from nnrun.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert not Path("runs").exists()


TOLD_WHILE_LOADING = """
import os, signal, sys
class Tell:
    def find_spec(self, name, path=None, target=None):
        if name == "MODULE":
            os.kill(os.getpid(), signal.NUMBER)
sys.meta_path.insert(0, Tell())
sys.argv[1:] = ["list"]
from nnrun.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["nnrun.errors", "nnrun.cli.app", "nnrun.insight.comparison.listing"])
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_a_command_still_loads(here: Path, module: str, name: str, code: int) -> None:
    script = TOLD_WHILE_LOADING.replace("MODULE", module).replace("NUMBER", name)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_terminal_that_closes_is_ignored_where_nohup_wants_it(here: Path) -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    script = ignoring + TOLD_WHILE_LOADING.replace("MODULE", "nnrun.errors").replace("NUMBER", "SIGHUP")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
