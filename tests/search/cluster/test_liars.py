"""Workers that train and then send something else, or too much of it: refused by name, and nothing of it is kept."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.files import sealed_text
from nnrun.search.cluster.allowance import ROOM
from nnrun.search.cluster.arrivals import Arrivals
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.executor import LONGEST_WORDS, Cluster
from nnrun.search.executors import SentJob
from nnrun.search.running import SearchOutcome
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

TOO_LARGE, WITH_HEADER = ROOM * 3 // 2, ROOM * 17 // 16  # the latter for a trial, not for a parcel and its header
Lie = Callable[[Callable[[], None]], None]
Sending = Callable[..., None]


@pytest.fixture
def lie(by_hand: ByHand) -> Iterator[Lie]:
    """Has all workers do something first, until the test is over. What is defined within a function they are sent."""

    def honest() -> None:
        from nnrun.search.cluster import parcels, seat, worker

        worker.packed = parcels.packed
        seat.len = len  # type: ignore[attr-defined]

    with connected(str(by_hand.file)) as client:
        yield client.run
        client.run(honest)


@pytest.fixture
def sending(lie: Lie) -> Sending:
    """Each trial comes with a file of so much content as often as that."""

    def sending(name: str, content: bytes, times: int = 1) -> None:
        def begin_to_lie() -> None:
            from nnrun.search.cluster import parcels, worker

            def packed(folder: Path) -> bytes:
                for trial in folder.glob("0*"):
                    (trial / name).write_bytes(content * times)
                return parcels.packed(folder)

            worker.packed = packed

        lie(begin_to_lie)

    return sending


@pytest.fixture
def told_small(lie: Lie) -> None:
    """The search is told that what comes has ten bytes."""

    def begin_to_lie() -> None:
        from nnrun.search.cluster import seat

        seat.len = lambda held: 10  # type: ignore[attr-defined]

    lie(begin_to_lie)


def searched(by_hand: ByHand, folder: Path) -> SearchOutcome:
    """Two trials, which have to fail, and to leave nothing."""
    options = asking(stack=1, cluster=str(by_hand.file))
    found = begin(load_config(None, ["search.trials=2"], text=CONFIG), folder, options, Watcher())
    assert [record["status"] for record in found.records] == ["failed", "failed"]
    assert [*found.run.path.rglob("extra")] == [*(found.run.path / "trials").iterdir()] == []
    return found


def test_more_than_a_trial_can_leave_is_not_fetched(
    by_hand: ByHand, sending: Sending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending("extra", b"x", TOO_LARGE)
    fetched = list[int]()
    monkeypatch.setattr(Arrivals, "settle", lambda self, job, parcel, *other: fetched.append(len(parcel)))
    for record in searched(by_hand, tmp_path).records:
        words = record["error"] or ""
        assert words.startswith("what worker tcp://127.0.0.1:") and " on " in words
        assert f" sent back of trial {record['number']} is refused: it has 2" in words
        assert words.endswith(" are the most that such a training can leave")
    assert fetched == []


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (TOO_LARGE, r"it has 2.,...,... bytes, where 2"),
        (WITH_HEADER, rf"it has 1.,...,... bytes in (\d+), {WITH_HEADER:,} of them in \1/extra, where 1"),
    ],
)
def test_nor_written_where_a_worker_says_that_it_is_small(
    size: int, words: str, by_hand: ByHand, sending: Sending, told_small: None, tmp_path: Path
) -> None:
    sending("extra", b"x", size)
    for record in searched(by_hand, tmp_path).records:
        assert re.search(f"trial {record['number']} is refused: {words}", record["error"] or "")


def test_a_config_that_is_none_ends_no_search(by_hand: ByHand, sending: Sending, tmp_path: Path) -> None:
    """Though its checksum is right."""
    sending("resolved.yaml", sealed_text("networks: {}\n").encode())
    for record in searched(by_hand, tmp_path).records:
        assert re.search(f"trial {record['number']} is refused: .*networks: unknown key", record["error"] or "")


@pytest.fixture
def cluster(by_hand: ByHand) -> Iterator[Cluster]:
    with closing(Cluster(str(by_hand.file), None, None, any_bits=False)) as cluster:
        yield cluster


def job(folder: Path, **more: Any) -> SentJob:
    """One that leaves no directory."""
    trial = {"number": 7, "config": load_config(None, text=CONFIG).config.resolved(), **more}
    return {"cache": str(folder), "trials": [trial]}


def test_an_answer_is_bounded_too(cluster: Cluster, tmp_path: Path) -> None:
    """It is the job itself here."""
    small, large = (cluster.submit(copy.copy, job(tmp_path, padding=" " * n)).result() for n in (9, TOO_LARGE))
    assert small["trials"][0]["padding"] == " " * 9
    assert re.match("what worker .* sent back of trial 7 is refused: it has 2.,...,... bytes, where 1", large["error"])


def test_the_words_of_a_failure_are_bounded_too(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "_asked", lambda *given: {"failure": {"error": "no " * TOO_LARGE}})
    found = cluster.submit(copy.copy, job(tmp_path)).result()
    assert found["error"] == ("no " * LONGEST_WORDS)[:LONGEST_WORDS]
