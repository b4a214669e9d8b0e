"""What is free, and what does not fit."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from nnrun.machine import memory
from nnrun.machine.memory import free_memory, lacking
from nnrun.search import state
from nnrun.search.state import Options, usual_workers

MB = 10**6


@pytest.fixture
def have(monkeypatch: pytest.MonkeyPatch) -> Any:
    """have(machine=…, group=…) says how much is free."""

    def say(machine: float, group: float = math.inf) -> None:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=machine))
        monkeypatch.setattr(memory, "memory_left", lambda: group)

    return say


@pytest.mark.parametrize(
    ("machine", "group", "free"), [(8000, math.inf, 8000), (8000, 900, 900), (500, 900, 500), (8000, -3, 0)]
)
def test_the_least_counts(have: Any, machine: float, group: float, free: int) -> None:
    have(machine * MB, group * MB)
    assert free_memory() == max(1, free * MB)


def test_what_does_not_fit_is_told_in_words(have: Any) -> None:
    have(8000 * MB, 900 * MB)
    assert lacking(900 * MB) is None
    assert lacking(900 * MB + 1) == "about 0.9 GB of memory, and 0.9 GB are free"
    assert lacking(21_000 * MB) == "about 21.0 GB of memory, and 0.9 GB are free"


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
    assert Options(workers=2, trial_memory=300 * MB).executor() == 300 * MB
