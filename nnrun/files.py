"""Writing files so that a reader, or a crash at any instant, finds the old content or the new one, never a mixture."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from io import FileIO
from pathlib import Path
from stat import S_ISREG
from typing import Any

from nnrun.errors import DataError, UsageError
from nnrun.machine.posix import NO_LINK, WITHOUT_WAITING, write_through

TEMPORARY = ".temporary"
CHECKSUM = "checksum"  # a key of a record
SEAM = f', "{CHECKSUM}": "'  # in front of the checksum of a line, which stands last
SEAL = "# checksum: "
MOST_BYTES = 1 << 30  # that are read at once
_NO_SYNC_OF_FOLDERS = {
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}  # of disks that write names by themselves


def write_atomically(path: Path, content: bytes, durable: bool = False) -> None:
    """Replace a file as a whole; `durable` also survives a power cut."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        file.write(content)
        if durable:
            file.flush()
            write_through(file.fileno())
    if durable:
        _make_names_durable(path.parent)


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """A temporary name in the same folder for the block to write to; it becomes `path` when the block ends well.

    FileExistsError where something is there by then that is not to be overwritten. Whatever ends the block early leaves
    nothing behind. An OSError tells the name of the file that was meant.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        yield temporary
        if overwrite or not _linked(path, temporary):
            temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def _linked(path: Path, temporary: Path) -> bool:
    """Whether the file has the name now, by a link: unlike a rename it takes nobody's place; some disks have none."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if isinstance(error, FileExistsError) or path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        return False
    temporary.unlink()
    return True


def regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Opens a file that may be a stranger's, as `open(…, opener=regular)`; DataError for what is in place of one.

    A pipe would keep one waiting, a device never ends, and a link that is written to may lead to a file of the user's.
    """
    is_written = bool(flags & (os.O_WRONLY | os.O_RDWR))
    try:
        descriptor = os.open(path, flags | WITHOUT_WAITING | (NO_LINK if is_written else 0), 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        why = "to which nothing is written" if is_written else "of which nothing is copied"
        what = f"a link, {why}" if os.path.islink(path) else "a pipe"  # noqa: PTH114
        raise DataError(f"{path}: {what}; a file belongs there") from error
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: a pipe, a device or a folder; a file belongs there")
    return descriptor


def read_regular(path: Path) -> bytes:
    """What such a file holds."""
    with FileIO(regular(path)) as file:
        if os.fstat(file.fileno()).st_size <= MOST_BYTES:
            return file.readall()
    raise DataError(f"{path}: larger than {MOST_BYTES >> 30} GiB, as no file of a run is")


def put(path: Path, content: bytes | Path) -> None:
    """Write a file that nobody reads yet, or copy one there, in a folder that is made for it."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    try:
        os.close(regular(content, os.O_RDONLY | NO_LINK))  # which refuses what is no file
        shutil.copyfile(content, path)
    except FileNotFoundError:
        raise
    except OSError as error:  # which names what was read, as if that were full
        raise OSError(error.errno, error.strerror) from error


@contextmanager
def naming(path: object) -> Iterator[None]:
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
        with naming(folder):
            write_through(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC_OF_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: numbers that are not finite become null."""
    return dumped(finite(value), indent)


def dumped(value: Any, indent: int | None = None) -> str:
    """Strict JSON of what `finite` has given."""
    return _encoder(indent).encode(value)


@cache
def _encoder(indent: int | None) -> json.JSONEncoder:
    """Made once, as a run writes a line an epoch."""
    return json.JSONEncoder(indent=indent, ensure_ascii=False, allow_nan=False)


def json_lines(records: Iterable[Any]) -> str:
    """A line each."""
    return "".join(to_json(record) + "\n" for record in records)


def csv_text(rows: Sequence[Mapping[str, Any]], usual: Sequence[str] = ()) -> str:
    """A line of titles and a line a row; every key that a row has is a column, without a row these usual ones.

    Truths, lists and mappings are as in a YAML file; nothing stands for none.
    """
    text = io.StringIO()
    titles = dict.fromkeys(key for row in rows for key in row) or usual
    writer = csv.DictWriter(text, list(titles), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, list, tuple, dict)) else value


def finite(value: Any) -> Any:
    """What a reader of the JSON finds: null for numbers that are not finite, text for keys, lists for tuples."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [item if type(item) is float and math.isfinite(item) else finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def checksum(content: bytes) -> str:
    """Sixteen letters by which damaged bytes are told from those that were written."""
    return hashlib.sha256(content).hexdigest()[:16]


def identity(path: Path) -> object:
    """What changes when a file is replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes; OSError where it cannot be read."""
    with FileIO(regular(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with a checksum of all its other keys in their order."""
    content = {key: value for key, value in record.items() if key != CHECKSUM}
    return content | {CHECKSUM: checksum(to_json(content).encode())}


def sealed_line(record: Mapping[str, Any]) -> str:
    """The record with its checksum as a line of JSON, whose content is written out only once."""
    content = to_json({key: value for key, value in record.items() if key != CHECKSUM})
    return f'{content.removesuffix("}")}{SEAM}{checksum(content.encode())}"}}'


def sealed_document(record: Mapping[str, Any]) -> str:
    """The record with its checksum as a file of JSON, a key a line."""
    return to_json(sealed(record), indent=2) + "\n"


def unsealed(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record without its checksum, if it has one; None where that is of another content."""
    content = {key: value for key, value in record.items() if key != CHECKSUM}
    try:
        return content if CHECKSUM not in record or sealed(content) == record else None
    except (ValueError, RecursionError):  # halves of letters, or nested deeper than what nnrun writes
        return None


def sealed_text(text: str) -> str:
    """Text of YAML under a comment with its checksum; in front, where a file that is cut short keeps it."""
    return f"{SEAL}{checksum(text.encode())}\n{text}"


def is_sealed(text: bytes) -> bool:
    """Whether YAML has such a comment in front, and so was written by nnrun."""
    return text.startswith(SEAL.encode())


def is_whole(text: bytes) -> bool:
    """Whether such text is what was written; early ones have no such comment."""
    first, _, rest = text.partition(b"\n")
    return not first.startswith(SEAL.encode()) or first[len(SEAL) :] == checksum(rest).encode()


def drop_unfinished(folder: Path) -> None:
    """Remove what killed processes left of files; call it only where nobody else is writing."""
    for temporary in folder.glob(f".*{TEMPORARY}"):
        temporary.unlink()


def drop_torn_line(path: Path) -> None:
    """Cut off what a killed process left of a line, so that the next one does not stick to it."""
    if path.exists():
        with FileIO(path, "r+", opener=regular) as file:
            content = file.readall()
        if content and not content.endswith(b"\n"):
            write_atomically(path, content[: content.rfind(b"\n") + 1])


def is_closed(folder: Path) -> bool:
    """Whether nothing may be written into a folder that is there."""
    return folder.is_dir() and not os.access(folder, os.W_OK, effective_ids=True)


def refuse_closed(folder: Path) -> None:
    """UsageError for such a folder, before work is done that nothing would be left of."""
    if is_closed(folder):
        raise UsageError(f"{folder}: cannot write there; nothing was changed, and a copy in a folder of yours would do")
