"""What a run must remember about the machine and the software it ran on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from nnrun import __version__
from nnrun.installation import has_extra
from nnrun.machine.capacity import all_cores, usable_cores
from nnrun.runs.records import Blas, Environment, RunRecord
from nnrun.runs.repository import git_state

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

    from nnrun.config.config import Config
    from nnrun.runs.rundir import RunDir

PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "safetensors")
COMPILERS = ("numba", "llvmlite")  # of the extra `fast`


@cache
def describe() -> Environment:
    """Host, versions, the BLAS kernel in use and the git commit of the current directory, as they were at first."""
    from threadpoolctl import ThreadpoolController

    packages = PACKAGES + (COMPILERS if has_extra("fast") else ())
    return {
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": all_cores(),
            "usable_cores": usable_cores(),
        },
        "versions": {
            "python": platform.python_version(),
            "nnrun": __version__,
            **{package: version(package) for package in packages},
        },
        "blas": blas(ThreadpoolController()),
        "git": git_state(),
    }


def surroundings(of: RunDir | Config | None) -> list[str]:
    """The resolved config, if there is one, and the software: what a run ran on, else that of this process."""
    from nnrun.config.dump import dump_yaml
    from nnrun.runs.rundir import RESOLVED, RunDir

    if isinstance(of, RunDir):
        return [*of.read(RESOLVED).decode().rstrip().split("\n"), environment_line(of.read_record())]
    config = [] if of is None else dump_yaml(of.resolved()).rstrip().split("\n")
    return [*config, environment_line(describe())]


def environment_line(record: RunRecord | Environment) -> str:
    """The software that a run runs on."""
    versions = ", ".join(f"{package} {version}" for package, version in record["versions"].items())
    kernels = ", ".join(f"{blas['library']} {blas['kernel']}" for blas in record["blas"])
    return f"versions {versions}; {kernels}" if kernels else f"versions {versions}"


def blas(libraries: ThreadpoolController) -> list[Blas]:
    """Each BLAS among them: its name, version, the kernel it chose for this processor, and its threads at most."""
    return [
        {
            "library": info["internal_api"],
            "version": info["version"],
            "kernel": info.get("architecture"),
            "threads": info["num_threads"],
        }
        for info in libraries.info()
        if info["user_api"] == "blas"
    ]
