"""The task that sits on a worker, and the messages by which it has its jobs."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.search.cluster import seat
from nnrun.search.cluster import worker as worker_side
from nnrun.search.cluster.asking import Asked, Asking
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.executor import Cluster
from nnrun.search.executors import SentJob, WorkerDiedError
from tests.search.cluster.conftest import PATIENCE, ByHand, until
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """A cluster of one."""
    with closing(ByHand(tmp_path_factory.mktemp("one"))) as cluster:
        cluster.worker("--no-nanny", "--resources", "room=1")
        yield cluster


@pytest.fixture
def search(worker: ByHand, tmp_path: Path) -> Iterator[Callable[[], Cluster]]:
    """Begins one, which has sent its data."""
    begun = list[Cluster]()

    def search() -> Cluster:
        begun.append(Cluster(str(worker.file), None, None, any_bits=False))
        assert done(begun[-1], tmp_path).result() == {}
        return begun[-1]

    yield search
    for each in begun:
        each.close()


def done(search: Cluster, folder: Path, what: str = "{}") -> Future[Any]:
    """A job that comes to what an expression comes to in the child."""
    config = load_config(None, text=CONFIG).config.resolved()
    work: Any = partial(eval, what)
    job: SentJob = {"cache": str(folder), "trials": [{"number": 0, "config": config}]}
    return search.submit(work, job)


def worker_that(status: str, ready: Sequence[int] = (), constrained: Sequence[int] = ()) -> Any:
    """What a seat sees of the worker it is on."""
    return SimpleNamespace(
        status=SimpleNamespace(name=status), state=SimpleNamespace(ready=ready, constrained=constrained)
    )


def is_reached(asking: Asking) -> bool:
    """Whether the worker is, without the scheduler."""
    return [each.is_set() for each in asking._straight.values()] == [True]


@contextmanager
def seated(worker: ByHand, name: str, seconds: float) -> Iterator[None]:
    """On the worker, which is there, a seat has another number of seconds."""

    def be(seconds: float) -> None:
        setattr(seat, name, seconds)

    with connected(str(worker.file)) as client:
        client.run(be, seconds)
        try:
            yield
        finally:
            client.run(be, getattr(seat, name))


@contextmanager
def always_at_work(search: Cluster, folder: Path) -> Iterator[None]:
    """Whenever one of its jobs has ended, the next one is there."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            assert done(search, folder, "__import__('time').sleep(0.05) or {}").result() == {}

    with ThreadPoolExecutor(2) as threads:
        going = [threads.submit(go_on) for _ in range(2)]
        try:
            time.sleep(0.3)
            yield
        finally:
            over.set()
    for each in going:
        each.result()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The worker of each task that is begun."""
    found, begin = list[str](), Asking._begun

    def noted(self: Asking, address: str, *given: Any) -> Any:
        found.append(address)
        return begin(self, address, *given)

    monkeypatch.setattr(Asking, "_begun", noted)
    return found


def test_one_task_has_many_jobs(
    search: Callable[[], Cluster], worker: ByHand, begun: list[str], tmp_path: Path
) -> None:
    cluster = search()
    time.sleep(5 * seat.LINGER)
    begun.clear()
    assert [each.result() for each in [done(cluster, tmp_path) for _ in range(20)]] == [{}] * 20
    assert len(begun) < 5  # one, but where this machine stands still
    time.sleep(5 * seat.LINGER)
    assert done(cluster, tmp_path).result() == {}  # the task has ended meanwhile
    assert len(begun) > 1
    assert not any(b"hand_over" in log.read_bytes() for log in worker.folder.glob("worker-*/log"))


def test_searches_take_turns(search: Callable[[], Cluster], tmp_path: Path) -> None:
    first, other = search(), search()
    with always_at_work(first, tmp_path):
        assert done(other, tmp_path).result(timeout=PATIENCE) == {}


def test_searches_that_take_turns_lose_nothing(search: Callable[[], Cluster], tmp_path: Path) -> None:
    """Though each has a new task for most of its jobs, and hears of the end of the last one at any time."""
    both = [search(), search()]
    found = [done(each, tmp_path) for each in both * 20]
    assert [each.result() for each in found] == [{}] * 40


@pytest.mark.parametrize("resources", [{}, {"room": 1}])
def test_other_tasks_take_turns_too(
    resources: dict[str, int], search: Callable[[], Cluster], worker: ByHand, tmp_path: Path
) -> None:
    with always_at_work(search(), tmp_path), connected(str(worker.file)) as client:
        assert client.submit(sum, [1, 2], pure=False, resources=resources).result(timeout=PATIENCE) == 3


@pytest.mark.parametrize("broken", ["before", "behind"])
def test_a_worker_that_cannot_be_reached_is_asked_by_the_scheduler(
    broken: str, search: Callable[[], Cluster], worker: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or not any more; a message that has arrived all the same is not taken twice."""
    straight, tried = Asking._straight_to, list[str]()

    async def cut(self: Asking, address: str, function: Any, *given: Any) -> Any:
        tried.append(function.__name__)
        if broken == "before":
            raise OSError
        found = await straight(self, address, function, *given)
        if function is seat.hand_over:
            raise OSError
        return found

    monkeypatch.setattr(Asking, "_straight_to", cut)
    cluster = search()
    if broken == "behind":
        until(lambda: is_reached(cluster._crew.asking))
    count = tmp_path / "count"
    write = f"open({str(count)!r}, 'a').write('x') and {{}}"
    with seated(worker, "LINGER", 2.0):  # of a busy machine, too, the next job is a message
        found = [done(cluster, tmp_path, write) for _ in range(5)]
        assert [each.result() for each in found] == [{}] * 5
    assert count.read_text() == "x" * 5
    assert tried == ["there"] if broken == "before" else tried.count("hand_over") == 1


