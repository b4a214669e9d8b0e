"""Small files that unpack to a lot are refused before they are held in memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nnrun.config.data_section import Data
from nnrun.data.files import bombs, text_file
from nnrun.data.prepare import prepare
from nnrun.errors import DataError
from tests.data.reading import read_table

MIB = 1 << 20
TIMES = "unpacks to more than 400 times its size, as no table does; "


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches in a moment."""
    monkeypatch.setattr(bombs, "HARMLESS", 4 * MIB)
    monkeypatch.setattr(text_file, "LONGEST_LINE", 2 * MIB)


def refused(path: Path) -> str:
    """The message, after no more memory than a few blocks."""
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        prepare(Data(source=str(path), target="y"), "float32")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * MIB
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("head", [b"", b"x,y\n1,a\n"])
@pytest.mark.parametrize("unit", [b"x", b",", b" ", b'"', b"0", b"\n", b'"\n', b"1,a\n", b"#\n"])
def test_gzip(tmp_path: Path, head: bytes, unit: bytes) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(head + unit * (8 * MIB // len(unit))))
    line = head.count(b"\n") + 1
    expected = f":{line}: a line of more than 2 MiB; a table has a line a row"
    cure = "if it is sound, unpack it and name the unpacked file"
    assert refused(path) == (f": {TIMES}{cure}" if b"\n" in unit else expected)


def test_a_table_that_is_well_packed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bombs, "HARMLESS", MIB // 8)
    path = tmp_path / "a.csv.gz"
    rows = "".join(f"{i % 50},{'ab'[i % 2]}\n" for i in range(50_000))
    path.write_bytes(gzip.compress(f"x,y\n{rows}".encode(), 1))
    assert path.stat().st_size * 20 < len(rows) > bombs.HARMLESS
    assert len(read_table(path)) == 50_000


def test_a_line_of_too_many_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.data.files.dialect.MOST_FIELDS", 1000)
    path = tmp_path / "a.csv"
    path.write_text("\n" + "," * 1001 + "\n")
    assert refused(path) == ":2: a line of more than 1,000 fields; this is no table"


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((8 * MIB, 1)), y=np.zeros(8))
    assert refused(path) == f": {TIMES}write plain arrays with numpy.savez"


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    zeros = np.zeros(4 * MIB)
    parquet.write_table(pa.table({"x": zeros, "y": zeros}), path, compression="zstd", use_dictionary=False)
    assert refused(path) == f": {TIMES}if it is sound, write it anew without compression"
    texts = pa.array(["a" * 100_000]).dictionary_encode().take(pa.array([0] * 1000))
    parquet.write_table(pa.table({"x": texts, "y": np.arange(1000) % 2}), path, store_schema=False)
    assert refused(path) == f": {TIMES}its texts are too long, leave them out"
