"""Machine code is made once a machine and kept; whatever happens to it costs a compilation, and never a result."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import types

from nnrun.compiled import cell_reader, kernels, machine_code
from nnrun.compiled import folder as folder_of_code
from nnrun.compiled.functions import inlined
from nnrun.runs.engines import compile_for_workers, uncompiled
from nnrun.search.executors import Pool

# A function that takes no time to compile in place of the steps: what is tried here is how its code is kept.
FUNCTION = """
from nnrun.compiled.functions import inlined

@inlined
def take_turns(turns, lane, number, double, drawn):
    turns[0] = 7
"""
LOADS = f"""
import numpy as np
from nnrun.compiled import kernels, machine_code
{FUNCTION}
kernels.take_turns, told, turns = take_turns, [], np.zeros(1, np.int64)
machine_code.load(np.dtype("float32"), told.append)(turns.ctypes.data, None)
print(len(told), *turns)
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


def said(process: subprocess.Popen[str]) -> int:
    """How often it said something of compiling; its code works."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    compiled, found = map(int, out.split())
    assert found == 7
    return compiled


Load = Callable[..., int]


@pytest.fixture
def told() -> list[str]:
    """What was said of compiling in this process."""
    return []


@pytest.fixture
def load_here(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> Load:
    """The same in this process, which forgets what it has loaded; code made for something else has another name."""
    namespace: dict[str, Any] = {}
    exec(FUNCTION, namespace)

    def load_again(folder: Path | None, made_for: str = "this") -> int:
        before, turns = len(told), np.zeros(1, np.int64)
        monkeypatch.setenv(folder_of_code.OURS, str(folder or ""))
        monkeypatch.setattr(kernels, "take_turns", namespace["take_turns"])
        monkeypatch.setattr(machine_code, "_loaded", {})
        monkeypatch.setattr(machine_code, "UNKEPT", {})
        monkeypatch.setattr(machine_code, "name_of", lambda prefix: f"{prefix}-{made_for}")
        machine_code.load(np.dtype("float32"), told.append)(turns.ctypes.data, None)
        assert turns[0] == 7
        return len(told) - before

    return load_again


def test_many_at_once_compile_once(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    processes = [load(folder) for _ in range(3)]
    assert sorted(said(process) for process in processes) == [0, 0, 1]
    assert said(load(folder)) == 0
    assert folder.stat().st_mode & 0o777 == 0o700


HIDDEN = "from nnrun.compiled import blas; blas.OF_NUMPY = dict.fromkeys(blas.OF_NUMPY, 'a name that no library has')"


@pytest.mark.parametrize("before", ["", HIDDEN], ids=["the library as it is", "that of SciPy"])
def test_code_that_is_there_needs_no_compiler(before: str, tmp_path: Path) -> None:
    """Numba takes four tenths of a second to load, and trains nothing itself; nor does the rest of scipy.linalg."""
    script = f"""
{before}
import sys
from nnrun.cli.app import app
try:
    app(["train", "-q", "--set", "training.epochs=1", "--set", "training.engine=compiled"])
except SystemExit as left:
    print(left.code, {{"numba", "scipy.linalg"}} & {{*sys.modules}})
