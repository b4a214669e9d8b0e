"""The data set of a run: what it holds, what it tells, and the cache that must never show."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun import installation
from nnrun.config.data_section import Data
from nnrun.data import cache as cache_module
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.fitted import Fitted
from nnrun.data.prepare import prepare
from nnrun.data.raw import read_parts
from nnrun.machine.posix import try_lock
from tests.data.reading import read_table
from tests.unprivileged import shared_folder, without_privileges

PACKAGE = Path(installation.__file__).parent
LINES = ["x,color,y", *(f"{i / 3},{['red', 'blue', ''][i % 3]},{'ab'[i % 2]}" for i in range(60))]


def same(first: Dataset, second: Dataset) -> bool:
    arrays = all(
        getattr(first.parts[part], axis).tobytes() == getattr(second.parts[part], axis).tobytes()
        and getattr(first.parts[part], axis).dtype == getattr(second.parts[part], axis).dtype
        for part in first.parts
        for axis in "xy"
    )
    return arrays and (first.fitted, first.notices) == (second.fitted, second.notices)


def test_the_raw_rows_of_a_part_stand_in_the_order_of_its_arrays(csv: Any, load: Any) -> None:
    path = csv(*LINES)
    data = load(path, target="y", normalize="none", drop=["color"])
    parts = read_parts(Data(source=str(path), target="y", normalize="none", drop=["color"]))
    assert list(parts) == ["train", "dev", "test"] and not parts.sampled
    for part, table in parts.items():
        assert table.columns == ["x", "color", "y"]  # dropped columns and the target too
        np.testing.assert_array_equal(table.frame["x"], data.parts[part].x[:, 0])
        np.testing.assert_array_equal(table.frame["y"], np.array(["a", "b"])[data.parts[part].y])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays(csv: Any, load: Any, dtype: str) -> None:
    data = load(csv(*LINES), dtype, target="y")
    assert data.n_features == 4  # x, blue, red, missing
    for part in data.parts.values():
        assert part.x.dtype == dtype and part.x.flags.c_contiguous and not part.x.flags.writeable
        assert part.y.dtype == np.int64 and part.y.shape == (len(part.x),) and not part.y.flags.writeable
    target = load(csv("x,y", *(f"{i},{i}.5" for i in range(10))), dtype, target="y").parts["dev"].y
    assert target.dtype == dtype and target.shape == (2, 1)


def test_rows_keep_the_order_of_the_file(csv: Any, load: Any) -> None:
    data = load(csv(*LINES), target="y", normalize="none")
    for part in data.parts.values():
        assert (np.diff(part.x[:, 0]) > 0).all()
    assert sorted(x for part in data.parts.values() for x in part.x[:, 0]) == [i / 3 for i in range(60)]


def test_document(csv: Any, load: Any) -> None:
    path = csv(*LINES)
    document = load(path, target="y", split_seed=5).fitted.document
    assert json.loads(json.dumps(document)) == document
    assert document["source"] == str(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["files"] == [{"part": "all", "name": str(path), "sha256": digest, "rows": 60}]
    assert document["classes"] == ["a", "b"]
    assert [column["name"] for column in document["columns"]] == ["x", "color"]
    split = document["split"]
    assert (split["rule"], split["ratios"], split["seed"]) == ("stratified", "auto", 5)
    assert split["sizes"] == {"train": 36, "dev": 12, "test": 12}
    assert split["sha256"] != load(path, target="y", split_seed=6).fitted.split["sha256"]


def test_what_was_fitted_prepares_new_rows_the_same_way(csv: Any, load: Any) -> None:
    path = csv(*LINES)
    data = load(path, target="y")
    table = read_table(path)
    again = Fitted(json.loads(data.fitted.written)).preprocessor.transform(table)
    rows = {row.tobytes() for part in data.parts.values() for row in part.x}
    assert {row.tobytes() for row in again} == rows


def test_no_test_set_is_told(csv: Any, load: Any) -> None:
    data = load(csv(*LINES), target="y", split=(0.75, 0.25, 0))
    assert list(data.parts) == ["train", "dev"]
    assert data.notices == [
        "there is no test set: the dev error, by which models are chosen, is no longer an unbiased estimate"
    ]


def test_columns_left_out(csv: Any, load: Any) -> None:
    path = csv("id,city,junk,x,y", *(f"n{i},{'pqrst'[i % 5]},{i},{i},{'ab'[i // 5 % 2]}" for i in range(60)))
    data = load(path, target="y", group="city", drop=["junk"])
    assert data.fitted.features == ["x"]
    assert data.fitted.split["rule"] == "groups"
    assert data.notices == [
        "column 'city' only splits the rows (group), it is no feature",
        "column 'id' is left out: all its values differ, as an identifier's do",
    ]


@pytest.mark.parametrize(("other", "groups"), [("5", 5), ("x", 9)])  # as where a table was put together by pandas
@pytest.mark.parametrize("kinds", [{}, {"city": "category"}])
def test_a_group_has_one_spelling_as_a_category_has(
    csv: Any, load: Any, kinds: dict[str, str], other: str, groups: int
) -> None:
    cities = (f"{i % 4}{'.0' * (i % 8 < 4)}" if i % 10 else other for i in range(80))
    path = csv("city,x,y", *(f"{city},{i},{'ab'[i // 5 % 2]}" for i, city in enumerate(cities)))
    data = load(path, target="y", group="city", kinds=kinds)
    assert sum(data.fitted.split["groups"].values()) == groups


def test_groups_that_may_be_one_are_told(csv: Any, load: Any) -> None:
    whom = ["K1", "K2", "K2 ", "k3", "K4", "K5", "K3"]
    told = (
        "groups of column 'who' differ by blanks, case or code points alone: 'K2' and 'K2 ', 'k3' and 'K3'; "
        "if they are one, write"
    )
    path = csv("who,x,y", *(f"{whom[i % 7]},{i},{i / 2}" for i in range(70)))
    assert any(notice.startswith(told) for notice in load(path, target="y", group="who").notices)


def test_each_row_knows_its_group(csv: Any, load: Any) -> None:
    path = csv("city,x,y", *(f"{'pqrst'[i % 5]},{i},{'ab'[i // 5 % 2]}" for i in range(60)))
    data = load(path, target="y", group="city", normalize="none")
    rows = [
        (int(x) % 5, group) for part in data.parts.values() for (x,), group in zip(part.x, part.groups, strict=True)
    ]
    assert len(rows) == 60 and len(set(rows)) == 5  # each city is one group
    assert data.fitted.split["groups"] == {name: len(set(part.groups)) for name, part in data.parts.items()}
    alone = load(path, target="y", drop=["city"])
    assert [part.groups for part in alone.parts.values()] == [None] * 3 and "groups" not in alone.fitted.split


def test_fifty_different_words_are_still_categories(csv: Any, load: Any) -> None:
    path = csv("word,y", *(f"n{i},{'ab'[i % 2]}" for i in range(50)))
    assert load(path, target="y", normalize="none").n_features == 30  # the training part's words


@pytest.mark.parametrize(
    "day", ["2026-01-{:02}", "2026-01-{:02}T12:00:00+02:00", "{}", "{:02}.01.2026", "{:02} Jan 2026"]
)
def test_split_by_time(csv: Any, load: Any, day: str) -> None:
    # The file runs backwards: x = 0 is the latest day.
    path = csv("day,x,y", *(f"{day.format(20 - i)},{i},{'ab'[i % 2]}" for i in range(20)))
    data = load(path, target="y", time="day", normalize="none")
    assert data.parts["test"].x[:, 0].tolist() == [0, 1, 2, 3]
    assert data.parts["dev"].x[:, 0].tolist() == [4, 5, 6, 7]
    copy = "; a copy of it under another name would have weekday, hour and so on as features" * (day != "{}")
    assert data.notices == [f"column 'day' only splits the rows (time), it is no feature{copy}"]


def test_a_class_missing_outside_training_is_told(csv: Any, load: Any) -> None:
    path = csv("day,x,y", "0,0,c", *(f"{i},{i},{'ab'[i % 2]}" for i in range(1, 20)))
    notices = load(path, target="y", time="day").notices
    assert notices[1:] == ["the dev part has no row of class c", "the test part has no row of class c"]


SOURCES: dict[str, dict[str, Any]] = {"csv": {"target": "y"}, "wine": {}, "diabetes": {}}


@pytest.mark.parametrize("source", SOURCES)
def test_a_cache_hit_equals_the_first_load(csv: Any, tmp_path: Path, source: str) -> None:
    path = csv(*LINES)
    config = Data(source=str(path) if source == "csv" else source, **SOURCES[source])
    cold = load_dataset(config, "float32", tmp_path / "cache")
    hit = load_dataset(config, "float32", tmp_path / "cache")
    elsewhere = load_dataset(config, "float32", tmp_path / "other")
    assert same(cold, hit) and same(cold, elsewhere)
    assert isinstance(hit.parts["train"].x.base, np.memmap) and isinstance(cold.parts["train"].x.base, np.memmap)


def test_a_cache_hit_loads_no_table_library(csv: Any, tmp_path: Path) -> None:
    path = csv(*LINES)
    program = f"""
