"""A network that stalls and cuts, between the search and its scheduler, and between the scheduler and its workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nnrun.search.state import Options
from nnrun.search.verbs import begin
from tests.search.cluster.conftest import ByHand
from tests.search.cluster.harm import AtTrial, assert_as_alone, begun_or_resumed, long
from tests.search.cluster.proxy import Proxy

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SOAK = pytest.mark.soak


@pytest.fixture
def proxy(by_hand: ByHand) -> Iterator[Proxy]:
    """Between the search and the scheduler."""
    with closing(Proxy(by_hand.address)) as made:
        yield made


@pytest.mark.parametrize("stalls", [1, pytest.param(10, marks=SOAK)])
def test_a_network_that_stalls(stalls: int, proxy: Proxy, tmp_path: Path) -> None:
    trials = 2 * stalls + 2
    options = Options(stack=1, cluster=proxy.address)
    found = begin(long(trials), tmp_path / "there", options, AtTrial(lambda: proxy.stall(1.5), stalls))
    assert_as_alone(found.run, trials, tmp_path / "here")


@pytest.mark.parametrize("cuts", [1, pytest.param(10, marks=SOAK)])
def test_a_network_that_cuts(cuts: int, proxy: Proxy, tmp_path: Path) -> None:
    """The search goes on over new connections, or ends and may be resumed, and never waits for ever."""
    trials, options = 3 * cuts + 2, Options(stack=1, cluster=proxy.address)
    for k in range(cuts + 1):
        run = begun_or_resumed(trials, tmp_path / "there", options, AtTrial(proxy.cut, int(k < cuts)))
    assert_as_alone(run, trials, tmp_path / "here")


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[ByHand, Proxy]]:
    """Two workers with nannies, and what lies between all of these and the scheduler."""
    cluster = ByHand(tmp_path)
    with closing(cluster), closing(Proxy(cluster.address)) as made:
        for _ in range(2):
            cluster.worker("--nanny", by=made.address)
        yield cluster, made


@pytest.mark.soak
@pytest.mark.parametrize(("seconds", "times"), [(1.5, 10), (40, 1)])
def test_a_network_that_stalls_before_workers(
    seconds: float, times: int, behind: tuple[ByHand, Proxy], tmp_path: Path
) -> None:
    cluster, proxy = behind
    harm = AtTrial(lambda: proxy.stall(seconds), times)
    found = begin(long(3 * times + 2), tmp_path / "there", Options(stack=1, cluster=str(cluster.file)), harm)
    assert harm.done == times
    assert_as_alone(found.run, 3 * times + 2, tmp_path / "here")


@pytest.mark.soak
def test_a_network_that_cuts_workers_off(behind: tuple[ByHand, Proxy], tmp_path: Path) -> None:
    """Such workers end, and their nannies with them; the search goes on with those that are started in their place."""
    cluster, proxy = behind

    def cut() -> None:
        proxy.cut()
        for _ in range(2):
            cluster.worker("--nanny", by=proxy.address)

    harm = AtTrial(cut, 10)
    found = begin(long(32), tmp_path / "there", Options(stack=1, cluster=str(cluster.file)), harm)
    assert harm.done == 10
    assert_as_alone(found.run, 32, tmp_path / "here")