import scipy.linalg.cython_blas  # what was loaded of it is a part of the whole
"""
    machine_code.load(np.dtype("float32"))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("0 set()", 0), done.stderr


def test_what_only_numba_could_run_is_not_kept() -> None:
    """Where a single name cannot be resolved, none is: the code would jump to address 0."""

    @inlined
    def splits(number: Any) -> Any:
        return math.frexp(number)[1]

    with pytest.raises(RuntimeError, match="splits calls numba_frexp"):
        machine_code.compiled(splits, types.int64(types.float64), "splits")


def test_code_that_nobody_used_for_long_is_removed(tmp_path: Path, load_here: Load) -> None:
    """When new code of that precision is kept; code that is used stays, however old it is."""
    folder = tmp_path / "code"

    def there() -> set[str]:
        return {path.name for path in folder.iterdir()} - {machine_code.LOCK}

    load_here(folder, "one")
    load_here(folder, "another")
    assert there() == {"float32-one", "float32-another"}
    for name in ("float64-0", "float32-0"):  # the latter of an earlier version, whose code lay in folders
        (folder / name).mkdir()
    long_ago = time.time() - folder_of_code.SECONDS_UNTIL_UNUSED
    for name in ("float32-one", "float32-another", "float64-0"):
        os.utime(folder / name, (long_ago, long_ago))
    os.utime(folder / "float32-0", (long_ago + 3600, long_ago + 3600))
    assert load_here(folder, "one") == 0
    assert "float32-another" in there()  # nothing was compiled
    assert load_here(folder, "a third") == 1
    assert there() == {"float32-one", "float64-0", "float32-0", "float32-a third"}


@pytest.mark.usefixtures("no_locks")
def test_without_locks_nobody_waits_and_code_is_kept(tmp_path: Path, load_here: Load) -> None:
    folder = tmp_path / "code"
    assert [load_here(folder), load_here(folder)] == [1, 0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_code_is_made_anew(tmp_path: Path, damage: str, load_here: Load) -> None:
    folder = tmp_path / "code"
    load_here(folder)
    code = folder / "float32-this"
    content = bytearray(code.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    code.write_bytes(content if damage == "flipped" else content[: len(content) // 2 if damage == "cut" else 0])
    assert [load_here(folder), load_here(folder)] == [1, 0]


@pytest.mark.parametrize("mode", [0o500, 0o755], ids=["read-only", "open to others"])
def test_a_folder_that_is_not_the_users_alone_is_not_used(tmp_path: Path, mode: int, load_here: Load) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    folder.chmod(mode)
    if mode == 0o500 and os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    assert [load_here(folder), load_here(folder)] == [1, 1]
    assert list(folder.iterdir()) == []


def test_a_place_where_no_folder_can_be_is_done_without(tmp_path: Path, load_here: Load) -> None:
    (tmp_path / "file").write_text("")
    assert load_here(tmp_path / "file" / "code") == 1
    assert machine_code.is_ready(np.dtype("float32")), "and for its workers"


def test_a_worker_is_handed_the_code_that_no_folder_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(folder_of_code.UNKEPT, "float16", b"code")
    with closing(Pool(1)) as pool:
        assert pool.submit(machine_code.is_ready, np.dtype("float16")).result() is True  # type: ignore[type-var]


def test_the_parent_compiles_what_its_workers_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails here fails in a worker again, which tells of it."""

    def load(dtype: Any, tell: Callable[[str], None]) -> None:
        if dtype == np.float16:
            raise RuntimeError("no code for this")
        tell(f"compiled in {dtype}")

    monkeypatch.setattr(machine_code, "is_ready", lambda dtype: dtype == np.float32)
    monkeypatch.setattr(machine_code, "load", load)
    monkeypatch.setattr(cell_reader, "reader", lambda: None)
    heard: list[str] = []
    lacking = uncompiled({"float64", "float32", "float16"})
    told = compile_for_workers(lacking, lambda step, done, rows: heard.append(step))
    assert lacking == ["float16", "float64"]
    assert (told, heard) == (["compiled in float64: 0 s"], ["compiling"])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of a user without a home."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # without HOME, or an entry of the user
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    place = tmp_path / "temporary"
    place.mkdir()
    place.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(place))
    return place


def test_without_a_home_code_is_kept_among_temporary_files(temporary: Path, load_here: Load) -> None:
    assert [load_here(None), load_here(None)] == [1, 0]
    above = temporary / f"nnrun-{os.getuid()}"
    assert {path.stat().st_mode & 0o777 for path in (above, above / "compiled")} == {0o700}


def test_a_home_that_cannot_be_written_to_is_none(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, load_here: Load
) -> None:
    (temporary / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(temporary / "file"))
    assert [load_here(None), load_here(None)] == [1, 0]
    assert [load_here(temporary / "file" / "named"), load_here(temporary / "file" / "named")] == [1, 1]


@pytest.mark.parametrize("trap", ["open to all", "link", "open folder", "no folder"])
def test_where_others_could_bring_in_code_none_is_kept(
    temporary: Path, trap: str, load_here: Load, told: list[str]
) -> None:
    above = temporary / f"nnrun-{os.getuid()}"
    if trap == "open to all":
        temporary.chmod(0o777)
    elif trap == "link":
        (temporary / "private").mkdir(mode=0o700)
        above.symlink_to(temporary / "private")
    elif trap == "open folder":
        above.mkdir()
        above.chmod(0o777)
    else:
        temporary.rmdir()
        temporary.touch()
    assert [load_here(None), load_here(None)] == [1, 1]
    where = "this user has no home to keep it in; NNRUN_COMPILED_CACHE=DIR names a folder that can"
    alone = "the training step was compiled in float32 for this process and its workers alone"
    assert told[-1] == f"{alone}: {where}"
    assert not [*temporary.glob("**/float32-*")]


def test_a_full_disk_costs_a_word(tmp_path: Path, load_here: Load) -> None:
    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # an object file is longer

    folder = tmp_path / "code"
    assert said(load(folder, prepare=nearly_full)) == 2  # that it compiles, and then that it cannot be kept
    assert [path.name for path in folder.iterdir()] == [machine_code.LOCK]
    assert load_here(folder) == 1


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
    assert sum("compiled in float32, once for this machine" in text for text in told) == 1
    trained = {path.read_bytes() for path in tmp_path.glob("*/runs/2*/checkpoints/last.safetensors")}
    assert (len(trained), len(list(tmp_path.glob("*/runs/2*/run.json")))) == (1, 20)
