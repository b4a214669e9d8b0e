"""Clusters that have as many workers as there is work for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.executor import Cluster
from nnrun.search.cluster.wishes import MOST, Wishes
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand, until
from tests.search.cluster.harm import assert_as_alone, long
from tests.search.conftest import CONFIG, Hearing

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def targets(client: Any) -> int:
    """How many workers the scheduler would have an adaptive cluster have."""

    def told(dask_scheduler: Any) -> int:
        return int(dask_scheduler.adaptive_target("1s"))

    return int(client.run_on_scheduler(told))


def test_what_waits_lets_a_cluster_grow(by_hand: ByHand) -> None:
    with connected(str(by_hand.file)) as client:
        wishes = Wishes(client)
        wishes.become(40)
        until(lambda: targets(client) >= 10)
        assert not any(client.processing().values())
        wishes.become(1)
        until(lambda: targets(client) < 3)
        wishes.become(2 * MOST)
        until(lambda: targets(client) > 50)
        wishes.become(0)
        until(lambda: targets(client) == 0)


def test_a_search_tells_how_many_trials_wait(by_hand: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[int]()
    monkeypatch.setattr(Cluster, "want", lambda self, jobs: told.append(jobs))
    begin(
        load_config(None, ["search.trials=5"], text=CONFIG),
        tmp_path,
        asking(stack=1, cluster=str(by_hand.file)),
        Watcher(),
    )
    assert (told[0], told[-1]) == (3, 0)


@pytest.mark.soak
def test_a_search_on_an_adaptive_cluster(tmp_path: Path) -> None:
    """That has no worker where nobody wants one."""
    from distributed import LocalCluster

    heard = list[str]()
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster:
        cluster.adapt(minimum=0, maximum=3, interval="500ms", target_duration="1s")
        options = asking(stack=1, cluster=cluster.scheduler_address)
        found = begin(long(30), tmp_path / "there", options, Hearing(heard.append))
        until(lambda: not cluster.scheduler.workers)
    assert any("has joined" in line for line in heard)
    assert_as_alone(found.run, 30, tmp_path / "here")
