"""What travels: a folder comes out as it went in, and what is no parcel of a trial writes nothing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nnrun.errors import DataError
from nnrun.search.cluster.parcels import Freight, packed, unpack


def parcel(files: object, content: bytes = b"", sha256: str | None = None) -> bytes:
    """One as a hostile worker may make it."""
    told = {"files": files, "sha256": sha256 or hashlib.sha256(content).hexdigest()}
    return json.dumps(told).encode() + b"\n" + content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "0003/run.json": b"{\n}",
        "0003/empty": b"",
        "0003/checkpoints/a b".replace(" ", "-"): b"\0\n",
    }.items():
        (tmp_path / "sent" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sent" / name).write_bytes(content)
    return tmp_path / "sent"


@pytest.fixture
def _let_go() -> None:
    """Nothing is connected here, and looking for what could be let go takes longer than any of these tests."""


def test_a_folder_comes_out_as_it_went_in(folder: Path, tmp_path: Path) -> None:
    unpack(packed(folder), tmp_path / "there", ["0003"], most=5)
    assert packed(tmp_path / "there") == packed(folder)
    assert (tmp_path / "there" / "0003/checkpoints/a-b").read_bytes() == b"\0\n"


@pytest.mark.parametrize(
    "hostile",
    [
        parcel({"../out": 1}, b"x"),
        parcel({"0003/../../out": 1}, b"x"),
        parcel({"/tmp/out": 1}, b"x"),
        parcel({"0003/./x": 1}, b"x"),
        parcel({"0003//x": 1}, b"x"),
        parcel({"0003\\..\\x": 1}, b"x"),
        parcel({"0003/x\n": 1}, b"x"),
        parcel({"0003": 1}, b"x"),
        parcel({"0004/x": 1}, b"x"),
        parcel({"0003/x": 1, "0003/x/y": 1}, b"xy"),
        parcel({"0003/x": 10**18}, b"x"),
        parcel({"0003/x": -1, "0003/y": 2}, b"x"),
        parcel({"0003/x": True}, b"x"),
        parcel({"0003/x": 1.0}, b"x"),
        parcel({"0003/x": 2}, b"x"),
        parcel({"0003/x": 1}, b"x", sha256="0" * 64),
        parcel({f"0003/{i}": 0 for i in range(20_000)}),
        parcel({"0003/x": 60, "0003/y": 41}, bytes(101)),
        parcel([["0003/x"]], b"x"),
        b'{"files": {"0003/x": 1}}\nx',
        b"[" * 100_000 + b"\n",
        b"{}",
        b"",
        b"\xff\n",
        7,
    ],
)
def test_what_is_no_parcel_writes_nothing(hostile: Any, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(DataError, match=r"^it (names|has|is damaged)"):
        unpack(hostile, there, ["0003"], most=100)
    assert [*tmp_path.rglob("*")] == [there]


def test_a_folder_is_known_by_its_content(folder: Path, tmp_path: Path) -> None:
    freight = Freight.of(folder)
    for name, start, chunk in freight.chunks():
        path = tmp_path / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.write(chunk)
    assert Freight.of(tmp_path / "there").digest == freight.digest
    os.truncate(tmp_path / "there" / "0003/checkpoints/a-b", 1)
    assert Freight.of(tmp_path / "there").digest != freight.digest


def test_what_is_too_large_is_named(tmp_path: Path) -> None:
    """Each folder by itself, though all of them together have no more bytes than they may."""
    sent = parcel({"0003/x": 10, "0004/run.json": 40, "0004/y": 61}, bytes(111))
    words = "it has 101 bytes in 0004, 61 of them in 0004/y, where 100 are the most"
    with pytest.raises(DataError, match=words):
        unpack(sent, tmp_path, ["0003", "0004"], most=100)
    unpack(sent, tmp_path, ["0003", "0004"], most=101)
