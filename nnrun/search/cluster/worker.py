"""What runs on a worker of a cluster: it keeps what it was sent in a folder of its own, and trains in a child process.

The child is that of a local pool. So it has one thread, a limit of memory and of time, and can be killed; and a crash
of a trial is told apart from the end of the worker. It has one job at a time, of whichever search, and is killed when
nobody waits for that any more.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NotRequired, TypedDict, cast

from nnrun.errors import ShortageError
from nnrun.runs.finding import trial_name
from nnrun.runs.records import Environment
from nnrun.search.cluster.parcels import is_as_sent, packed
from nnrun.search.cluster.sameness import Kind, Probe, probe, probe_job
from nnrun.search.executors import BETWEEN_LOOKS, Failure, Pool, Result, SentJob, Work, WorkerDiedError, failure_of
from nnrun.search.executors import Job as AJob
from nnrun.search.trials import Job

PROTOCOL = 1  # of how jobs come: as messages to a task
FOLDER, UNFINISHED, COMING = "nnrun", ".unfinished-", "coming-"
ENDING = ("closing", "closed", "failed")  # what dask calls a worker that takes nothing and sends nothing any more
UNTIL_UNUSED = 600  # seconds in which nobody has sent a piece of a folder, or begun a trial that needs it
Train = Callable[[SentJob], Any]
Left = Callable[[], bytes]  # packs what training has left: the parcel of its directories, or an answer without any


class Request(TypedDict):
    """A job as it travels: what it needs of folders is named by their content."""

    job: SentJob
    kind: Kind
    bits: str  # that this worker's training came to: another process may have its address by now
    entries: dict[str, str]  # prepared data, by data section
    parent: str | None  # the directory of the trial that is continued
    timeout: float | None
    memory: int | None


class Refusal(TypedDict):
    """Why nothing was trained: one of these."""

    need: NotRequired[list[str]]  # folders that are to be sent first
    changed: NotRequired[bool]  # this process was not looked at
    failure: NotRequired[Failure]
    died: NotRequired[int]  # exit code of the child
    late: NotRequired[bool]


class NotTrainedError(Exception):
    """An attempt that came to nothing."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal)


class TooFullError(Exception):
    """Raised where there is no room for the data."""


_child = threading.Lock()  # held by whoever has it at work: dask may have several threads for tasks here
_probes: dict[str, Probe] = {}  # of this process, by kind


def examine(text: str) -> str:
    """The probe of this worker, made where its trials train."""
    with suppress(OSError):  # of which trials tell
        _store()  # where that is only a task can ask, and data may come before the first trial
    request = json.loads(text)
    kind: Kind = request["kind"]
    try:
        with _turn():
            result = _done(probe, probe_job(kind), request["memory"], timeout=None)
    except ShortageError as error:
        result = failure_of(error)
    if "bits" in result:
        _probes[json.dumps(kind)] = result
    return json.dumps({**result, "protocol": PROTOCOL})


def begin_folder(name: str, size: int, sender: str) -> bool:
    """Whether the folder of that content has to be sent; TooFullError where there is no room for it."""
    if (_store() / name).is_dir():
        return False
    _drop_unused(f"{COMING}*")
    if size > _free():
        _drop_unused("[!.]*")  # of searches that are over, or trials that were continued; whoever needs it says so
    if size > (free := _free()):
        raise TooFullError(f"{size:,} bytes of data, and {free:,} are free in {_store()}")
    _coming(sender).mkdir()
    return True


def _free() -> int:
    return shutil.disk_usage(_store()).free


def _drop_unused(pattern: str) -> None:
    for folder in _store().glob(pattern):
        if not _is_used(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_used(folder: Path) -> bool:
    """Whether somebody sends it, or trains by it: another search may, and none that is gone."""
    with suppress(OSError):  # it has just arrived
        return time.time() - max(path.stat().st_mtime for path in [folder, *folder.rglob("*")]) < UNTIL_UNUSED
    return True


def receive(sender: str, file: str, start: int, chunk: bytes) -> None:
    """A piece of a file of a folder that is on its way."""
    path = _coming(sender) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if start else "wb") as opened:
        opened.seek(start)
        opened.write(chunk)


def end_folder(name: str, sender: str) -> bool:
    """Put the folder in its place, if it has the content that it is named by, and none is there that another sent."""
    whole = is_as_sent(_coming(sender), name)
    if whole:
        with suppress(OSError):
            _coming(sender).rename(_store() / name)
    shutil.rmtree(_coming(sender), ignore_errors=True)
    return whole


