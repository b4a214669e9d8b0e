"""Workers that are killed at any instant, with their nannies or without: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand
from tests.search.cluster.harm import AtTrial, assert_as_alone, long

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture
def nannies(tmp_path: Path) -> Iterator[ByHand]:
    with closing(ByHand(tmp_path)) as cluster:
        for _ in range(2):
            cluster.worker("--nanny")
        yield cluster


def workers_of(nanny: int) -> list[psutil.Process]:
    """What a nanny watches over: not the process that removes semaphores."""
    with suppress(psutil.Error):
        return [each for each in psutil.Process(nanny).children() if "resource_tracker" not in " ".join(each.cmdline())]
    return []


class Killer(AtTrial):
    """Kills a worker each time that a trial has ended, while the other one trains; sometimes its nanny with it."""

    def __init__(self, nannies: ByHand, kills: int, of_nannies: int) -> None:
        super().__init__(self.kill, kills)
        self.nannies, self.killed = nannies, 0
        self.with_nanny = random.Random(kills).sample(range(kills), of_nannies)

    def kill(self) -> None:
        there = [(nanny, worker) for nanny in self.nannies.processes[1:] for worker in workers_of(nanny.pid)]
        if not there:  # they are starting
            self.done -= 1
            return
        nanny, worker = self.draw.choice(there)
        if self.killed in self.with_nanny:
            nanny.kill()
            nanny.wait()
            self.nannies.worker("--nanny")
        with suppress(psutil.NoSuchProcess):
            worker.kill()
        self.killed += 1


@pytest.mark.parametrize(("kills", "of_nannies"), [(2, 1), pytest.param(60, 10, marks=pytest.mark.soak)])
def test_workers_that_are_killed_change_nothing(kills: int, of_nannies: int, nannies: ByHand, tmp_path: Path) -> None:
    killer, trials = Killer(nannies, kills, of_nannies), 2 * kills
    found = begin(long(trials), tmp_path / "there", asking(stack=1, cluster=str(nannies.file)), killer)
    assert killer.killed == kills
    assert_as_alone(found.run, trials, tmp_path / "here")
