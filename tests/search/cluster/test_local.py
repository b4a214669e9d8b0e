"""The commands themselves, as the page on clusters has them: with workers of its own, two laptops, a job of Slurm."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.search.cluster.conftest import AT_REST
from tests.search.cluster.remains import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

PAGE = Path(__file__).parents[3] / "docs/cluster.md"
PATIENCE = 600  # seconds, after which something hangs: what the command has started may keep its pipes open


def test_the_page_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (command,) = re.findall(r"^nnrun search .* --cluster local:2$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    done = subprocess.run([*command.split(), "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    expected = begin(load_config(None, ["search.trials=8"], text=CONFIG), tmp_path / "here", Options(), Watcher())
    assert left(type(expected.run)(tmp_path / found["path"])) == left(expected.run)
    assert all(record["host"] for record in found["records"])


def test_nothing_of_the_folder_is_loaded_in_its_place(namesakes: Path) -> None:
    search = "nnrun search --set data.source=iris --set training.epochs=1 --trials 2 --cluster local:1 --json"
    done = subprocess.run(search.split(), cwd=namesakes, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert [record["status"] for record in json.loads(done.stdout)["records"]] == ["done", "done"]
    assert list(namesakes.glob("* was run")) == []


# Two tasks in place of thirty-two, as srun starts them on the nodes of a job.
SRUN = '#!/bin/sh\n"$@" & "$@" & wait\n'


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Runs a script of the page with the bash of a user at home, and ends what it leaves in the background."""
    begun = list[subprocess.Popen[str]]()
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/srun").write_text(SRUN)
    (tmp_path / "bin/srun").chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    user = {**os.environ, **AT_REST, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": path}

    def run(text: str) -> str:
        with (tmp_path / "log").open("w") as log:
            pipes = {"stdout": subprocess.PIPE, "stderr": log, "text": True, "start_new_session": True}
            process = subprocess.Popen(["bash", "-c", text], cwd=tmp_path, env=user, **pipes)
            begun.append(process)
            assert process.stdout
            return next((line for line in process.stdout if line.startswith("finished")), "nothing")

    yield run
    for process in begun:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


@pytest.mark.soak
def test_the_job_of_slurm_runs_as_written(script: Callable[[str], str], tmp_path: Path) -> None:
    """Also where the scheduler of a job before has left its file."""
    (tmp_path / "scheduler.json").write_text('{"address": "tcp://127.0.0.1:9"}')
    (text,) = re.findall(r"^```bash\n(#!/bin/bash.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert script(text.replace("--trials 2000", "--trials 20")).startswith("finished 20 trials (20 done)")


@pytest.mark.soak
def test_two_laptops_run_as_written(script: Callable[[str], str]) -> None:
    """Both are this machine, with fewer workers."""
    laptops = PAGE.read_text(encoding="utf-8").partition("## Two laptops")[2].partition("\n## ")[0]
    commands = re.findall(r"^(?:dask|nnrun) .*$", laptops, re.MULTILINE)
    assert [command.split()[:2] for command in commands] == [
        *(["dask", "scheduler"], ["dask", "worker"], ["dask", "worker"]),
        ["nnrun", "search"],
    ]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = " &\n".join([commands[0] + f" --port {port} --no-dashboard", *commands[1:]])
    text = re.sub("--nworkers [0-9]+", "--nworkers 1", text).replace("192.168.1.10", "127.0.0.1")
    text = text.replace(":8786", f":{port}").replace("--trials 200", "--trials 20")
    assert script(text).startswith("finished 20 trials (20 done)")
