"""What a search keeps of its data for workers that come later, and a worker of what it was sent."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.errors import DataError, ShortageError
from nnrun.runs.preparing import CACHE
from nnrun.runs.removing import Removal, cached, remove
from nnrun.search.cluster import seat, worker
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.crew import USUAL, Crew
from nnrun.search.cluster.departures import Departures
from nnrun.search.cluster.executor import BROKEN, Cluster
from nnrun.search.cluster.parcels import Freight
from nnrun.search.cluster.worker import Request, attempt
from nnrun.search.executors import SentJob, guarded
from nnrun.search.study import Watcher
from nnrun.search.trials import dataset_of
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand
from tests.search.cluster.remains import left
from tests.search.conftest import CONFIG, Hearing

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

TABLE = "\n".join(["a,b", *(f"{i},{i % 7}" for i in range(60))])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def job(table: Path, tmp_path: Path) -> SentJob:
    config = load_config(None, [f"data.source={table}", "data.target=b", "data.task=regression"], text=CONFIG).config
    return {"cache": str(tmp_path / "cache"), "trials": [{"number": 0, "config": config.resolved()}]}


@pytest.fixture
def ready() -> Iterator[Departures]:
    with closing(Departures()) as made:
        yield made


def freight_of(job: SentJob, ready: Departures) -> Freight:
    (freight,) = ready.entries_of(job).values()
    return freight


def test_data_stay_as_they_were_though_cache_and_source_go(
    job: SentJob, ready: Departures, table: Path, tmp_path: Path
) -> None:
    freight = freight_of(job, ready)
    before = [*freight.chunks()]
    assert before
    for entry in (tmp_path / "cache").glob("[!.]*"):
        shutil.rmtree(entry)
    table.write_text(TABLE + "\n99,99")
    assert freight_of(job, ready) is freight
    assert [*freight.chunks()] == before
    freight.check()
    ready.close()
    assert [*(tmp_path / "cache").iterdir()] == []


def test_data_that_cannot_be_linked_and_go_are_told(
    job: SentJob, ready: Departures, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(source: Path, goal: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    freight = freight_of(job, ready)
    assert freight.folder.parent == tmp_path / "cache"
    os.truncate(freight.folder / "data.json", 1)
    with pytest.raises(DataError, match="has changed since the search looked at it"):
        freight.check()
    shutil.rmtree(freight.folder)
    with pytest.raises(DataError, match=r"No such file or directory; .* has changed .*; resuming it looks again"):
        [*freight.chunks()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a worker that is this process."""
    store, pool = tmp_path / "store", SimpleNamespace(do=lambda work, job, is_wanted: guarded(work, job))
    store.mkdir()
    monkeypatch.setattr(worker, "_store", lambda: store)
    monkeypatch.setattr(worker, "_pool", lambda memory: pool)
    monkeypatch.setattr(worker, "_probes", {json.dumps(USUAL): {"bits": "b", "traits": {}, "here": {}}})
    return store


def send(freight: Freight, sender: str = "one") -> bool:
    """As a search does."""
    if worker.begin_folder(freight.digest, freight.size, sender):
        for name, start, chunk in freight.chunks():
            worker.receive(sender, name, start, chunk)
        return worker.end_folder(freight.digest, sender)
    return True


def rows(job: SentJob) -> dict[str, Any]:
    """What an attempt comes to that reads the data."""
    return {"rows": dataset_of(Config.from_values(job["trials"][0]["config"]), job).sizes["rows"]}


def request(job: SentJob, ready: Departures) -> Request:
    entries = {section: freight.digest for section, freight in ready.entries_of(job).items()}
    return {
        "job": job,
        "kind": USUAL,
        "bits": "b",
        "entries": entries,
        "parent": None,
        "timeout": None,
        "memory": None,
    }


@pytest.mark.parametrize("harm", ["nothing", "cut", "file", "folder"])
def test_a_worker_asks_again_for_what_it_has_lost(harm: str, here: Path, job: SentJob, ready: Departures) -> None:
    asked, freight = request(job, ready), freight_of(job, ready)
    assert send(freight)
    (array,) = (here / freight.digest).glob("train_x.npy")
    if harm == "cut":
        os.truncate(array, 100)
    elif harm == "file":
        array.unlink()
    elif harm == "folder":
        shutil.rmtree(here / freight.digest)
    if harm != "nothing":
        assert attempt(rows, asked) == {"need": [freight.digest]}
        assert send(freight)
    left = attempt(rows, asked)
    assert callable(left)
    assert sum(json.loads(left())["rows"].values()) == 60


def test_a_trial_that_fails_by_itself_is_told(here: Path, job: SentJob, ready: Departures) -> None:
    def fail(job: SentJob) -> dict[str, Any]:
        raise ValueError("no")

    assert send(freight_of(job, ready))
    assert attempt(fail, request(job, ready)) == {"failure": {"error": "ValueError: no", "disk_full": False}}