import sys
from pathlib import Path
from nnrun.config.data_section import Data
from nnrun.data.dataset import load_dataset
for source in ({str(path)!r}, "digits"):
    load_dataset(Data(source=source, target="y" if source != "digits" else None), "float32", Path({str(tmp_path)!r}))
print(*sorted({{"pandas", "sklearn", "scipy"}} & set(sys.modules)))
"""
    outputs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert outputs == [["pandas"], []]


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_what_makes_another_entry(csv: Any, load: Any, tmp_path: Path) -> None:
    path = csv(*LINES)
    load(path, target="y")
    load(path, target="y")
    assert len(entries(tmp_path / "cache")) == 1
    load(path, target="y", split_seed=1)
    load(path, "float32", target="y")
    os.utime(path, ns=(0, 123))
    load(path, target="y")
    other = tmp_path / "copy.csv"
    shutil.copy2(path, other)
    load(other, target="y")
    assert len(entries(tmp_path / "cache")) == 5


def test_what_another_nnrun_has_prepared_is_left_alone(
    csv: Any, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, package = csv(*LINES), tmp_path / "nnrun"
    for wing in ("data", "compiled", "engine"):
        shutil.copytree(PACKAGE / wing, package / wing, ignore=shutil.ignore_patterns("bundled", "__pycache__"))
    monkeypatch.setattr(cache_module, "digest", installation.digest.__wrapped__)
    load(path, target="y")
    monkeypatch.setattr(installation, "_PACKAGE", package)
    load(path, target="y")
    assert len(entries(tmp_path / "cache")) == 1  # of an equal one
    for changed in ("engine/trainer.py", "data/files/parquet_file.py", "compiled/cells.py"):
        with (package / changed).open("a") as source:
            source.write("# read otherwise\n")
        load(path, target="y")
    (package / "data/files/dialect.py").rename(package / "data/files/dialects.py")
    load(path, target="y")
    assert len(entries(tmp_path / "cache")) == 4


def test_a_changed_file_is_read_again(csv: Any, load: Any) -> None:
    first = load(csv(*LINES), target="y", normalize="none")
    changed = load(csv(*LINES, "1000,red,a"), target="y", normalize="none")
    assert max(part.x.max() for part in first.parts.values()) < 1000
    assert max(part.x.max() for part in changed.parts.values()) == 1000


def remove(name: str) -> Any:
    return lambda entry: (entry / name).unlink()


def write(name: str, content: bytes) -> Any:
    return lambda entry: (entry / name).write_bytes(content)


def halve(name: str) -> Any:
    return lambda entry: os.truncate(entry / name, (entry / name).stat().st_size // 2)


def replace_by_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("not a directory")


def empty(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.mkdir()


BREAKS = {
    "no info": remove("data.json"),
    "no array": remove("dev_y.npy"),
    "torn info": halve("data.json"),
    "info of another kind": write("data.json", b"[1]"),
    "info that is no text": write("data.json", b"\xff\xfe"),
    "torn array": halve("train_x.npy"),
    "empty array": write("test_x.npy", b""),
    "garbage array": write("test_y.npy", b"garbage" * 99),
    "array of another shape": lambda entry: np.save(entry / "train_x.npy", np.zeros((3, 2))),
    "labels of another shape": lambda entry: np.save(entry / "train_y.npy", np.zeros(3)),
    "file": replace_by_file,
    "nothing": empty,
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_entry_is_made_again(csv: Any, load: Any, tmp_path: Path, broken: str) -> None:
    path = csv(*LINES)
    first = load(path, target="y")
    expected = {part: (data.x.copy(), data.y.copy()) for part, data in first.parts.items()}
    [entry] = entries(tmp_path / "cache")
    BREAKS[broken](entry)
    again = load(path, target="y")
    assert again.fitted == first.fitted
    for part, (x, y) in expected.items():
        assert np.array_equal(again.parts[part].x, x) and np.array_equal(again.parts[part].y, y)
    assert isinstance(load(path, target="y").parts["train"].x.base, np.memmap)
    assert entries(tmp_path / "cache") == [entry]


def test_a_cache_that_cannot_be_written(csv: Any, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("")
    config = Data(source=str(csv(*LINES)), target="y")
    data = load_dataset(config, "float32", tmp_path / "blocked" / "cache")
    assert data.notices == [f"{tmp_path}/blocked/cache: the prepared data could not be cached (not a directory)"]
    assert data.fitted.notices == []
    assert not data.parts["train"].x.flags.writeable
    cached = load_dataset(config, "float32", tmp_path / "cache")
    assert data.parts["train"].x.tobytes() == cached.parts["train"].x.tobytes()


def test_a_cache_of_somebody_else_that_is_closed() -> None:
    with shared_folder() as folder:
        (folder / "data.csv").write_text("\n".join(LINES))
        config = Data(source=str(folder / "data.csv"), target="y")
        (cache := folder / ".cache").mkdir()
        before = load_dataset(config, "float32", cache)
        cache.chmod(0)
        with without_privileges():
            data = load_dataset(config, "float32", cache)
        assert data.notices == [f"{cache}: the prepared data could not be cached (permission denied)"]
        assert data.fitted == before.fitted


def test_a_full_disk(csv: Any, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    data = load(csv(*LINES), target="y")
    assert data.notices == [f"{tmp_path}/cache: the prepared data could not be cached (no space left on device)"]
    assert entries(tmp_path / "cache") == []


def test_a_concurrent_winner_is_kept(csv: Any, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(*LINES)
    first = load(path, target="y")
    [entry] = entries(tmp_path / "cache")
    before = (entry / "data.json").stat().st_ino
    cache_module.store_entry(entry, prepare(Data(source=str(path), target="y"), "float64"))
    assert (entry / "data.json").stat().st_ino == before
    assert entries(tmp_path / "cache") == [entry]
    assert same(load(path, target="y"), first)


def test_leftovers_of_killed_processes_are_cleared(csv: Any, load: Any, tmp_path: Path) -> None:
    left, filled = (tmp_path / "cache" / f".unfinished-{name}" for name in ("left", "filled"))
    for directory in (left, filled):
        directory.mkdir(parents=True)
        directory.with_suffix(".lock").touch()
    with filled.with_suffix(".lock").open("w") as lock:
        assert try_lock(lock.fileno(), exclusive=True), "as the process that fills it holds it"
        load(csv(*LINES), target="y")
    assert not left.exists() and filled.exists()


def other_time(path: Path, content: bytes) -> None:
    """Other content of the same size at the same time, as a program that copies times leaves it."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_swapped_for_one_of_the_same_size_and_time_is_read_again(csv: Any, load: Any) -> None:
    path = csv(*LINES)
    load(path, target="y", normalize="none")
    content = path.read_bytes()
    other_time(path, content.replace(b"1", b"7"))
    assert path.stat().st_size == len(content)
    assert max(part.x.max() for part in load(path, target="y", normalize="none").parts.values()) >= 7


