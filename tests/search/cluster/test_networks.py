"""A network that stalls and cuts, between the search and its scheduler, and between the scheduler and its workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nnrun.search.state import Options
from nnrun.search.verbs import begin
from tests.search.cluster.conftest import UNCLOSED, ByHand
from tests.search.cluster.harm import AtTrial, assert_as_alone, begun_or_resumed, long
from tests.search.cluster.proxy import Proxy

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

SOAK = pytest.mark.soak
pytestmark = UNCLOSED


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
@pytest.mark.parametrize("seconds", [0, 1.5, 40], ids=["cuts", "stalls", "stalls until all give up"])
def test_a_network_that_fails_workers(seconds: float, behind: tuple[ByHand, Proxy], tmp_path: Path) -> None:
    """Where it cuts, workers end and their nannies start others; the search goes on with those, by itself."""
    cluster, proxy = behind
    times = 1 if seconds > 10 else 10
    trials = 3 * times + 2
    harm = AtTrial((lambda: proxy.stall(seconds)) if seconds else proxy.cut, times)
    found = begin(long(trials), tmp_path / "there", Options(stack=1, cluster=str(cluster.file)), harm)
    assert harm.done == times
    assert_as_alone(found.run, trials, tmp_path / "here")
