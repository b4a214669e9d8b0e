"""A search on a cluster leaves what one worker here leaves: the same ledger, the same best/, the same repeats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import NnrunError, UsageError
from nnrun.search.cluster.asking import Asking
from nnrun.search.cluster.crew import USUAL, Crew, own_probe
from nnrun.search.cluster.executor import Cluster, Trained
from nnrun.search.cluster.parcels import Freight
from nnrun.search.cluster.sameness import Probe
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand, until
from tests.search.cluster.remains import left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

CASES = {
    "random": ["search.strategy=random"],
    "coarse_to_fine": ["search.strategy=coarse_to_fine"],
    "halving": ["search.strategy=halving", "training.epochs=9"],
    "folds": ["data.folds=3", "data.split=[0.6,0.2,0.2]", "search.trials=4"],
}


@pytest.mark.parametrize("case", CASES)
def test_the_ledger_is_that_of_one_worker(case: str, by_hand: ByHand, tmp_path: Path) -> None:
    runs = []
    for name, options in {
        "here": Options(repeat=2),
        "there": Options(repeat=2, cluster=str(by_hand.file)),
    }.items():
        runs.append(begin(load_config(None, CASES[case], text=CONFIG), tmp_path / name, options, Watcher()).run)
    assert left(runs[0]) == left(runs[1])


def test_a_worker_with_other_bits_is_refused_by_name(by_hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = own_probe(**USUAL)
    other: Probe = {**ours, "traits": {**ours["traits"], "numpy": "1.0"}}
    monkeypatch.setattr("nnrun.search.cluster.executor.own_probe", lambda engine, dtype: other)
    with pytest.raises(UsageError) as refused:
        Cluster(str(by_hand.file), None, None, any_bits=False)
    assert re.search(rf"numpy +{ours['traits']['numpy']} +1\.0", str(refused.value))
    cluster = Cluster(str(by_hand.file), None, None, any_bits=True)
    assert cluster.workers >= 1
    cluster.close()


def test_workers_without_room_are_told_by_name(
    by_hand: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Freight, "size", 10**18)
    heard: list[str] = []
    watcher = Watcher()
    monkeypatch.setattr(watcher, "say", heard.append)
    options = Options(cluster=str(by_hand.file))
    with pytest.raises(NnrunError, match="no worker of the cluster may train any more"):
        begin(load_config(None, ["data.split_seed=99"], text=CONFIG), tmp_path, options, watcher)
    refused = [line for line in heard if line.startswith("refused")]
    assert len(refused) == 2
    assert all("1,000,000,000,000,000,000 bytes of data, and" in line and "worker-" in line for line in refused)


def test_a_worker_has_its_next_trial_while_what_it_has_trained_comes_back(
    by_hand: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers of the first two are fetched when a third has been handed out; each worker has one at a time."""
    begun, at_work, most = set[int](), list[str](), list[int]()
    asked, fetch = Cluster._asked, Asking.fetch

    def noted(self: Cluster, work: Any, request: Any, crew: Crew, address: str) -> Any:
        begun.add(request["job"]["trials"][0]["number"])
        at_work.append(address)
        most.append(at_work.count(address))
        found = asked(self, work, request, crew, address)
        at_work.remove(address)
        return found

    def late(self: Asking, *given: Any) -> Any:
        if begun:
            until(lambda: len(begun) > 2)
        return fetch(self, *given)

    monkeypatch.setattr(Cluster, "_asked", noted)
    monkeypatch.setattr(Asking, "fetch", late)
    options = asking(stack=1, cluster=str(by_hand.file))
    found = begin(load_config(None, ["search.trials=4"], text=CONFIG), tmp_path / "there", options, Watcher())
    assert [record["status"] for record in found.records] == ["done"] * 4
    assert set(most) == {1}


def test_a_worker_whose_disk_is_full_is_left_out_and_the_others_go_on(
    by_hand: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    watcher, told, asked = Watcher(), dict[str, str](), Cluster._asked
    monkeypatch.setattr(watcher, "say", heard.append)

    def full(self: Cluster, work: Any, request: Any, crew: Crew, address: str) -> Any:
        found = asked(self, work, request, crew, address)
        if not isinstance(found, Trained) or told.setdefault("full", address) != address:
            return found
        return {"failure": {"error": "OSError: [Errno 28] No space left on device", "disk_full": True}}

    monkeypatch.setattr(Cluster, "_asked", full)
    expected = begin(load_config(None, text=CONFIG), tmp_path / "here", asking(stack=1), Watcher())
    found = begin(
        load_config(None, text=CONFIG), tmp_path / "there", asking(stack=1, cluster=str(by_hand.file)), watcher
    )
    assert left(found.run) == left(expected.run)
    (line,) = [line for line in heard if line.startswith("refused")]
    assert "No space left on device" in line and told["full"] in line
