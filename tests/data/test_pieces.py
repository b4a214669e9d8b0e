"""A source that is read in many pieces gives what it gives in one."""

from __future__ import annotations

import gc
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.data_section import Data
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.facts.tallies import Distinct, Moments
from nnrun.data.files import chunks
from nnrun.data.files.chunks import Kept
from nnrun.data.files.content import of_columns
from nnrun.data.files.records import Records
from nnrun.data.files.table import Table
from nnrun.data.raw import read_parts
from nnrun.errors import DataError
from nnrun.machine.threads import beside

ROWS = 90
COLOURS = ["red", "blue", "", "green"]


def messy(i: int) -> dict[str, Any]:
    """A row; what is typical of a column comes late, so that its first pieces look like something else."""
    late = i >= 70
    return {
        "day": i,
        "date": f"{1 + i % 28:02}.{1 + i % 12:02}.2026",
        "when": f"2026-{1 + i % 12:02}-{1 + i % 28:02}",
        "number": "" if i % 7 == 0 or 20 <= i < 30 else i**3 / 7,
        "whole_then_fraction": i if not late else i + 0.5,
        "number_then_text": i % 4 if not late else "many",
        "labels": ["1", "1.0", "001", "2"][i % 2 if i < 40 else i % 4],
        "truth": ["True", "False", ""][i % 3],
        "truth_then_text": ["True", "False"][i % 2] if not late else "perhaps",
        "words": ["yes", "no"][i % 2] if late else "yes",
        "colour": COLOURS[i % 4],
        "rare": f"v{i % 40}" if i % 2 else "often",
        "late": "" if not late else i % 3,
        "shop": f"s{i // 5}",
        "name": f"id{i}x",
        "class": "abc"[i * i % 3],
        "count": i % 5,
        "price": 2 * i + 0.25,
    }


def write(path: Path, columns: Sequence[str] | None = None) -> Path:
    frame = pd.DataFrame([messy(i) for i in range(ROWS)], columns=columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        typed = frame.drop(columns=["number", "labels", "number_then_text", "truth_then_text"])
        typed["number"] = pd.to_numeric(frame["number"])
        typed["late"] = pd.to_numeric(frame["late"])
        typed["truth"] = frame["truth"].map({"True": True, "False": False})
        typed["whole"] = pd.array(frame["day"].where(frame["day"] % 9 > 0), dtype="Int64")
        typed["stored"] = pd.to_datetime(frame["when"])
        typed.to_parquet(path, index=False)
    elif path.suffix == ".npz":
        np.savez(path, x=np.sqrt(np.arange(ROWS * 6.0)).reshape(ROWS, 2, 3), y=np.arange(ROWS) % 3)
    else:
        np.save(path, np.sqrt(np.arange(ROWS * 4.0)).reshape(ROWS, 4))
    return path


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "classes": ("data.csv", {"target": "class"}),
    "classes of whole numbers": ("data.csv", {"target": "count"}),
    "classes as they are written": ("data.csv", {"target": "labels"}),
    "classes that look like numbers at first": ("data.csv", {"target": "number_then_text"}),
    "truth": ("data.csv", {"target": "words"}),
    "regression": ("data.csv", {"target": "price"}),
    "regression that looks like classes at first": ("data.csv", {"target": "whole_then_fraction"}),
    "embeddings": ("data.csv", {"target": "class", "encode_categories": "embedding", "rare_below": 1}),
    "as they are": ("data.csv", {"target": "price", "normalize": "none"}),
    "robust": ("data.csv", {"target": "class", "normalize": "robust"}),
    "quantiles": ("data.csv", {"target": "price", "normalize": "quantile", "encode_numbers": "piecewise_tree"}),
    "pieces of numbers": ("data.csv", {"target": "class", "encode_numbers": "piecewise"}),
    "pieces without a target": ("data.csv", {"target": "late", "missing_target": "drop"}),
    "groups": ("data.csv", {"target": "class", "group": "shop"}),
    "groups that look like numbers at first": ("data.csv", {"target": "class", "group": "number_then_text"}),
    "time as numbers": ("data.csv", {"target": "class", "time": "day"}),
    "time as dates": ("data.csv", {"target": "price", "time": "when"}),
    "time as stored dates": ("data.parquet", {"target": "price", "time": "stored"}),
    "weights": ("data.csv", {"target": "class", "weight": "count"}),
    "parquet": ("data.parquet", {"target": "class"}),
    "images": ("data.npz", {}),
    "array": ("data.npy", {"target": "3"}),
}


