"""Machine code is made once a machine and kept; whatever happens to it costs a compilation, and never a result."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.compiled import folder as folder_of_code
from nnrun.compiled import kernels, machine_code

# A function that takes no time to compile in place of the step: what is tried here is how its code is kept.
FUNCTION = """
def run(plan, v, rows, constants, spans, pieces, counts):
    v.theta[0] = 1
"""
LOADS = f"""
import numpy as np
from nnrun.compiled import kernels, machine_code
{FUNCTION}
kernels.run.py_func = run
told = []
kernel = machine_code.load(np.dtype("float32"), told.append)
print(len(told), sum(kernel.stats.cache_hits.values()))
"""


def load(folder: Path, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """A process that loads from a folder."""
    script = folder.parent / "loads.py"
    if not script.exists():  # others may be reading it
        script.write_text(LOADS)
    environment = {**os.environ, folder_of_code.OURS: str(folder)}
    pipe = subprocess.PIPE
    command = [sys.executable, str(script)]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=prepare)


def said(process: subprocess.Popen[str]) -> tuple[int, int]:
    """How often it said something, and how often it found code."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    compiled, found = map(int, out.split())
    return compiled, found


Load = Callable[..., tuple[int, int]]


@pytest.fixture
def load_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Load]:
    """The same in this process, which forgets what it has loaded; the file of the function lies in a place."""

    def load_again(folder: Path, place: str = "here") -> tuple[int, int]:
        script, namespace, told = tmp_path / place / "loads.py", {"__name__": "loads"}, list[str]()
        script.parent.mkdir(exist_ok=True)
        script.write_text(FUNCTION)
        exec(compile(FUNCTION, script, "exec"), namespace)
        monkeypatch.setenv(folder_of_code.OURS, str(folder))
        monkeypatch.setattr(kernels.run, "py_func", namespace["run"])
        monkeypatch.setattr(machine_code, "_loaded", {})
        machine_code.name_of.cache_clear()
        kernel: Any = machine_code.load(np.dtype("float32"), told.append)
        return len(told), sum(kernel.stats.cache_hits.values())

    yield load_again
    machine_code.name_of.cache_clear()


def test_many_at_once_compile_once(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    processes = [load(folder) for _ in range(3)]
    assert sorted(said(process) for process in processes) == [*[(0, 1)] * 2, (1, 0)]
    assert said(load(folder)) == (0, 1)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_installations_share_a_folder(tmp_path: Path, load_here: Load) -> None:
    """As in two virtual environments: Numba finds code by where the file of the function lies."""
    found = [load_here(tmp_path / "code", place) for place in ("one", "another", "one", "another")]
    assert found == [(1, 0), (1, 0), (0, 1), (0, 1)]


def test_code_that_nobody_used_for_long_is_removed(tmp_path: Path, load_here: Load) -> None:
    """When new code of that precision is kept; code that is used stays, however old it is."""
    folder = tmp_path / "code"

    def there() -> list[Path]:
        return sorted(path for path in folder.iterdir() if path.is_dir())

    load_here(folder, "one")
    (used,) = there()
    load_here(folder, "another")
    (unused,) = {*there()} - {used}
    other_precision, young = folder / "float64-0", folder / "float32-0"
    other_precision.mkdir()
    young.mkdir()
    long_ago = time.time() - folder_of_code.SECONDS_UNTIL_UNUSED
    for path in (used, unused, other_precision):
        os.utime(path, (long_ago, long_ago))
    os.utime(young, (long_ago + 3600, long_ago + 3600))
    assert load_here(folder, "one") == (0, 1)
    assert {used, unused} < {*there()}  # nothing was compiled
    assert load_here(folder, "a third") == (1, 0)
    assert {used, other_precision, young} < {*there()}
    assert unused not in there()


@pytest.mark.parametrize("damage", ["cut", "flipped", "unsealed"])
def test_damaged_code_is_made_anew(tmp_path: Path, damage: str, load_here: Load) -> None:
    folder = tmp_path / "code"
    load_here(folder)
    (code,) = folder.rglob("*.nbc")
    content = bytearray(code.read_bytes())
    if damage == "unsealed":  # as a killed process would leave it
        (code.parents[1] / machine_code.SEAL).unlink()
    elif damage == "cut":
        code.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        code.write_bytes(content)
    assert [load_here(folder), load_here(folder)] == [(1, 0), (0, 1)]


@pytest.mark.parametrize("mode", [0o500, 0o755], ids=["read-only", "open to others"])
def test_a_folder_that_is_not_the_users_alone_is_not_used(tmp_path: Path, mode: int, load_here: Load) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    folder.chmod(mode)
    if mode == 0o500 and os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    assert [load_here(folder), load_here(folder)] == [(1, 0), (1, 0)]
    assert list(folder.iterdir()) == []


def test_a_place_where_no_folder_can_be_is_done_without(tmp_path: Path, load_here: Load) -> None:
    (tmp_path / "file").write_text("")
    assert load_here(tmp_path / "file" / "code") == (1, 0)


def test_a_full_disk_costs_a_word(tmp_path: Path, load_here: Load) -> None:
    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # what Numba writes is longer

    folder = tmp_path / "code"
    assert said(load(folder, prepare=nearly_full)) == (2, 0)  # that it compiles, and then that it cannot be kept
    assert [path.name for path in folder.iterdir()] == [machine_code.LOCK]
    assert load_here(folder) == (1, 0)


@pytest.mark.soak
def test_twenty_commands_at_once_on_an_empty_cache(tmp_path: Path) -> None:
    """One compiles for all, and all train the same."""
    environment = {**os.environ, folder_of_code.OURS: str(tmp_path / "code")}
    command = [
        sys.executable,
        "-m",
        "nnrun",
        "train",
        "--set",
        "training.engine=compiled",
        "--set",
        "training.epochs=2",
    ]
    processes = []
    for number in range(20):
        place = tmp_path / f"{number}"
        place.mkdir()
        processes.append(subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True))
    told = [process.communicate(timeout=900)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, told
    assert sum("compiled, once for this machine" in text for text in told) == 1
    trained = {path.read_bytes() for path in tmp_path.glob("*/runs/2*/checkpoints/last.safetensors")}
    assert (len(trained), len(list(tmp_path.glob("*/runs/2*/run.json")))) == (1, 20)