def attempt(work: Train, request: Request) -> Left | Refusal:
    """Train the trials of a request."""
    try:
        with _turn():
            return _attempted(work, request)
    except NotTrainedError as error:
        return error.refusal
    except WorkerDiedError as error:
        return {"died": error.code}
    except TimeoutError:
        return {"late": True}
    except Exception as error:
        return _failed(request, failure_of(error))


def _failed(request: Request, failure: Failure) -> Refusal:
    """What is told of it, unless something that was sent is damaged by now, which is to come again.

    Whoever cleans up temporary files takes what has not been read for days, and a child that is new reads it.
    """
    damaged = [name for name in _named(request) if not is_as_sent(_store() / name, name)]
    for name in damaged:
        shutil.rmtree(_store() / name, ignore_errors=True)
    return {"need": damaged} if damaged else {"failure": failure}


def _named(request: Request) -> list[str]:
    return sorted({*request["entries"].values(), *([request["parent"]] if request["parent"] else [])})


def _attempted(work: Train, request: Request) -> Left:
    known = _probes.get(json.dumps(request["kind"]))
    if known is None or known["bits"] != request["bits"]:
        raise NotTrainedError({"changed": True})
    if missing := [name for name in _named(request) if not (_store() / name).is_dir()]:
        raise NotTrainedError({"need": missing})
    for name in _named(request):
        os.utime(_store() / name)
    with ExitStack() as held:
        temporary = TemporaryDirectory(prefix=UNFINISHED, dir=_store(), ignore_cleanup_errors=True)
        folder = Path(held.enter_context(temporary))
        result = _done(work, _placed(request, known, folder), request["memory"], request["timeout"])
        if "error" in result:
            raise NotTrainedError(_failed(request, result))
        if "folder" not in request["job"]:
            return partial(bytes, json.dumps(result).encode())
        return partial(_parcel, request, folder, held.pop_all())


def _parcel(request: Request, folder: Path, held: ExitStack) -> bytes:
    """The directories that were left in a folder, which is removed."""
    with held:
        shutil.rmtree(folder / _continued(request), ignore_errors=True)
        return packed(folder)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until the child has nothing to do; NotTrainedError where nobody wants to know by then."""
    while not _child.acquire(timeout=BETWEEN_LOOKS):
        if not _is_wanted():
            raise NotTrainedError({})
    try:
        yield
    finally:
        _child.release()


def _done(work: Work[AJob, Result], job: AJob, memory: int | None, timeout: float | None) -> Result | Failure:
    """What the child makes of a job; where nobody waits for that any more it is killed, which WorkerDiedError tells."""
    pool = _pool(memory)
    pool.timeout = timeout
    return pool.do(work, job, _is_wanted)


def _is_wanted() -> bool:
    """Whether somebody waits for the task of this thread.

    The scheduler tells a worker to let go of tasks that were cancelled, and of those whose client is gone: however that
    has ended, its connection has ended too, and that of one which only stands still has not. What a worker does that
    was told to end reaches nobody.
    """
    from distributed import get_worker

    here = get_worker()
    task = here.state.tasks.get(here.get_current_task())
    return task is not None and task.state != "cancelled" and here.status.name not in ENDING


def _placed(request: Request, known: Probe, folder: Path) -> SentJob:
    """The job with the folders of this worker in the place of the parent's."""
    entries = {section: str(_store() / name) for section, name in request["entries"].items()}
    placed: SentJob = {**request["job"], "cache": str(folder), "entries": entries}
    if "folder" not in placed:
        return placed
    if request["parent"]:
        shutil.copytree(_store() / request["parent"], folder / _continued(request))
    job = cast(Job, placed)
    here: Environment = {**known["here"], "git": job["here"]["git"]}  # of the folder where the search was begun
    return cast(SentJob, {**job, "folder": str(folder), "here": here})


def _continued(request: Request) -> str:
    resumed = request["job"]["trials"][0]["resume"]
    return "none" if resumed is None else trial_name(resumed)


def _coming(sender: str) -> Path:
    return _store() / f"{COMING}{sender}"


@cache
def _store() -> Path:
    """The worker's own folder, which ends with it."""
    from distributed import get_worker

    folder = Path(get_worker().local_directory) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _pool(memory: int | None) -> Pool:
    """The child, with as much memory as was asked for, else as the worker may take."""
    from distributed import get_worker

    return Pool(1, None, memory or get_worker().memory_manager.memory_limit)