def columns_of(case: str) -> list[str]:
    """Of the table of a case: one of each kind beside those that it names where it is about these alone."""
    file, settings = CASES[case]
    if case in ("classes", "regression", "groups") or file != "data.csv" or not settings.keys() <= {"target", "group"}:
        return list(messy(0))
    return list(dict.fromkeys(["day", "number", "truth", "colour", *settings.values()]))


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many cells a piece has."""

    def set_to(count: int) -> None:
        monkeypatch.setattr("nnrun.data.files.chunks.CELLS", count)
        monkeypatch.setattr("nnrun.data.prepare.CELLS", count)
        monkeypatch.setattr("nnrun.data.raw.CELLS", count)

    return set_to


def same(one: Any, other: Any) -> bool:
    """Equal but for the last digits of numbers with a fraction."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == (pytest.approx(other, rel=1e-12, abs=1e-12) if isinstance(one, float) else other)


def assert_same(one: Dataset, other: Dataset) -> None:
    assert same(one.fitted.document, other.fitted.document) and one.notices == other.notices
    for name, part in one.parts.items():
        np.testing.assert_allclose(other.parts[name].x, part.x, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(other.parts[name].y, part.y, rtol=1e-11)
        assert other.parts[name].y.dtype == part.y.dtype
        assert (part.weights is None) == (other.parts[name].weights is None)
        if part.weights is not None:
            assert np.array_equal(part.weights, other.parts[name].weights)
        assert (part.groups is None) == (other.parts[name].groups is None)
        if part.groups is not None:
            assert np.array_equal(part.groups, other.parts[name].groups)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [30, *(pytest.param(rows, marks=pytest.mark.soak) for rows in (7, 64))])
def test_pieces_give_what_the_whole_gives(tmp_path: Path, cells: Any, case: str, rows: int) -> None:
    (file, settings), columns = CASES[case], columns_of(case)
    config = Data(source=str(write(tmp_path / file, columns)), **settings)
    whole = load_dataset(config, "float64", tmp_path / "whole")
    width = {"data.npy": 5, "data.parquet": 14, "data.npz": 7, "data.csv": len(columns)}[file]
    cells(rows * width)
    assert_same(whole, load_dataset(config, "float64", tmp_path / "pieces"))
    assert_same(whole, load_dataset(config, "float64", tmp_path / "pieces"))  # from the cache