def test_so_is_that_no_child_could_be_started(here: Path, job: SentJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the answer to the look at the worker: an error of this kind would end as that of a scheduler that is gone."""

    def done(*asked: object, **limits: object) -> Any:
        raise ShortageError("no worker could be started")

    monkeypatch.setattr(worker, "_done", done)
    told = json.loads(worker.examine(json.dumps({"kind": {"engine": "numpy", "dtype": "float32"}, "memory": None})))
    assert (told["error"], "bits" in told) == ("no worker could be started", False)


def test_what_cannot_be_packed_is_told(
    here: Path, job: SentJob, ready: Departures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it has been told already that it is trained."""

    def packed(folder: Path) -> bytes:
        raise MemoryError("no room")

    monkeypatch.setattr(worker, "packed", packed)
    leaving = {**job, "folder": "", "here": {"git": None}, "trials": [{**job["trials"][0], "resume": None}]}
    assert send(freight_of(job, ready))
    told = list[seat.Told]()
    sitting = seat.Seat("task", told.append)
    with sitting.packer:
        sitting.put("t", rows, json.dumps(request(leaving, ready)))  # type: ignore[arg-type]
        sitting.train(*sitting.jobs.get())
    assert [each["size"] is None for each in told] == [True, False]
    assert json.loads(sitting.answers["t"]) == {"failure": {"error": "MemoryError: no room", "disk_full": False}}
    assert [*here.glob(".*")] == []


def test_two_searches_send_the_same_at_once(here: Path, job: SentJob, ready: Departures) -> None:
    freight = freight_of(job, ready)
    assert worker.begin_folder(freight.digest, freight.size, "slow")
    pieces = [*freight.chunks()]
    for name, start, chunk in pieces[1:]:
        worker.receive("slow", name, start, chunk)
    assert send(freight, "fast")
    worker.receive("slow", *pieces[0])
    assert worker.end_folder(freight.digest, "slow")
    assert [path.name for path in here.iterdir()] == [freight.digest]
    assert Freight.of(here / freight.digest).digest == freight.digest


def test_what_nobody_sends_any_more_makes_room(here: Path, job: SentJob, ready: Departures) -> None:
    freight, long_ago = freight_of(job, ready), time.time() - 2 * worker.UNTIL_UNUSED
    for sender in ("gone", "slow"):
        assert worker.begin_folder(freight.digest, freight.size, sender)
    for sender in ("gone", "slow"):
        os.utime(here / f"coming-{sender}", (long_ago, long_ago))
    worker.receive("slow", "data.json", 0, b"{}")
    assert send(freight)
    assert {path.name for path in here.iterdir()} == {freight.digest, "coming-slow"}


def test_data_that_no_trial_has_needed_for_long_make_room(
    here: Path, job: SentJob, ready: Departures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not before there is none; what a trial was begun with just now stays."""
    asked, freight, long_ago = request(job, ready), freight_of(job, ready), time.time() - 2 * worker.UNTIL_UNUSED
    for name in ("old", "older", freight.digest):
        shutil.copytree(freight.folder, here / name)
        for path in [here / name, *(here / name).rglob("*")]:
            os.utime(path, (long_ago, long_ago))
    attempt(rows, asked)
    assert worker.begin_folder("new", 10, "one")
    assert {path.name for path in here.glob("[!.]*")} == {"old", "older", freight.digest, "coming-one"}
    monkeypatch.setattr(worker, "_free", lambda: 0 if (here / "old").exists() else 10)
    with pytest.raises(worker.TooFullError, match="11 bytes of data, and 10 are free"):
        worker.begin_folder("new", 11, "two")
    assert {path.name for path in here.glob("[!.]*")} == {freight.digest, "coming-one"}
    assert worker.begin_folder("new", 10, "two")


def test_the_cache_may_be_cleaned_while_a_search_is_on_a_cluster(
    by_hand: ByHand, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any worker has its data: those that come later are in the same place."""
    settings = [f"data.source={table}", "data.target=b", "data.task=regression", "search.trials=4"]
    expected = begin(load_config(None, settings, text=CONFIG), tmp_path / "here", asking(stack=1), Watcher())
    sendings, removals, sent = list[str](), list[Removal](), Cluster._send

    def noted(self: Cluster, freight: Freight, crew: Crew, address: str) -> bool:
        removals.extend(cached(tmp_path / "there"))
        remove(cached(tmp_path / "there"))
        sendings.append(address)
        return sent(self, freight, crew, address)

    monkeypatch.setattr(Cluster, "_send", noted)
    options = asking(stack=1, cluster=str(by_hand.file))
    found = begin(load_config(None, settings, text=CONFIG), tmp_path / "there", options, Watcher())
    assert removals and sendings
    assert left(found.run) == left(expected.run)
    assert [*(tmp_path / "there" / CACHE).iterdir()] == []


def test_a_worker_that_keeps_nothing_whole_is_left_out(
    by_hand: ByHand, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, asked = list[str](), Cluster._asked

    def lost(self: Cluster, work: Any, request: Any, crew: Crew, address: str) -> Any:
        return (
            {"need": [*request["entries"].values()]} if broken == address else asked(self, work, request, crew, address)
        )

    with connected(str(by_hand.file)) as client:
        broken = min(client.nthreads())
    monkeypatch.setattr(Cluster, "_asked", lost)
    settings = [f"data.source={table}", "data.target=b", "data.task=regression", "search.trials=4"]
    options = asking(stack=1, cluster=str(by_hand.file))
    found = begin(load_config(None, settings, text=CONFIG), tmp_path / "there", options, Hearing(heard.append))
    assert [record["status"] for record in found.records] == ["done"] * 4
    (line,) = [line for line in heard if line.startswith("refused")]
    assert broken in line and line.endswith(BROKEN)
