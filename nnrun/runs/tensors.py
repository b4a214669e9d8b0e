"""Named arrays in a safetensors file, read so that a stranger's file runs no code and takes no more than its size."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnrun.errors import DataError
from nnrun.files import regular, sealed, to_json, write_atomically
from nnrun.runs.reading import RESTORE, read_record
from nnrun.runs.records import Checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[Any]]


LARGEST_HEADER = 1 << 24  # bytes; a network of a thousand layers needs a hundredth of it
_LENGTH = 8  # bytes in front of the header, little-endian
_TYPES = ("F32", "F64")
_KEY = "nnrun"  # of the description in the file's metadata, alone there: the library writes several in any order


def write_tensors(path: Path, tensors: Tensors, description: Checkpoint) -> None:
    """Replace the file as a whole, the description inside it."""
    write_atomically(path, packed(tensors, description), durable=True)


def packed(tensors: Tensors, description: Checkpoint) -> bytes:
    """What such a file holds."""
    from safetensors.numpy import save

    whole = _contiguous(tensors)
    about = sealed({**description, "tensors": checksum_of(whole)})
    return save(whole, {_KEY: to_json(about)})


def checksum_of(tensors: Tensors) -> str:
    """Of the names, types and numbers of all tensors: equal for the same state, to the bit."""
    from safetensors.numpy import save

    with _parted(save(_contiguous(tensors))) as parted:
        return _checksum(*parted)


def _contiguous(tensors: Tensors) -> Tensors:
    import numpy as np

    return {key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}


def read_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]] | None) -> tuple[Tensors, Checkpoint]:
    """Tensors and description; with `shapes`, those alone, compared with the file's before anything is allocated.

    Raises DataError for a file that is damaged, of another kind, or without a tensor of such a shape.
    """
    from safetensors import SafetensorError, safe_open

    try:
        _check_whole(path)
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            _check_types({name: found.get_dtype() for name, found in slices.items()})
            if shapes is not None:
                _check_shapes(path, {name: tuple(found.get_shape()) for name, found in slices.items()}, shapes)
            names = slices if shapes is None else shapes
            about = read_record(file.metadata()[_KEY].encode(), f"{path}: not a checkpoint of nnrun", Checkpoint)
            about.pop("tensors", None)
            return {name: file.get_tensor(name) for name in names}, cast(Checkpoint, about)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not a checkpoint of nnrun ({error}); {RESTORE}") from error


def _check_whole(path: Path) -> None:
    """Before the library reads it: a header that memory can hold, and the bytes that were written.

    Early files have no checksum.
    """
    with FileIO(regular(path)) as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > min(LARGEST_HEADER, path.stat().st_size - _LENGTH):
            raise ValueError(f"its header would be {length:,} bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, _parted(content) as (header, data):
            known = json.loads(header["__metadata__"][_KEY]).get("tensors")
            if known is not None and known != _checksum(header, data):
                raise ValueError("the checksum of its tensors is of other numbers")


@contextmanager
def _parted(content: bytes | mmap.mmap) -> Iterator[tuple[dict[str, Any], memoryview]]:
    """The header and the bytes behind it, in place."""
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    with memoryview(content) as whole, whole[start:] as data:
        yield json.loads(content[_LENGTH:start]), data


def _checksum(header: Mapping[str, Any], data: memoryview) -> str:
    """Of every tensor's name, type, shape and place, and of the bytes."""
    places = {name: place for name, place in header.items() if name != "__metadata__"}
    found = hashlib.blake2b(json.dumps(places, sort_keys=True).encode(), digest_size=16)
    found.update(data)
    return found.hexdigest()


def _check_types(found: Mapping[str, str]) -> None:
    """A type that NumPy lacks becomes known to it where another library has been loaded."""
    for name, kind in found.items():
        if kind not in _TYPES:
            raise ValueError(f"{name} is of type {kind}")


def _check_shapes(path: Path, found: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if found.get(name) != shape:
            there = f"is {list(found[name])}" if name in found else "is missing"
            raise DataError(
                f"{path}: {name} {there}, where this run's network has {list(shape)}; "
                f"it is not this run's checkpoint: {RESTORE}"
            )
