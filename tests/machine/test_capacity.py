"""What this process may use of the machine, alone and in a group, and what does not fit."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from nnrun.machine import capacity
from nnrun.machine.capacity import TREES, cores_allowed, free_memory, lacking_memory, memory_left, usable_cores
from nnrun.machine.posix import LEAST_MEMORY
from nnrun.search import state
from nnrun.search.state import Options, usual_workers
from tests.asked import asking

GB = 10**9
UNLIMITED_V1 = "9223372036854771712"  # how version 1 says `max`

Place = tuple[Path, Path]


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str, Mapping[str, str]], Place]:
    """place("0::/a", {"a/memory.max": "5"}) makes the trees and the file that says where this process is in them."""

    def make(membership: str, files: Mapping[str, str]) -> Place:
        for name, content in files.items():
            file = tmp_path / "trees" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        (tmp_path / "membership").write_text(f"{membership}\n")
        return tmp_path / "trees", tmp_path / "membership"

    return make


Make = Callable[[str, Mapping[str, str]], Place]


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({"a/b/cpu.max": "150000 100000"}, 1.5),
        ({"a/cpu.max": "100000 100000", "a/b/cpu.max": "400000 100000"}, 1),  # the group around it has less
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "50000 100000"}, 0.5),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ({"a/b/cpu.max": "max 100000"}, math.inf),
        ({"a/b/c/cpu.max": "100000 100000", "other/cpu.max": "100000 100000"}, math.inf),  # not around this process
    ],
)
def test_cores_in_version_2(place: Make, quotas: Mapping[str, str], cores: float) -> None:
    assert cores_allowed(*place("0::/a/b", quotas)) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", math.inf), ("50000", 0.5), ("300000", 3)])
def test_cores_in_version_1(place: Make, quota: str, cores: float) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}
    files |= {"cpu/job/cpu.cfs_quota_us": quota, "cpu/job/cpu.cfs_period_us": "100000"}
    assert cores_allowed(*place("4:memory:/\n2:cpu,cpuacct:/job\n1:name=systemd:/job\n0::/", files)) == cores


def version_2(limit: str, used: int, folder: str = "", cached: int = 0) -> dict[str, str]:
    statistics = f"anon {used - cached}\nfile {cached}\ninactive_file {cached // 2}\nactive_file {cached // 2}"
    files = {"memory.max": limit, "memory.current": str(used), "memory.stat": statistics}
    return {f"{folder}{name}": content for name, content in files.items()}


def test_memory_in_version_2(place: Make) -> None:
    assert memory_left(*place("0::/a", version_2(str(GB), 300_000_000, "a/"))) == 700_000_000


def test_pages_of_files_are_as_good_as_free(place: Make) -> None:
    files = version_2(str(GB), 900_000_000, "a/", cached=600_000_000)
    assert memory_left(*place("0::/a", files)) == 700_000_000


def test_the_group_around_may_have_less_left(place: Make) -> None:
    """The inner one has 600 MB left of 1 GB, but the outer one, of 2 GB, is used by others too: 100 MB."""
    files = version_2(str(2 * GB), 1_900_000_000, "a/") | version_2(str(GB), 400_000_000, "a/b/")
    assert memory_left(*place("0::/a/b", files)) == 100_000_000


def test_no_limit_in_version_2(place: Make) -> None:
    assert memory_left(*place("0::/a", version_2("max", 300_000_000, "a/"))) == math.inf


def version_1(limit: str, used: int, folder: str, cached: int = 0) -> dict[str, str]:
    statistics = f"inactive_file 0\nactive_file 0\ntotal_inactive_file {cached}\ntotal_active_file 0"
    files = {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": str(used), "memory.stat": statistics}
    return {f"memory/{folder}{name}": content for name, content in files.items()}


def test_memory_in_version_1(place: Make) -> None:
    files = version_1(UNLIMITED_V1, 5 * GB, "") | version_1(str(GB), 800_000_000, "job/", cached=500_000_000)
    assert memory_left(*place("4:memory:/job\n0::/", files)) == 700_000_000


def test_no_limit_in_version_1_is_more_than_any_machine_has(place: Make) -> None:
    assert memory_left(*place("4:memory:/", version_1(UNLIMITED_V1, GB, ""))) > 10**18


def test_a_container_sees_its_own_group_as_the_root(place: Make) -> None:
    assert memory_left(*place("4:memory:/docker/0123\n0::/", version_1(str(GB), 0, ""))) == GB
    assert memory_left(*place("0::/../../outside", version_2(str(GB), 0))) == GB


def test_no_groups_at_all(tmp_path: Path, place: Make) -> None:
    nowhere = tmp_path / "nowhere"
    assert (cores_allowed(nowhere, nowhere), memory_left(nowhere, nowhere)) == (math.inf, math.inf)
    empty = place("0::/a", {})
    assert (cores_allowed(*empty), memory_left(*empty)) == (math.inf, math.inf)


# A real one.


@pytest.fixture
def group() -> Iterator[list[Path]]:
    """The folders of a group of 1 GB and one core; version 1 has one for each limit."""
    name = f"nnrun-test-{os.getpid()}"
    both = {"memory.max": str(GB), "cpu.max": "100000 100000"}
    wanted = {TREES / name: both} if (TREES / "cgroup.controllers").exists() else {
        TREES / "memory" / name: {"memory.limit_in_bytes": str(GB)},
        TREES / "cpu" / name: {"cpu.cfs_quota_us": "100000"},
    }  # fmt: skip
    made: list[Path] = []
    try:
        for folder, limits in wanted.items():
            folder.mkdir()
            made.append(folder)
            for file, limit in limits.items():
                (folder / file).write_text(limit)
        yield made
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    finally:
        for folder in made:
            folder.rmdir()


def test_a_real_group(group: list[Path]) -> None:
    """A process that enters it has one core, and what is left of 1 GB."""
    code = (
        "import json; from nnrun.machine.capacity import free_memory, usable_cores;"
        "print(json.dumps([usable_cores(), free_memory()]))"
    )
    enter = "".join(f"echo $$ > {folder}/cgroup.procs && " for folder in group)
    done = subprocess.run(["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-c", code], capture_output=True)
    cores, free = json.loads(done.stdout)
    assert cores == 1
    assert 0 < free < GB


ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.execv(sys.executable, [sys.executable, "-m", "nnrun", *sys.argv[1:]])
"""  # as `taskset -c 0 nnrun` does


