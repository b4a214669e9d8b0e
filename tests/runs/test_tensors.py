"""Checkpoint files from strangers: refused with a message, whatever is in them."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnrun.errors import DataError
from nnrun.runs.tensors import read_tensors, write_tensors


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


def framed(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, stop: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


NOTE = {"__metadata__": {"nnrun": "{}"}}
STRANGE = {
    "empty": b"",
    "a pickle": pickle.dumps(Bomb()),
    "a header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "a header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "a header that is no JSON": framed(b"\xff\xfe not json"),
    "a header of nested lists": framed(b"[" * 50_000),
    "a list": framed([]),
    "no description": framed({"W": tensor(0, 4, [1])}, b"\0" * 4),
    "a description that is no JSON": framed({"__metadata__": {"nnrun": "{"}}),
    "a nested description": framed({"__metadata__": {"nnrun": "[" * 50_000}}),
    "a shape that overflows": framed(NOTE | {"W": tensor(0, 4, [1 << 40, 1 << 40])}, b"\0" * 4),
    "offsets beyond the end": framed(NOTE | {"W": tensor(0, 4_000_000_000, [1_000_000_000])}, b"\0" * 4),
    "negative offsets": framed(NOTE | {"W": tensor(-4, 4, [2])}, b"\0" * 8),
    "overlapping tensors": framed(NOTE | {"W": tensor(0, 4, [1]), "b": tensor(0, 4, [1])}, b"\0" * 4),
    "a type that is none": framed(NOTE | {"W": tensor(0, 4, [1], "PICKLE")}, b"\0" * 4),
    "a type that NumPy lacks": framed(NOTE | {"W": tensor(0, 2, [1], "BF16")}, b"\0" * 2),
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_a_strange_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"best\.safetensors: .*not a checkpoint of nnrun.*train again"):
        read_tensors(path, None)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    write_tensors(path, {"W": np.arange(6.0).reshape(2, 3)}, {"epoch": 3})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_tensors(path, None)


def test_shapes_are_compared_before_a_huge_tensor_is_read(tmp_path: Path) -> None:
    """The file is sparse: 4 TB that take no room on the disk, but would in memory."""
    path, size = tmp_path / "best.safetensors", 4 << 40
    with path.open("wb") as file:
        file.write(framed(NOTE | {"W": tensor(0, size, [size // 4])}))
        try:
            file.truncate(file.tell() + size)
        except OSError:
            pytest.skip("this file system has no sparse file of 4 TB")
    with pytest.raises(DataError, match="best"):
        read_tensors(path, {"W": (3, 2)})


def test_only_the_tensors_asked_for_are_read(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write_tensors(path, {"W": np.ones((2, 3)), "optimizer.m": np.zeros(6)}, {"epoch": 3})
    tensors, description = read_tensors(path, {"W": (2, 3)})
    assert list(tensors) == ["W"] and description == {"epoch": 3}
    with pytest.raises(DataError, match=r"W is \[2, 3\], where this run's network has \[3, 2\]"):
        read_tensors(path, {"W": (3, 2)})
    with pytest.raises(DataError, match="b is missing"):
        read_tensors(path, {"W": (2, 3), "b": (1, 3)})
