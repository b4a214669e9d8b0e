"""Folders that travel: what is sent is known by its content, and what comes back is written only if it is as it says.

A parcel is a header, a line of JSON that names files and sizes, and their bytes one after the other. So it has neither
links nor modes nor anything that grows when it is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from nnrun.errors import DataError
from nnrun.files import sha256_of

CHUNK = 1 << 22  # bytes that are sent at once
MOST_FILES, LONGEST_HEADER = 10_000, 1 << 22
CHANGED = "what workers are to be sent has changed since the search looked at it; resuming it looks again"
NAME = re.compile(r"(?:[\w.-]+/)+[\w.-]+", re.ASCII)  # of a file below a folder, as nnrun names them


class Sent(NamedTuple):
    """A file of a folder that a worker is to have."""

    size: int
    sha256: str


class Freight(NamedTuple):
    """A folder that a worker is to have, by its content."""

    folder: Path
    files: dict[str, Sent]
    digest: str

    @classmethod
    def of(cls, folder: Path) -> Freight:
        """Everything that lies in a folder; it is read once."""
        files = {name: Sent(path.stat().st_size, sha256_of(path)) for name, path in _files(folder)}
        return cls(folder, files, digest(files))

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(sent.size for sent in self.files.values())

    def chunks(self) -> Iterator[tuple[str, int, bytes]]:
        """Name of the file, place in it and bytes; an empty file has one empty chunk. DataError where one is gone."""
        for name, sent in self.files.items():
            try:
                with (self.folder / name).open("rb") as file:
                    for start in range(0, max(1, sent.size), CHUNK):
                        yield name, start, file.read(CHUNK)
            except OSError as error:
                raise DataError(f"{self.folder / name}: {error.strerror}; {CHANGED}") from None

    def check(self) -> None:
        """DataError where the folder is not what it was."""
        if not is_as_sent(self.folder, self.digest):
            raise DataError(f"{self.folder}: {CHANGED}")


def digest(files: Mapping[str, Sequence[int | str]]) -> str:
    """One name for all of it."""
    return hashlib.sha256(json.dumps({name: [*files[name]] for name in sorted(files)}).encode()).hexdigest()


def is_as_sent(folder: Path, expected: str) -> bool:
    """Whether a folder has the content of that name."""
    return Freight.of(folder).digest == expected


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


class Header(TypedDict):
    """The first line of a parcel."""

    files: dict[str, int]  # sizes, in the order of the bytes
    sha256: str  # of all bytes behind this line


def packed(folder: Path) -> bytes:
    """A folder as one piece."""
    files = {name: path.read_bytes() for name, path in _files(folder)}
    content = b"".join(files.values())
    sizes = {name: len(held) for name, held in files.items()}
    header: Header = {"files": sizes, "sha256": hashlib.sha256(content).hexdigest()}
    return json.dumps(header).encode() + b"\n" + content


def most_of_parcel(most: int, roots: Sequence[str]) -> int:
    """Bytes of one with these folders, each of so many bytes."""
    return LONGEST_HEADER + 1 + most * len(roots)


def unpack(parcel: bytes, folder: Path, roots: Sequence[str], most: int) -> None:
    """Write the files of a parcel below a folder, all of them in the folders named there, of so many bytes each.

    Raises DataError before anything is written where it is not what it says, has more bytes, or a file would lie
    elsewhere.
    """
    sizes, start = _header(parcel), parcel.find(b"\n") + 1
    for name in sizes:
        parts = name.split("/")
        if not NAME.fullmatch(name) or parts[0] not in roots or not {".", ".."}.isdisjoint(parts):
            raise DataError(f"it names a file that is no part of a trial: {name[:200]!r}")
        if any("/".join(parts[:depth]) in sizes for depth in range(1, len(parts))):
            raise DataError(f"it has a file and a folder of one name: {name[:200]!r}")
    _refuse_large_folders(sizes, most)
    for parent in {(folder / name).parent for name in sizes}:
        parent.mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        (folder / name).write_bytes(memoryview(parcel)[start : start + size])
        start += size


def refuse_more(size: int, most: int, where: str = "") -> None:
    """DataError where what comes back has more bytes than that."""
    if size > most:
        raise DataError(f"it has {size:,} bytes{where}, where {most:,} are the most that such a training can leave")


def _refuse_large_folders(sizes: Mapping[str, int], most: int) -> None:
    """DataError where the files of a folder have more bytes than that, with the name of its largest file."""
    of_each = Counter[str]()
    for name, size in sizes.items():
        of_each[name.partition("/")[0]] += size
    for root, size in of_each.items():
        largest = max((name for name in sizes if name.startswith(f"{root}/")), key=sizes.__getitem__)
        refuse_more(size, most, f" in {root}, {sizes[largest]:,} of them in {largest[:200]}")


def _header(parcel: bytes) -> dict[str, int]:
    """The sizes of the files; DataError where they are not those of what follows."""
    line, _, content = parcel.partition(b"\n") if isinstance(parcel, bytes) else (b"", b"", b"")
    try:
        header: Header = json.loads(line if len(line) <= LONGEST_HEADER else b"")
        sizes = dict(header["files"])
        whole = all(type(size) is int and size >= 0 for size in sizes.values()) and len(sizes) <= MOST_FILES
        whole = whole and sum(sizes.values()) == len(content)
        whole = whole and header["sha256"] == hashlib.sha256(content).hexdigest()
    except (ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise DataError("it is damaged: its header is of other bytes")
    return sizes