def zeroed(content: bytearray) -> None:
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)


def flipped(content: bytearray) -> None:
    content[-3] ^= 4


def truncated(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize("rot", [zeroed, flipped, truncated])
def test_rot_of_every_file_of_an_entry_is_noticed_told_and_healed(
    csv: Any, load: Any, tmp_path: Path, rot: Any
) -> None:
    path = csv(*LINES)
    first = load(path, target="y")
    assert load(path, target="y").notices == first.notices
    expected = {part: (data.x.copy(), data.y.copy()) for part, data in first.parts.items()}
    [entry] = entries(tmp_path / "cache")
    files = entries(entry)
    assert len(files) == 8, "two arrays a part, data.json and the manifest"
    for file in files:
        whole = file.read_bytes()
        content = bytearray(whole)
        rot(content)
        file.write_bytes(content)
        again = load(path, target="y")
        told = [f"{entry}: the prepared data there was damaged; it is prepared anew"]
        assert again.notices == first.notices + (told if content != whole else []), file.name
        for part, (x, y) in expected.items():
            assert np.array_equal(again.parts[part].x, x) and np.array_equal(again.parts[part].y, y)
        assert load(path, target="y").notices == first.notices, "once is enough"


LOAD = """
import sys
from pathlib import Path
from nnrun.config.data_section import Data
from nnrun.data.dataset import load_dataset
data = load_dataset(Data(source=sys.argv[1], target="y"), "float64", Path(sys.argv[2]))
print(data.fitted.split["sha256"], data.notices, float(data.parts["train"].x.sum()))
"""


@pytest.mark.parametrize("count", [4, pytest.param(10, marks=pytest.mark.soak)])
def test_processes_at_once_share_one_entry(csv: Any, tmp_path: Path, count: int) -> None:
    command = [sys.executable, "-c", LOAD, str(csv(*LINES)), str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    told = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * count
    assert len(told) == 1, "none took what another was making for damaged"
    assert len(entries(tmp_path / "cache")) == 1