def test_a_file_for_each_part_in_pieces(tmp_path: Path, cells: Any) -> None:
    lines = pd.DataFrame([messy(i) for i in range(ROWS)])
    for name, part in (("train", lines[:60]), ("dev", lines[60:70]), ("test", lines[70:])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    config = Data(
        source={name: str(tmp_path / f"{name}.csv") for name in ("train", "dev", "test")},
        target="class",
        drop=["number_then_text", "truth_then_text", "late"],
    )
    whole = load_dataset(config, "float64", tmp_path / "whole")
    cells(18 * 8)
    assert_same(whole, load_dataset(config, "float64", tmp_path / "pieces"))


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The text files whose records are gone through, once for each time."""
    begun: list[Path] = []

    class Counted(Records):
        def __init__(self, path: Path, *rest: Any) -> None:
            begun.append(path)
            super().__init__(path, *rest)

    monkeypatch.setattr("nnrun.data.files.csv_file.Records", Counted)
    return begun


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        (("number_then_text", "truth_then_text", "labels"), 2),  # its first record, and all
        ((), 3),  # and all again, as some columns turned out to be text
    ],
)
def test_text_is_read_once_if_there_is_room(
    tmp_path: Path, cells: Any, walks: list[Path], monkeypatch: pytest.MonkeyPatch, drop: Any, expected: int
) -> None:
    lines = pd.DataFrame([messy(i) for i in range(ROWS)]).drop(columns=list(drop))
    lines.to_csv(tmp_path / "data.csv", index=False)
    config = Data(source=str(tmp_path / "data.csv"), target="class")
    cells(18 * 30)
    once = load_dataset(config, "float64", tmp_path / "once" / "cache")
    load_dataset(config, "float64", tmp_path / "once" / "cache")
    assert len(walks) == expected  # nothing more for the second time
    assert len(list((tmp_path / "once" / "cache").iterdir())) == len(list((tmp_path / "once").iterdir())) == 1
    monkeypatch.setattr("nnrun.data.files.chunks.SPARE", 1 << 60)
    again = load_dataset(config, "float64", tmp_path / "again")
    assert len(walks) == 2 * expected + 2  # to measure, and to write
    assert once.fitted.document == again.fitted.document
    for name, part in once.parts.items():
        assert part.x.tobytes() == again.parts[name].x.tobytes() and np.array_equal(part.y, again.parts[name].y)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_done_beside_comes_in_order(threads: int) -> None:
    def items() -> Iterator[float]:
        yield from (0.02, 0.01, 0.0)
        raise DataError("the fourth cannot be fetched")

    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    done: list[float] = []
    with pytest.raises(DataError, match="fourth"):
        for result in beside(work, items(), threads):
            done.append(result)
    assert done == [0.02, 0.01, 0.0]
    with pytest.raises(ZeroDivisionError):
        list(beside(lambda item: 1 / item, [1, 0, 2], threads))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("price", "", "84:3: no value in target column 'price' (1 row in all); fill them in or remove these rows; "
        "data.missing_target: drop leaves them out"),
        ("price", "inf", "84:3: the value in column 'price' is infinite; correct it, or leave the field empty if the "
         "value is unknown"),
        ("number", "1O", "84:1: '1O' is not a number, but 89 of 90 values of column 'number' are; correct it, or leave "
         "the field empty if the value is unknown, or list it in data.format.missing"),
        ("number", "1e999", "84:1: the value in column 'number' is infinite; correct it, or leave the field empty if "
         "the value is unknown"),
        ("shop", "", "84:2: no value in column 'shop', which splits the rows; fill it in or remove the row"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_late_piece_has_its_place(
    tmp_path: Path, cells: Any, column: str, value: str, expected: str
) -> None:
    rows = [{"number": f"{i}.5", "shop": f"s{i % 9}", "price": f"{i}.25"} for i in range(ROWS)]
    rows[82][column] = value  # on line 84, below the header
    path = tmp_path / "data.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    cells(3 * 10)
    with pytest.raises(DataError) as caught:
        load_dataset(Data(source=str(path), target="price", group="shop"), "float64", tmp_path / "cache")
    assert str(caught.value) == f"{path}:{expected}"


@pytest.mark.parametrize("text", ["{}", '"1,{:03}.5"', "{}.25 kg"])
def test_a_piece_of_words_for_a_missing_number_says_nothing_of_the_column(
    tmp_path: Path, cells: Any, text: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{text.format(i) if i >= 60 else '--'},{i % 7}\n" for i in range(180)))
    config = Data(source=str(path), target="y", task="regression")
    whole = load_dataset(config, "float64", tmp_path / "whole")
    cells(2 * 20)
    found = load_dataset(config, "float64", tmp_path / "cache")
    assert found.fitted.features == whole.fitted.features == ["x", "x is missing"]
    assert not any("taken for text" in notice for notice in found.notices)
    np.testing.assert_allclose(found.parts["train"].x, whole.parts["train"].x)


def test_words_for_a_missing_number_beside_other_words_stay_what_they_are(tmp_path: Path, cells: Any) -> None:
    path = tmp_path / "data.csv"
    cells_of_x = [*["--"] * 60, *["12", "red"] * 60]
    path.write_text("x,y\n" + "".join(f"{cell},{i % 7}\n" for i, cell in enumerate(cells_of_x)))
    cells(2 * 20)
    found = load_dataset(Data(source=str(path), target="y", task="regression"), "float64", tmp_path / "cache")
    assert found.fitted.features == ["x=--", "x=12", "x=red"]


def test_a_class_without_training_rows_has_its_place(tmp_path: Path, cells: Any) -> None:
    path = tmp_path / "data.csv"
    path.write_text("day,x,y\n" + "".join(f"{i},{i},{'ab'[i % 2]}\n" for i in range(39)) + "39,9,c\n")
    cells(3 * 10)
    with pytest.raises(DataError, match=r"data.csv:41:3: class 'c' has 1 row and none came into the training part"):
        load_dataset(Data(source=str(path), target="y", time="day"), "float64", tmp_path / "cache")


def test_times_whose_order_of_day_and_month_shows_late(tmp_path: Path, cells: Any) -> None:
    path = tmp_path / "data.csv"
    path.write_text("day,x,y\n" + "".join(f"01/{1 + i:02}/2026,{i},{i + 0.5}\n" for i in range(25)))
    cells(3 * 4)  # the first 12 rows could have the day in front: 01/12/2026 would be the latest day
    data = load_dataset(Data(source=str(path), target="y", time="day", normalize="none"), "float64", tmp_path / "cache")
    assert data.parts["test"].x[:, 0].tolist() == [20, 21, 22, 23, 24]


def test_pieces_without_a_target_need_no_time(tmp_path: Path, cells: Any) -> None:
    path = tmp_path / "data.csv"
    rows = [f"{'' if i < 15 else f'2026-01-{46 - i:02}'},{i},{'' if i < 15 else i + 0.5}\n" for i in range(40)]
    path.write_text("day,x,y\n" + "".join(rows))
    cells(3 * 5)
    config = Data(source=str(path), target="y", time="day", missing_target="drop", normalize="none")
    data = load_dataset(config, "float64", tmp_path / "cache")
    assert data.parts["test"].x[:, 0].tolist() == [15, 16, 17, 18, 19]


@pytest.mark.parametrize("step", ["measuring", "writing"])
@pytest.mark.parametrize("name", ["data.npy", "data.npz", "data.parquet"])
def test_a_file_that_is_replaced_while_it_is_prepared(tmp_path: Path, cells: Any, name: str, step: str) -> None:
    path, target = write(tmp_path / name), {"data.npy": "3", "data.parquet": "price"}.get(name)
    cells(6 * 15)

    def replaced(now: str, done: int, rows: int | None) -> None:
        if now == step and done < ROWS:
            write(tmp_path / f"new.{name}").replace(path)

    with pytest.raises(DataError) as caught:
        load_dataset(Data(source=str(path), target=target), "float32", tmp_path / "cache", replaced)
    assert str(caught.value) == f"{path}: the file was changed or replaced while it was read; run the command again"
    assert not list((tmp_path / "cache").glob("*"))


def test_raw_rows_of_a_large_file_are_a_sample(tmp_path: Path, cells: Any) -> None:
    config = Data(source=str(write(tmp_path / "data.csv")), target="price", normalize="none", drop=["labels"])
    cells(18 * 15)  # 15 rows, so 5 of each part
    data, raw = load_dataset(config, "float64", tmp_path / "cache"), read_parts(config)
    assert raw.sampled and {part: len(table) for part, table in raw.items()} == {"train": 5, "dev": 5, "test": 5}
    day = data.fitted.features.index("day")
    for part, table in raw.items():
        np.testing.assert_array_equal(table.frame["day"], data.parts[part].x[raw.places[part], day])
    again = read_parts(config)
    assert all(np.array_equal(raw.places[part], again.places[part]) for part in raw)


def test_moments_add_up() -> None:
    # 1, 2, 3 and 5: mean 11/4, variance (49 + 9 + 1 + 81)/16/4 = 140/64.
    merged = Moments.of(np.array([1.0, 2.0])) + Moments.of(np.array([3.0])) + Moments() + Moments.of(np.array([5.0]))
    assert merged.center_and_scale == pytest.approx((2.75, np.sqrt(140 / 64)))
    assert (merged.count, merged.low, merged.high) == (4, 1, 5)
    constant = Moments.of(np.full(3, 0.1)) + Moments.of(np.full(4, 0.1))
    assert constant.center_and_scale == (0.1, 1.0)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_moments_add_up_at_the_ends_of_float64(scale: float) -> None:
    mean, deviation = (Moments.of(np.array([1.0, 2.0]) * scale) + Moments.of(np.array([3.0]) * scale)).center_and_scale
    assert (mean / scale, deviation / scale) == pytest.approx((2, np.sqrt(2 / 3)))


def test_distinct_texts_are_counted_over_pieces() -> None:
    found = Distinct()
    for piece in (["a", "b", "a"], ["c"], ["a", "c"]):
        found.see(pd.Series(piece))
    assert (len(found), found.most) == (3, 3)


CONVERT = """
import sys
from pathlib import Path
from nnrun.config.data_section import Data
from nnrun.data.files import chunks; from nnrun.data import prepare
from nnrun.data.dataset import load_dataset
chunks.CELLS = prepare.CELLS = 200
def told(step, done, rows):
    print(step, flush=True)
    if step == "writing":
        sys.stdin.readline()
load_dataset(Data(source=sys.argv[1], target="class"), "float64", Path(sys.argv[2]), told)
"""


@pytest.fixture
def convert(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts to convert the messy table in a process of its own, which waits for a line on stdin when it writes."""
    source = write(tmp_path / "data.csv")
    started: list[subprocess.Popen[str]] = []

    def start(**options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CONVERT, str(source), str(tmp_path / "cache")]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen(command, text=True, **pipes, **options))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def test_a_conversion_that_was_killed_leaves_nothing_that_is_used(tmp_path: Path, convert: Any) -> None:
    process = convert()
    assert "writing\n" in process.stdout
    process.kill()
    process.wait()
    left, lock = sorted((tmp_path / "cache").iterdir())
    assert left.name.startswith(".unfinished-") and lock.name == f"{left.name}.lock"
    config = Data(source=str(tmp_path / "data.csv"), target="class")
    load_dataset(config, "float64", tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()  # what the killed one left is gone at once, as nobody holds it
    assert (entry / "data.json").exists()


def test_what_another_process_is_writing_stays(tmp_path: Path, convert: Any) -> None:
    process = convert()
    assert "writing\n" in process.stdout
    config = Data(source=str(tmp_path / "data.csv"), target="class")
    load_dataset(config, "float64", tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3, "an entry beside a folder and its lock"
    process.communicate()
    assert process.returncode == 0
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_disk_that_fills_up_during_conversion(tmp_path: Path, convert: Any) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    error = convert(preexec_fn=limit).communicate()[1]
    assert error.splitlines()[-1] == (
        f"nnrun.errors.DataError: {tmp_path}/cache: the prepared data could not be cached (file too large), and it is "
        "too large to be held in memory instead; make room there, or keep the runs elsewhere (--runs)"
    )
    assert not list((tmp_path / "cache").glob("*"))


@pytest.mark.soak
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """400 MB of arrays: a million rows of 100 numbers, converted and trained on with less than 300 MB of its own."""
    x = np.lib.format.open_memmap(tmp_path / "data.npy", "w+", np.float32, (1_000_000, 101))
    rng = np.random.default_rng(0)
    for start in range(0, len(x), 10_000):
        x[start : start + 10_000] = rng.standard_normal((10_000, 101))
        x[start : start + 10_000, 100] = x[start : start + 10_000, 0] > 0
    x.flush()
    command = [
        sys.executable, "-m", "nnrun", "train", "--runs", str(tmp_path / "runs"), "-q",
        "--set", f"data.source={tmp_path}/data.npy", "--set", "data.target='100'", "--set", "training.epochs=1",
        "--set", "network.hidden=[16]",
    ]  # fmt: skip
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))])
            time.sleep(0.02)
    assert process.returncode == 0
    assert 10_000 < peak < 300_000  # kB


