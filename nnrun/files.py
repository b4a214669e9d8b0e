"""Writing files so that a reader, or a crash at any instant, finds the old content or the new one, never a mixture."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nnrun.errors import DataError
from nnrun.machine.posix import try_lock

TEMPORARY = ".temporary"
LOCK_ATTEMPTS = 10
SECONDS_UNTIL_ABANDONED = 24 * 3600


def write_atomically(path: Path, content: bytes, durable: bool = False) -> None:
    """Replace a file as a whole; `durable` also survives a power cut."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable:
        _make_names_durable(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder for the block to write to; it becomes `path` when the block ends well.

    Whatever ends the block early leaves nothing behind. An OSError tells the name of the file that was meant.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of the block tells this file's name; one of a write, such as of a full disk, knows none itself."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def _make_names_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The records of an append-only file; a torn last line is forgiven, a missing file is empty.

    Raises DataError at any other line that is no JSON object.
    """
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    return [_record(line, path, number) for number, line in enumerate(lines, start=1)]


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not valid JSON ({error})") from None
    if not isinstance(record, dict):
        raise DataError(f"{path}:{number}: not a JSON object, but {type(record).__name__}")
    return record


def drop_unfinished(folder: Path) -> None:
    """Remove what killed processes left of files; call it only where nobody else is writing."""
    for temporary in folder.glob(f".*{TEMPORARY}"):
        temporary.unlink()


def drop_abandoned(root: Path, beginning: str) -> None:
    """Remove folders so named, which processes that were killed while filling them left more than a day ago."""
    for folder in root.glob(f"{beginning}*"):
        with suppress(FileNotFoundError):  # another process has just finished it
            if time.time() - folder.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def drop_torn_line(path: Path) -> None:
    """Cut off what a killed process left of a line, so that the next one does not stick to it."""
    if path.exists():
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            write_atomically(path, content[: content.rfind(b"\n") + 1])


def lock_exclusively(descriptor: int) -> bool:
    """Take the lock of an open file; readers who ask for a status hold it too, for an instant: wait for them."""
    for _ in range(LOCK_ATTEMPTS):
        if try_lock(descriptor, exclusive=True):
            return True
        time.sleep(0.02)
    return False