@pytest.mark.parametrize(
    ("affinity", "group", "usable"), [(8, math.inf, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.25, 1), (2, 16.0, 2)]
)
def test_the_least_number_of_cores_counts(
    monkeypatch: pytest.MonkeyPatch, affinity: int, group: float, usable: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(affinity)), raising=False)
    monkeypatch.setattr(capacity, "cores_allowed", lambda: group)
    assert usable_cores() == usable


def test_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(capacity, "cores_allowed", lambda: math.inf)
    assert usable_cores() == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no process on chosen cores")
@pytest.mark.parametrize(("asked", "told"), [([], "1 worker\n"), (["--workers", "2"], "2 workers\n")])
def test_a_search_on_one_core_has_one_worker(tmp_path: Path, asked: list[str], told: str) -> None:
    """Unless it is told otherwise; each run remembers how many cores there were to use."""
    command = ["search", "--trials", "1", "--set", "training.epochs=1", *asked]
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE, *command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, told in done.stderr) == (0, True), done.stderr
    (record,) = tmp_path.glob("runs/*/best/run.json")
    assert '"usable_cores": 1' in record.read_text()


MB = 10**6


@pytest.fixture
def have(monkeypatch: pytest.MonkeyPatch) -> Any:
    """have(machine=…, group=…) says how much is free."""

    def say(machine: float, group: float = math.inf) -> None:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=machine))
        monkeypatch.setattr(capacity, "memory_left", lambda: group)

    return say


@pytest.mark.parametrize(
    ("machine", "group", "free"), [(8000, math.inf, 8000), (8000, 900, 900), (500, 900, 500), (8000, -3, 0)]
)
def test_the_least_memory_counts(have: Any, machine: float, group: float, free: int) -> None:
    have(machine * MB, group * MB)
    assert free_memory() == max(1, free * MB)


def test_what_does_not_fit_is_told_in_words(have: Any) -> None:
    have(8000 * MB, 900 * MB)
    assert lacking_memory(900 * MB) is None
    assert lacking_memory(900 * MB + 1) == "about 0.9 GB of memory, and 0.9 GB are free"
    assert lacking_memory(21_000 * MB) == "about 21.0 GB of memory, and 0.9 GB are free"


def test_without_proc_the_memory_of_the_machine_counts(have: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden() -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/proc/meminfo")

    usual = free_memory()
    have(8000 * MB, 900 * MB)
    monkeypatch.setattr("psutil.virtual_memory", hidden)
    assert free_memory() == 900 * MB
    monkeypatch.setattr(capacity, "memory_left", lambda: math.inf)
    assert usual <= free_memory() < 10**14


def test_this_machine() -> None:
    assert 10**7 < free_memory() < 10**14


@pytest.mark.parametrize(
    ("cores", "free", "workers"),
    [(4, 8000, 4), (64, 1000, 8), (4, 100, 1)],  # 80% of 1,000 MB is 8 times the least
)
def test_a_worker_a_core_while_memory_lasts(
    have: Any, monkeypatch: pytest.MonkeyPatch, cores: int, free: int, workers: int
) -> None:
    have(free * MB)
    monkeypatch.setattr(state, "usable_cores", lambda: cores)
    assert usual_workers(100 * MB) == workers


def test_workers_share_what_the_group_has_left(have: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """80% of 1 GB for two, not of the 16 GB of the machine."""
    have(16_000 * MB, 1000 * MB)
    monkeypatch.setattr(state, "Pool", lambda workers, timeout, memory: memory)
    assert Options(workers=2, in_process=False).executor() == 400 * MB
    assert asking(workers=2, trial_memory=300 * MB).executor() == 300 * MB
    have(16_000 * MB, 196 * MB)
    assert Options(workers=2, in_process=False).executor() == LEAST_MEMORY, "in less none begins"
