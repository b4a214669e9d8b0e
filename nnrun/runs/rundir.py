"""The run directory, the only store: the names of its files, and how they are written and read."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnrun.errors import DataError, UsageError
from nnrun.files import (
    checksum,
    drop_torn_line,
    drop_unfinished,
    dumped,
    finite,
    identity,
    is_whole,
    json_lines,
    naming,
    put,
    read_regular,
    regular,
    sealed_document,
    to_json,
    write_atomically,
)
from nnrun.locks import drop_abandoned, filling, take_lock
from nnrun.machine.posix import is_locked, write_through
from nnrun.runs.links import refuse_links
from nnrun.runs.reading import RESTORE, Found, read_document, read_lines, read_written
from nnrun.runs.records import TRAINED, Checkpoint, Event, Row, RunRecord, RunStatus, Written
from nnrun.runs.tensors import read_tensors, write_tensors
from nnrun.text import encoded, on_screen

if TYPE_CHECKING:
    from nnrun.runs.tensors import Tensors

SCHEMA_VERSION = 1
CONFIG, RESOLVED, RECORD, DATA = "config.yaml", "resolved.yaml", "run.json", "data.json"
EPOCHS, EVENTS, LOG, LOCK, CHECKPOINTS = "metrics.jsonl", "events.jsonl", "log.txt", "run.lock", "checkpoints"
MEMBERS, CALIBRATION = "members.json", "calibration.json"
DIAGNOSIS, CURVE, PAGE, LESSON = "diagnosis.json", "learning_curve.json", "report.html", "lesson-{}.html"  # worked out
UNFINISHED = ".creating-"  # a directory that is not a run yet


class RunDir:
    """One run's folder.

    config.yaml  resolved.yaml  run.json  data.json  metrics.jsonl  events.jsonl  log.txt
    checkpoints/{best,last}.safetensors, each with its description as .json
    run.lock; what was worked out: calibration.json  diagnosis.json  learning_curve.json  report.html  lesson-NAME.html
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record: tuple[object, Found] | None = None  # run.json, and which file that was
        self._appending: dict[str, FileIO] = {}

    @classmethod
    def create(cls, root: Path, name: str, files: Callable[[str], Mapping[str, bytes | Path]]) -> RunDir:
        """A new directory under `root` with the files for its id; it gets its name only when it is complete.

        Raises UsageError where `root` cannot be written to.
        """
        with _made_under(root):
            root.mkdir(parents=True, exist_ok=True)
            drop_abandoned(root, UNFINISHED)
        while True:
            path = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"
            with contextlib.suppress(FileExistsError):
                return cls.create_at(path, files(path.name))

    @classmethod
    def create_at(cls, path: Path, files: Mapping[str, bytes | Path]) -> RunDir:
        """A new directory of this name, with files or copies; FileExistsError where something is there."""
        with contextlib.ExitStack() as stack:
            with _made_under(path.parent):
                unfinished = stack.enter_context(filling(path.parent, UNFINISHED))
            (unfinished / CHECKPOINTS).mkdir()
            for file, content in files.items():
                with naming(path / file):
                    put(unfinished / file, content)
            return cls(_rename(unfinished, path))

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def resolved(self) -> Path:
        """The config with every default filled in, from which the run can be trained again."""
        return self.path / RESOLVED

    @property
    def exists(self) -> bool:
        """Whether there is a run; of a folder that one may not look into that cannot be said."""
        return os.path.isfile(self.path / RECORD)  # noqa: PTH113  pathlib raises for a closed folder

    # what the run is

    def read(self, file: str) -> bytes:
        """A file of the run; DataError where it is missing."""
        try:
            return read_regular(self.path / file)
        except OSError as error:
            raise DataError(f"{self.path / file}: {error.strerror}; this is not a whole run directory") from error

    def write(self, file: str, content: str, durable: bool = False) -> None:
        """Replace a file of the run as a whole; `durable` also survives a power cut."""
        write_atomically(self.path / file, encoded(content), durable)

    def read_yaml(self, file: str) -> bytes:
        """The text of resolved.yaml or of a search's plan; DataError where it is missing or damaged."""
        content = self.read(file)
        if not is_whole(content):
            raise DataError(
                f"{self.path / file}: damaged, or changed by hand: its checksum is of another text; {RESTORE}, or take "
                "out the line with the checksum if the change is yours"
            )
        return content

    def read_json(self, file: str, kind: Any = dict) -> Found:
        """A JSON object, as a TypedDict has it; DataError where it is missing or damaged."""
        return read_document(self.read(file), str(self.path / file), kind)

    def read_record(self) -> RunRecord:
        """run.json as it is now; it is replaced as a whole, so the same file need not be read again."""
        now_there = identity(self.path / RECORD)
        if not self._record or self._record[0] != now_there:
            self._record = now_there, self.read_json(RECORD, RunRecord)
        return cast(RunRecord, self._record[1].copy())

    def update_record(self, **values: Any) -> None:
        """Set keys of run.json."""
        self.write(RECORD, text := sealed_document({**self.read_record(), **values}))
        self._record = identity(self.path / RECORD), read_written(text.encode(), str(self.path / RECORD))

    @property
    def status(self) -> RunStatus:
        """created, running, paused, done, diverged, failed or interrupted."""
        return self.status_of(self.read_record())

    def status_of(self, record: RunRecord) -> RunStatus:
        """The status by run.json and by what is there: a run that no process holds is not running."""
        recorded = cast(RunStatus, str(record.get("status")))
        return "interrupted" if recorded in TRAINED and not self._is_locked() else recorded

    # what happened

    def append(self, file: str, line: str) -> None:
        """Add a line to a file that only grows; it is written before this returns."""
        if file not in self._appending:
            self._appending[file] = FileIO(self.path / file, "a", opener=regular)
        rest, opened = line.encode() + b"\n", self._appending[file]
        with naming(opened.name):
            while rest:  # a disk that is nearly full takes a part without complaint
                rest = rest[opened.write(rest) :]

    def add_metrics(self, row: Row) -> Row:
        """Add an epoch to metrics.jsonl; the row as it will be read."""
        self.append(EPOCHS, dumped(written := finite(row)))
        return cast(Row, written)

    def event(self, kind: str, durable: bool = False, **details: Any) -> None:
        """Add a line to events.jsonl with the time; `durable`: it is on the disk before what it tells has an effect."""
        self.append(EVENTS, to_json({"time": now(), "event": kind, **details}))
        if durable:
            with naming(self.path / EVENTS):
                write_through(self._appending[EVENTS].fileno())

    def log(self, lines: Iterable[str]) -> None:
        """Add lines to log.txt."""
        for line in lines:
            self.append(LOG, on_screen(line))

    def metrics(self) -> list[Row]:
        """One record an epoch."""
        return cast(list[Row], self._lines(EPOCHS, Row))

    def events(self) -> list[Event]:
        """What happened besides epochs."""
        return cast(list[Event], self._lines(EVENTS, Event))

    def written(self) -> dict[str, Written]:
        """The length and checksum of each file that only grows, for run.json to have when nothing more is to come."""
        contents = {file: self.content(file) for file in (EPOCHS, EVENTS)}
        return {file: {"bytes": len(content), "checksum": checksum(content)} for file, content in contents.items()}

    def _lines(self, file: str, kind: Any) -> list[Found]:
        """What was written when run.json was completed must still be there; more may have come since."""
        while True:
            known = self._known(file)
            content = self.content(file)
            if known is None or checksum(content[: known["bytes"]]) == known["checksum"]:
                return read_lines(content, self.path / file, kind)
            if known == self._known(file):  # else the run has been resumed in between
                raise DataError(f"{self.path / file}: damaged: its checksum in {RECORD} is of other lines; {RESTORE}")

    def _known(self, file: str) -> Written | None:
        return (self.read_record().get("written") or {}).get(file) if self.exists else None

    def content(self, file: str) -> bytes:
        """What was appended to a file; nothing where it was never begun."""
        return self.read(file) if (self.path / file).exists() else b""

    def forget_metrics_after(self, epoch: int) -> list[Row]:
        """Drop the records of epochs that will be trained again, and a torn last line; those that stay."""
        records = self.metrics()
        kept = [record for record in records if record["epoch"] <= epoch]
        if len(kept) < len(records):
            self.write(EPOCHS, json_lines(kept))
        return kept

    def save_checkpoint(self, name: str, tensors: Tensors, description: Checkpoint) -> None:
        """Write checkpoints/NAME.safetensors, the description inside it, and the description as .json for readers."""
        path = self.checkpoint(name)
        write_tensors(path, tensors, description)
        write_atomically(path.with_suffix(".json"), to_json(description).encode() + b"\n")

    def load_checkpoint(
        self, name: str, shapes: Mapping[str, tuple[int, ...]] | None = None
    ) -> tuple[Tensors, Checkpoint] | None:
        """Tensors and description of `best` or `last`, as `read_tensors` does; None where there is none yet."""
        return read_tensors(path, shapes) if (path := self.checkpoint(name)).exists() else None

    def checkpoint(self, name: str) -> Path:
        """The file of `best` or `last`."""
        return self.path / CHECKPOINTS / f"{name}.safetensors"

    # one process at a time

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for training; UsageError where another process does, DataError for links in place of folders."""
        with self.held():
            refuse_links(self.path)
            for folder in (self.path, self.path / CHECKPOINTS):
                drop_unfinished(folder)
            yield

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run, to the process's death at most, for files beside run.json; UsageError where another does."""
        if not (lock := take_lock(self.path / LOCK)):
            raise UsageError(f"{self.path}: {self._holder()} is training this run")
        with lock:
            for file in (EPOCHS, EVENTS, LOG):
                drop_torn_line(self.path / file)
            try:
                yield
            finally:
                for opened in self._appending.values():
                    opened.close()
                self._appending.clear()

    def _holder(self) -> str:
        record = self.read_record()
        name = record["host"]["name"] if record.get("host") else None
        return f"process {record['process']} on {name}" if record.get("process") else "another process"

    def _is_locked(self) -> bool:
        if not (path := self.path / LOCK).exists():
            return False
        with FileIO(regular(path)) as lock:
            return is_locked(lock.fileno())


def now() -> str:
    """Local time with its offset, to the millisecond."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _rename(unfinished: Path, path: Path) -> Path:
    """Renaming onto a directory with something in it fails, so two runs can never share one."""
    try:
        return unfinished.rename(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise FileExistsError(error.errno, error.strerror, str(path)) from None
        raise


@contextlib.contextmanager
def _made_under(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"cannot make a run there ({error.strerror}); choose another folder with --runs DIR"
        raise UsageError(f"{root}: {why}") from error