def test_the_sample_of_a_file_in_pieces_is_put_together_once(tmp_path: Path, cells: Any, monkeypatch: Any) -> None:
    """And not for each column, of which images have thousands."""
    np.savez(tmp_path / "images.npz", x=np.arange(6400).reshape(100, 8, 8) % 251, y=np.arange(100) % 2)
    cells(640)
    count, joined = [0], chunks.joined

    def counted(tables: Any) -> Any:
        count[0] += 1
        return joined(tables)

    monkeypatch.setattr(chunks, "joined", counted)
    load_dataset(Data(source=str(tmp_path / "images.npz")), "float32", tmp_path / "cache")
    assert count == [1]


@pytest.mark.parametrize("header", ["x,y", "x,word,y"])
def test_a_short_last_piece_makes_no_classes_of_numbers(tmp_path: Path, cells: Any, header: str) -> None:
    path, middle = tmp_path / "a.csv", "w," * (header.count(",") - 1)
    path.write_text("\n".join([header, *(f"{i},{middle}({i / 7:.2f})" for i in range(125))]) + "\n")
    cells(60 * len(header.split(",")))
    data = load_dataset(Data(source=str(path), target="y"), "float64", tmp_path / "cache")
    assert data.task == "regression" and data.fitted.document["target"]["kind"] == "number"


