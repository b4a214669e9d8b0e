"""nnrun: a command-line experiment runner for neural networks.

The same from Python:

    import nnrun

    config = nnrun.load_config("config.yaml", ["optimizer.learning_rate=0.01"])
    run = nnrun.train(config)
    print(run.final["dev_error"], run.weights()["dense1.W"].shape)
    run = nnrun.resume(run, epochs=100)
    child = nnrun.rewind(run, to=50, overrides=["optimizer.learning_rate=0.001"])
    whole = nnrun.ensemble([run, child])
    run = nnrun.load_run("latest")
    print(nnrun.check(config).failed, nnrun.diagnose(run).told)
    search = nnrun.search(config, trials=20)
    print(search.trials.nsmallest(3, "dev_error"))
    better = nnrun.improve(config, budget="100epochs")
    print(better.steps, better.config_path)
"""

from __future__ import annotations

import sys
from types import ModuleType

__version__ = "0.1.0"  # which pyproject.toml reads from here

TYPE_CHECKING = False  # as `typing` says it, which takes longer to load than to be killed in
if TYPE_CHECKING:
    from typing import Any

    from nnrun.api import (
        Checks,
        Comparison,
        Diagnosis,
        Figure,
        Improvement,
        Run,
        Search,
        check,
        compare,
        diagnose,
        ensemble,
        improve,
        init,
        list_runs,
        load_config,
        load_improvement,
        load_run,
        load_search,
        nudge,
        pause,
        resume,
        retest,
        rewind,
        search,
        stop,
        train,
    )
    from nnrun.engine.gradient_check import check_gradient
    from nnrun.engine.update import minimize

__all__ = [
    "Checks",
    "Comparison",
    "Diagnosis",
    "Figure",
    "Improvement",
    "Run",
    "Search",
    "check",
    "check_gradient",
    "compare",
    "diagnose",
    "ensemble",
    "improve",
    "init",
    "list_runs",
    "load_config",
    "load_improvement",
    "load_run",
    "load_search",
    "minimize",
    "nudge",
    "pause",
    "resume",
    "retest",
    "rewind",
    "search",
    "stop",
    "train",
]
_OF_THE_ENGINE = {"check_gradient": "nnrun.engine.gradient_check", "minimize": "nnrun.engine.update"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `nnrun --help` need not load NumPy."""
    from importlib import import_module

    from nnrun.machine.systems import refuse_others

    if name not in __all__:
        raise AttributeError(f"module 'nnrun' has no attribute {name!r}")
    refuse_others()
    found = getattr(import_module(_OF_THE_ENGINE.get(name, "nnrun.api")), name)
    return sys.modules["nnrun.search"] if name == "search" else found


class _Package(ModuleType):
    """This package, in which the name `search` is the function's however the wing of that name was loaded.

    Python binds a package in the one above it when it is first imported, by whomever; the function would be gone then.
    """

    @property
    def search(self) -> Any:
        return __getattr__("search")

    @search.setter
    def search(self, wing: ModuleType) -> None:
        pass  # which `nnrun.api.searches` has made callable

    def __reduce__(self) -> tuple[Any, ...]:
        """How a function that uses it leaves for another process: cloudpickle knows plain modules alone."""
        return __import__, (self.__name__,)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    """The public names, of which none is loaded yet."""
    return sorted(__all__)
