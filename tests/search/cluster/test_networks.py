"""A network that stalls, cuts or loses, between the search and its scheduler, and the scheduler and its workers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nnrun.runs.rundir import RunDir
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand
from tests.search.cluster.harm import SETTINGS, AtTrial, assert_as_alone, begun_or_resumed, long
from tests.search.cluster.proxy import Proxy
from tests.search.conftest import CONFIG

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
    options = asking(stack=1, cluster=proxy.address)
    found = begin(long(trials), tmp_path / "there", options, AtTrial(lambda: proxy.stall(1.5), stalls))
    assert_as_alone(found.run, trials, tmp_path / "here")


@pytest.mark.parametrize("cuts", [1, pytest.param(10, marks=SOAK)])
def test_a_network_that_cuts(cuts: int, proxy: Proxy, tmp_path: Path) -> None:
    """The search goes on over new connections, or ends and may be resumed, and never waits for ever."""
    trials, options = 3 * cuts + 2, asking(stack=1, cluster=proxy.address)
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
    found = begin(long(3 * times + 2), tmp_path / "there", asking(stack=1, cluster=str(cluster.file)), harm)
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
    found = begin(long(32), tmp_path / "there", asking(stack=1, cluster=str(cluster.file)), harm)
    assert harm.done == 10
    assert_as_alone(found.run, 32, tmp_path / "here")


# A network of its own whose loopback drops some of what arrives, until nobody holds the other end of `cat`.
LOSES = """
ip link set lo up && nft add table inet lossy &&
nft 'add chain inet lossy arriving { type filter hook input priority 0; }' &&
nft "add rule inet lossy arriving numgen random mod 100 < $1 counter drop" && echo ready && exec cat
"""


class Lossy:
    """Where packets are lost."""

    def __init__(self, percent: int) -> None:
        command = ["unshare", "--map-root-user", "--net", "sh", "-c", LOSES, "sh", str(percent)]
        self._held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        own = ["--user", "--preserve-credentials", "--net"]
        self.within = ["nsenter", *own, "--target", str(self._held.pid)]  # runs a program there
        assert self._held.stdout
        self.there = self._held.stdout.readline() == b"ready\n"

    @property
    def dropped(self) -> int:
        """Packets, so far."""
        listed = subprocess.run([*self.within, "nft", "list", "ruleset"], capture_output=True, text=True, check=True)
        (count,) = re.findall(r"counter packets (\d+)", listed.stdout)
        return int(count)

    def close(self) -> None:
        """Let it go."""
        self._held.communicate()


@pytest.fixture
def lossy() -> Iterator[Callable[[int], Lossy]]:
    """Networks that lose so many percent of their packets."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "nsenter", "ip", "nft"))):
        pytest.skip("no networks that lose packets without namespaces and nftables")
    made = list[Lossy]()

    def make(percent: int) -> Lossy:
        made.append(Lossy(percent))
        if not made[-1].there:
            pytest.skip("this user may make no network here")
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.soak
@pytest.mark.parametrize("percent", [2, 10])
def test_a_network_that_loses_packets(percent: int, lossy: Callable[[int], Lossy], tmp_path: Path) -> None:
    """All of the cluster's, on the way to the scheduler and back: the search takes longer, and that is all."""
    network, trials = lossy(percent), 20
    (tmp_path / "config.yaml").write_text(CONFIG)
    settings = [word for each in (f"search.trials={trials}", *SETTINGS) for word in ("--set", each)]
    with closing(ByHand(tmp_path, network.within)) as cluster:
        for _ in range(2):
            cluster.worker("--nanny")
        told = ["--cluster", str(cluster.file), "--stack", "1", "--runs", str(tmp_path / "there"), "--quiet"]
        search = [sys.executable, "-m", "nnrun", "search", str(tmp_path / "config.yaml"), *settings, *told]
        subprocess.run([*network.within, *search], cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
        assert network.dropped
    (run,) = (tmp_path / "there").glob("*-search-*")
    assert_as_alone(RunDir(run), trials, tmp_path / "here")