@pytest.mark.parametrize(("before", "after"), [("%", ""), ("kg", "lb"), (" kg", "%")])
def test_pieces_of_different_units_are_text(tmp_path: Path, cells: Any, before: str, after: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "\n".join(["x,y", *(f"{i / 7:.2f}{before if i < 60 else after},{i / 3}" for i in range(120))]) + "\n"
    )
    cells(120)
    with pytest.raises(DataError, match="no column left to learn 'y' from"):  # each text is another one
        load_dataset(Data(source=str(path), target="y"), "float64", tmp_path / "cache")
    path.write_text("\n".join(["x,y", *(f"{i / 7:.2f}{before},{i / 3}" for i in range(120))]) + "\n")
    data = load_dataset(Data(source=str(path), target="y"), "float64", tmp_path / "cache")
    assert data.fitted.reading.units == {"x": before.strip()}
    assert len([notice for notice in data.notices if "'x'" in notice]) == 1


def test_a_file_that_is_kept_is_closed_in_whatever_order_a_cycle_is_taken_apart(tmp_path: Path) -> None:
    """That of an error and the frames that it was raised in, for one."""
    table = Table(of_columns({"x": np.arange(3)}, np.arange(3)), "a")
    kept = Kept(tmp_path)
    cycle: list[Any] = [kept]
    cycle.append(cycle)
    del kept
    list(cycle[0].keep(iter([table, table])))
    held = cycle[0]._file.raw  # which gc then leaves where it is, and moves what alone the list holds behind it
    gc.collect()
    del held, table
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del cycle
        gc.collect()
    assert [str(one.message) for one in told] == []