@pytest.mark.parametrize("heard", ["straight", "in vain", "with no connection left"])
def test_the_end_of_a_job_is_told_straight_or_by_an_event(
    heard: str, search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that message is lost, the event that tells how large the answer is says it too."""
    straight, listened, events = Asking._straight_to, list[Any](), list[seat.Told]()

    async def cut(self: Asking, address: str, function: Any, *given: Any) -> Any:
        found = await straight(self, address, function, *given)
        if function is seat.end_of:
            listened.append(found)
            if heard == "in vain":
                raise OSError
        return found

    monkeypatch.setattr(Asking, "_straight_to", cut)
    monkeypatch.setattr(
        Asking, "_hear", lambda self, event, hear=Asking._hear: events.append(event[1]) or hear(self, event)
    )
    cluster = search()
    asking = cluster._crew.asking
    until(lambda: is_reached(asking))
    events.clear()
    if heard == "with no connection left":
        monkeypatch.setattr(asking._client.rpc, "limit", 0)
    assert done(cluster, tmp_path, "__import__('time').sleep(1) or {}").result() == {}
    assert sum(listened) == (
        heard != "with no connection left"
    )  # none of those that came before, as their jobs are short
    assert [each["size"] is None for each in events] == (
        [True, False] if heard == "with no connection left" else [False]
    )


def test_listening_leaves_half_of_the_connections_to_others(
    search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many jobs begin at once, when none of their connections is there yet."""
    asking, straight, listening = search()._crew.asking, Asking._straight_to, list[int]()
    until(lambda: is_reached(asking))

    async def slow(self: Asking, address: str, function: Any, *given: Any) -> Any:
        if function is not seat.end_of:
            return await straight(self, address, function, *given)
        listening.append(self._listening)
        return await asyncio.sleep(0.2)

    monkeypatch.setattr(Asking, "_straight_to", slow)
    monkeypatch.setattr(asking._client.rpc, "limit", 6)
    (address, task), *_ = asking._tasks.items()
    for each in [asking._in_background(asking._listen(Asked(str(n), address, task))) for n in range(20)]:
        each.result(PATIENCE)
    assert listening == [1, 2, 3] and asking._listening == 0


def test_who_asks_for_the_end_of_a_job_that_is_not_there_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not asyncio.run(seat.end_of("no task", "token"))
    here = seat.Seat("task", list[seat.Told]().append)
    monkeypatch.setitem(seat._seats, "task", here)
    here.put("token", lambda job: {}, json.dumps({"kind": {}}))
    here.train(*here.jobs.get())  # of which an event tells
    assert not asyncio.run(seat.end_of("task", "token"))


def test_a_question_that_was_given_up_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the worker is told to end meanwhile."""
    here, heard = seat.Seat("task", list[seat.Told]().append), list[Any]()
    monkeypatch.setitem(seat._seats, "task", here)
    here.put("token", dict, json.dumps({"kind": {}}))

    async def give_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, problem: heard.append(problem))
        asked = asyncio.create_task(seat.end_of("task", "token"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.sleep(0)
        here.train(*here.jobs.get())
        await asyncio.sleep(0.01)

    asyncio.run(give_up())
    assert not heard


@pytest.mark.parametrize("way", ["refused", "not begun"])
def test_who_asks_for_the_end_of_a_job_that_is_not_trained_learns_so(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event tells why, and until then it must not count as trained; where it was not begun the task tells."""
    told = list[seat.Told]()
    here = worker_that("running")
    here.get_current_task, here.log_event = (lambda: "task"), (lambda topic, event: told.append(event))
    monkeypatch.setattr("distributed.get_worker", lambda: here)
    listening = threading.Event()

    def attempt(*given: Any) -> Any:
        assert listening.wait(PATIENCE)
        if way == "refused":
            return {"changed": True}
        raise SystemExit

    async def listen() -> bool:
        while "task" not in seat._seats:
            await asyncio.sleep(0.01)
        end = asyncio.create_task(seat.end_of("task", "token"))
        await asyncio.sleep(0)
        listening.set()
        return await end

    monkeypatch.setattr(seat, "attempt", attempt)
    with ThreadPoolExecutor() as threads:
        sitting = threads.submit(seat.sit, "token", dict, "{}", "topic")
        assert asyncio.run(asyncio.wait_for(listen(), PATIENCE)) is False
        assert isinstance(sitting.exception(), SystemExit) == (way == "not begun")
    assert [each["refused"] for each in told] == ([True] if way == "refused" else [])


def test_an_answer_that_does_not_arrive_is_that_of_a_worker_that_was_lost(
    search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So its job is done again, as often as those of workers are that leave."""
    cluster, straight = search(), Asking._straight_to
    until(lambda: is_reached(cluster._crew.asking))

    async def cut(self: Asking, address: str, function: Any, *given: Any) -> Any:
        found = await straight(self, address, function, *given)
        if function is seat.answer:
            raise OSError
        return found

    monkeypatch.setattr(Asking, "_straight_to", cut)
    with pytest.raises(WorkerDiedError) as lost:
        done(cluster, tmp_path).result()
    assert lost.value.killed
    assert done(cluster, tmp_path).result() == {}


def test_nothing_is_kept_of_a_worker_that_was_lost(
    search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have its address, in which no task sits, and which may be one that only the scheduler reaches."""
    cluster = search()
    asking = cluster._crew.asking
    until(lambda: is_reached(asking))
    assert len(asking._tasks) == 1

    def lost(self: Asking, *given: Any) -> None:
        raise WorkerDiedError(1)

    with monkeypatch.context() as patch:
        patch.setattr(Asking, "_wait", lost)
        with pytest.raises(WorkerDiedError):
            done(cluster, tmp_path).result()
    assert not asking._tasks and not asking._straight and not asking._asked
    assert done(cluster, tmp_path).result() == {}


def test_a_worker_that_was_begun_anew_at_its_address_is_asked_by_the_scheduler(
    search: Callable[[], Cluster], worker: ByHand, tmp_path: Path
) -> None:
    """It has not been told to listen, which dask says in its own way."""
    cluster = search()
    until(lambda: is_reached(cluster._crew.asking))
    with connected(str(worker.file)) as client:
        client.run(lambda dask_worker: dask_worker.handlers.pop(seat.STRAIGHT) and None)
    assert done(cluster, tmp_path).result() == {}
    assert not is_reached(cluster._crew.asking)


def test_what_the_last_job_has_left_is_packed_at_once(
    search: Callable[[], Cluster], worker: ByHand, tmp_path: Path
) -> None:
    cluster = search()
    with seated(worker, "PUT_OFF", 1000.0):
        assert done(cluster, tmp_path).result() == {}


def test_all_searches_are_listened_to_in_one_way() -> None:
    """Dask remembers each that it has ever met."""
    worker: Any = SimpleNamespace(handlers={})
    told, (way,) = seat.listen(worker), [*worker.handlers.values()]
    assert seat.listen(worker) == told
    assert [*worker.handlers.values()] == [way]


def test_answers_go_with_their_search(
    search: Callable[[], Cluster], worker: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were not fetched."""

    def gone(self: Asking, asked: Asked, most: int) -> bytes:
        self.wait_for(asked)
        raise WorkerDiedError(1)

    cluster = search()
    monkeypatch.setattr(Asking, "fetch", gone)
    with pytest.raises(WorkerDiedError):
        done(cluster, tmp_path).result()
    with connected(str(worker.file)) as client:

        def kept() -> list[int]:
            return list(client.run(lambda: len(seat._answers)).values())

        time.sleep(5 * seat.LINGER)
        assert kept() == [1]
        cluster.close()
        until(lambda: kept() == [0])


def test_a_stranger_with_the_address_of_a_worker_is_asked_nothing(
    search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[str]()

    async def stranger(self: Asking, address: str, function: Any, *given: Any) -> Any:
        tried.append(function.__name__)
        return "another"

    monkeypatch.setattr(Asking, "_straight_to", stranger)
    cluster = search()
    assert [each.result() for each in [done(cluster, tmp_path) for _ in range(3)]] == [{}] * 3
    assert tried == ["there"]


def test_what_is_learned_late_of_a_worker_that_was_lost_holds_for_no_other(
    search: Callable[[], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, late, tried = Asking._straight_to, threading.Event(), list[str]()

    async def reach(self: Asking, address: str, function: Any, *given: Any) -> Any:
        tried.append(function.__name__)
        if len(tried) > 1:  # the other one, with the same address, is beyond reach
            raise OSError
        while not late.is_set():
            await asyncio.sleep(0.01)
        return await straight(self, address, function, *given)

    monkeypatch.setattr(Asking, "_straight_to", reach)
    cluster = search()
    asking = cluster._crew.asking
    for address in [*asking._tasks]:
        asking.forget(address)
    assert done(cluster, tmp_path).result() == {}
    late.set()
    time.sleep(0.3)
    assert done(cluster, tmp_path).result() == {}
    assert tried == ["there", "there"]


def test_an_answer_may_have_been_written_to_disk() -> None:
    """By dask, where the worker has little memory left."""
    held = SimpleNamespace(data={"task": seat.Answers(token=b"bytes")})
    assert seat.answer("task", "token", held) == b"bytes"  # type: ignore[arg-type]
    assert seat.answer("task", "token", held) is None  # type: ignore[arg-type]
    assert seat.answer("other", "token", held) is None  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(seat.Answers(token=b"bytes"))) == {"token": b"bytes"}


@pytest.mark.parametrize(
    ("status", "ready", "constrained"), [("paused", [], []), ("running", [1], []), ("running", [], [1])]
)
def test_nothing_is_waited_for_where_the_worker_is_wanted_or_out_of_memory(
    status: str, ready: list[int], constrained: list[int]
) -> None:
    assert seat._patience(worker_that("running")) == seat.LINGER
    assert seat._patience(worker_that(status, ready, constrained)) == 0


@pytest.mark.parametrize(("status", "wanted"), [("running", True), ("paused", True), ("closing", False)])
def test_what_a_worker_trains_that_was_told_to_end_is_wanted_by_nobody(
    status: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = worker_that(status)
    here.get_current_task = lambda: "task"
    here.state.tasks = {"task": SimpleNamespace(state="executing")}
    monkeypatch.setattr("distributed.get_worker", lambda: here)
    assert worker_side._is_wanted() == wanted


def test_a_job_that_comes_when_waiting_ends_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if timeout is not None:
                raise Empty
            return super().get()

    here = seat.Seat("task", list[seat.Told]().append)
    monkeypatch.setitem(seat._seats, "task", here)
    here.jobs = Late()
    assert seat.hand_over("task", "token", dict, "{}")
    assert seat._next(here, 0) == ("token", dict, "{}")
    assert seat._next(here, 0) is None and not seat.hand_over("task", "other", dict, "{}")


def test_what_cannot_be_packed_is_refused_with_the_reason() -> None:
    def left() -> bytes:
        raise OSError(28, "No space left on device")

    told = list[seat.Told]()
    here = seat.Seat("task", told.append)
    here._pack("token", left, 0.0)
    assert json.loads(here.answers["token"])["failure"]["disk_full"]
    assert told == [{"token": "token", "size": len(here.answers["token"]), "refused": True}]


def test_a_task_that_has_ended_takes_no_job() -> None:
    assert not seat.hand_over("no task", "token", dict, "{}")


def test_what_anybody_may_write_changes_nothing(search: Callable[[], Cluster], tmp_path: Path) -> None:
    asking = search()._crew.asking
    asked = asking._asked["token"] = Asked("token", "worker")
    for told in ({}, {"token": "other", "size": 1}, {"token": "token", "size": "many"}, 3, {"token": []}):
        asking._hear((0.0, told))
    assert not asked.has_ended and not asked.answered.is_set()
