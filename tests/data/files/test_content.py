"""Arrays of numbers and a frame of the same numbers are the same table; arrays need no pandas."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.compiled.cell_reader import reader
from nnrun.data.files.content import Content, Framed, Plain, joined, of_columns

COLUMNS = {
    "number": np.array([0.5, np.nan, -0.0, 2.0, 1e300]),
    "half": np.array([1.5, 2.5, np.nan, 0.0, 1.0], np.float32),
    "whole": np.array([3, 1, 3, -2, 3]),
    "byte": np.array([0, 255, 0, 1, 2], np.uint8),
    "truth": np.array([True, False, True, True, False]),
}
FIRST = 7  # the number of the first row


def cells(content: Content) -> pd.DataFrame:
    """All that a content tells of itself, column by column and row by row, as a frame."""
    rows = [content.row(position) for position in range(len(content))]
    return pd.DataFrame({name: content.column(name) for name in content.names}, rows)


@pytest.fixture
def plain() -> Content:
    return of_columns(COLUMNS, np.arange(FIRST, FIRST + 5))


@pytest.fixture
def framed() -> Content:
    return Framed(pd.DataFrame(COLUMNS, range(FIRST, FIRST + 5)))


WAYS = {
    "whole": lambda content: content,
    "some rows": lambda content: content.take(np.array([4, 0, 3])),
    "some of some": lambda content: content.take(np.array([4, 0, 3])).take(np.array([2, 1])),
    "rows between": lambda content: content.take(slice(1, 4)),
    "no row": lambda content: content.take(slice(0, 0)),
    "some columns": lambda content: content.only(["truth", "number"]),
    "joined": lambda content: joined([content.take(slice(0, 2)), content.take(slice(2, 5))]),
    "with a frame": lambda content: joined([content.take(slice(0, 2)), Framed(content.frame.iloc[2:])]),
}


@pytest.mark.parametrize("way", WAYS)
def test_both_hold_the_same(plain: Content, framed: Content, way: str) -> None:
    assert isinstance(plain, Plain)
    found, expected = WAYS[way](plain), WAYS[way](framed)
    pd.testing.assert_frame_equal(cells(found), cells(expected))
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_index_type=False)
    pd.testing.assert_frame_equal(found.frame, cells(found), check_index_type=False)
    assert ("truth" in found, "other" in found) == (True, False)


def test_a_frame_gives_arrays_of_numbers_and_series_of_anything_else() -> None:
    frame = pd.DataFrame({"number": [1.5], "word": ["x"], "may be missing": pd.array([None], "Int64")})
    content = Framed(frame)
    found = {name: isinstance(content.column(name), np.ndarray) for name in content.names}
    assert found == {"number": True, "word": False, "may be missing": False}


def test_arrays_that_are_given_out_are_not_written_into(plain: Content) -> None:
    with pytest.raises(ValueError, match="read-only"):
        plain.take(slice(1, 3)).column("whole")[0] = 5


def test_what_is_kept_on_disk_has_no_frame_in_it(plain: Content) -> None:
    before = pickle.dumps(plain)
    assert len(plain.frame) == 5
    assert pickle.dumps(plain) == before
    pd.testing.assert_frame_equal(cells(pickle.loads(before)), cells(plain))


def test_text_among_arrays_makes_a_frame() -> None:
    assert isinstance(of_columns({"x": np.ones(2), "y": np.array(["a", "b"])}, np.arange(2)), Framed)


PREPARES = """
import sys
from pathlib import Path
from nnrun.config.load import load_config
from nnrun.data.cache import load_entry, store_entry
from nnrun.data.prepare import prepare
config = load_config(None, text=f"data: {sys.argv[1]}").config
store_entry(Path(sys.argv[2]), prepare(config.data, "float32"))
arrays, _ = load_entry(Path(sys.argv[2]), "float32")
print(len(arrays), "pandas" in sys.modules)
"""


@pytest.mark.parametrize("source", ["x.npz", "x.npy", "x.csv", "digits"])
def test_numbers_are_prepared_without_pandas(tmp_path: Path, source: str) -> None:
    """It takes longer to load than a small network to train."""
    if source in ("x.csv", "digits") and reader() is None:  # once it is compiled, small files are read by it too
        pytest.skip("the compiled reader is missing")
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    np.savez(tmp_path / "x.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", np.column_stack([x, y]))
    np.savetxt(tmp_path / "x.csv", np.column_stack([x, y]), "%.6g", ",", header="a,b,c,y", comments="")
    target = {"x.npy": "3", "digits": "digit"}.get(source, "y")
    path = source if source == "digits" else str(tmp_path / source)
    data = f"{{source: {path}, target: '{target}'}}"
    command = [sys.executable, "-c", PREPARES, data, str(tmp_path / "entry")]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["6", "False"], done.stderr
