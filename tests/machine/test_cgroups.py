"""Limits of groups, read from made-up trees of both versions, and in a real group where one can be made."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nnrun.machine.cgroups import TREES, cores_allowed, memory_left

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
        "import json; from nnrun.machine.cores import usable_cores; from nnrun.machine.memory import free_memory;"
        "print(json.dumps([usable_cores(), free_memory()]))"
    )
    enter = "".join(f"echo $$ > {folder}/cgroup.procs && " for folder in group)
    done = subprocess.run(["sh", "-c", f'{enter}exec "$@"', "sh", sys.executable, "-c", code], capture_output=True)
    cores, free = json.loads(done.stdout)
    assert cores == 1
    assert 0 < free < GB
