"""nnrun predict through the command line: what it writes, what it says, and what it leaves behind."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.api import load_run
from nnrun.data.files.frame import write_csv
from tests.cli.conftest import NNRUN, SECONDS, Done
from tests.conftest import loaded_by
from tests.test_docs import blocks, shape

Nnrun = Callable[..., Done]


def table(rows: int = 120, seed: int = 0, target: bool = True) -> str:
    """Customers with an identifier, a number with gaps, a category and a boolean; who left depends on all three."""
    rng = np.random.default_rng(seed)
    lines = ["customer,age,city,member" + (",left" if target else "")]
    for i in range(rows):
        age, city, member = rng.integers(18, 80), rng.choice(["Bonn", "Ulm", "Trier"]), rng.random() < 0.5
        left = "yes" if age + 20 * member + 10 * (city == "Ulm") > 60 else "no"
        cells = [f"C-{i:04}", "" if i % 11 == 5 else str(age), city, str(member).lower()]
        lines.append(",".join([*cells, left] if target else cells))
    return "\n".join(lines) + "\n"


@pytest.fixture
def trained(here: Path, nnrun: Nnrun) -> Path:
    """A run on such customers; the folder also holds new ones without the target."""
    Path("people.csv").write_text(table())
    Path("new.csv").write_text(table(30, seed=1, target=False))
    Path("c.yaml").write_text(
        "data: {source: people.csv, target: left}\nnetwork: {hidden: [8]}\ntraining: {epochs: 20}\n"
    )
    assert nnrun("train", "c.yaml", "-q").code == 0
    return here


def test_a_link_to_nothing_is_in_the_way_before_any_work(trained: Path, nnrun: Nnrun) -> None:
    Path("out.csv").symlink_to("gone")
    refused = nnrun("predict", "latest", "new.csv", "-o", "out.csv")
    assert (refused.code, refused.err.startswith("nnrun: out.csv exists; choose another")) == (2, True)
    assert nnrun("predict", "latest", "new.csv", "-o", "out.csv", "--force").code == 0
    assert not Path("out.csv").is_symlink()


def test_of_two_at_once_one_writes_the_file(trained: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_first(*arguments: Any, **options: Any) -> None:
        Path("out.csv").write_text("of the other")
        write_csv(*arguments, **options)

    monkeypatch.setattr("nnrun.models.output.write_csv", other_first)
    for command in (["predict", "latest", "new.csv"], ["split", "latest"]):
        late = nnrun(*command, "-o", "out.csv")
        assert (late.code, late.out) == (2, "") and late.err.startswith("nnrun: out.csv exists; choose another")
        assert (Path("out.csv").read_text(), list(trained.glob(".out*"))) == ("of the other", [])
        assert nnrun(*command, "-o", "out.csv", "--force").code == 0
        Path("out.csv").unlink()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_row_is_written_beside_its_identifier(trained: Path, nnrun: Nnrun) -> None:
    done = nnrun("predict", "latest", "new.csv")
    assert done.code == 0
    rows = rows_of(done.out)
    assert list(rows[0]) == ["customer", "prediction", "probability of no", "probability of yes"]
    assert [row["customer"] for row in rows] == [f"C-{i:04}" for i in range(30)]
    for row in rows:
        no, yes = float(row["probability of no"]), float(row["probability of yes"])
        assert no + yes == pytest.approx(1, abs=1e-6) and row["prediction"] == ("yes" if yes > no else "no")
    assert "30 rows, known by customer" in done.err


def test_an_identifier_is_one_cell_whatever_ends_its_lines(trained: Path, nnrun: Nnrun) -> None:
    names = ["a\rb", "a\r\nb", "a\nb", "a,b"]
    rows = pd.DataFrame({"customer": names, "age": 30, "city": "Ulm", "member": True})
    rows.to_csv("new.csv", index=False, lineterminator="\r\n")
    assert nnrun("predict", "latest", "new.csv", "-o", "said.csv").code == 0
    with Path("said.csv").open(newline="") as file:
        assert [row["customer"] for row in csv.DictReader(file)] == names


def test_rows_without_an_identifier_are_numbered(nnrun: Nnrun) -> None:
    nnrun("train", "-q", "--set", "data.source=diabetes", "--set", "training.epochs=2")
    bundled = Path(__import__("nnrun").__file__).parent / "data/bundled/diabetes.csv"
    done = nnrun("predict", "latest", bundled)
    rows = rows_of(done.out)
    assert list(rows[0]) == ["row", "prediction"] and rows[-1]["row"] == "442"
    assert "numbered from 1" in done.err and "'target' is there too" in done.err


def test_columns_that_identify_nothing_are_not_carried(here: Path, nnrun: Nnrun) -> None:
    lines = [f"2008,n{i % 9},I-{i},P{i},{i % 13},{i % 13 % 2}" for i in range(90)]
    Path("a.csv").write_text("\n".join(["year,title,number,prediction,x,y", *lines]) + "\n")
    left_out = "drop: [year, title, number, prediction]"
    options = ("--set", f"data={{source: a.csv, target: y, {left_out}}}", "--set", "training.epochs=1")
    assert nnrun("train", "-q", *options).code == 0
    own = nnrun("predict", "latest", "a.csv")  # whose column prediction nobody asked for
    assert own.out.startswith("number,prediction,") and "0\nP" not in own.out and "ignored: year" in own.err
    wrong = nnrun("predict", "latest", "a.csv", "--id", "prediction")
    assert wrong.code == 4 and "'prediction' is what a column of the predictions is called" in wrong.err
    Path("one.csv").write_text("year,title,number,x\n2008,n1,I-4,3\n")
    assert nnrun("predict", "latest", "one.csv").out.startswith("number,prediction,")
    Path("two.csv").write_text("year,title,number,x\n2008,07,I-4,3\n2008,n2,I-4,3\n")
    numbered = nnrun("predict", "latest", "two.csv")
    assert numbered.out.startswith("row,prediction,") and "--id COLUMN names one" in numbered.err
    named = nnrun("predict", "latest", "two.csv", "--id", "title", "--id", "x")
    assert [(row["title"], row["x"]) for row in rows_of(named.out)] == [("07", "3"), ("n2", "3")]
    wrong = nnrun("predict", "latest", "two.csv", "--id", "titel")
    assert (wrong.code, wrong.out) == (4, "") and "did you mean 'title'?" in wrong.err


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("time", ["day", "turn"])
def test_times_that_differ_identify_rows_however_they_are_stored(
    here: Path, nnrun: Nnrun, form: str, time: str
) -> None:
    days = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=90), "turn": range(0, 180, 2)})
    rows = days[[time]].assign(x=[i % 13 for i in range(90)], y=[i % 13 % 2 for i in range(90)])
    write = rows.to_csv if form == "csv" else rows.to_parquet
    write(f"a.{form}", index=False)
    data = f"data={{source: a.{form}, target: y, time: {time}}}"
    assert nnrun("train", "-q", "--set", data, "--set", "training.epochs=1").code == 0
    first = rows_of(nnrun("predict", "latest", f"a.{form}").out)[0]
    assert (next(iter(first)), first.get(time)) == (time, "2026-01-01" if time == "day" else "0")


def test_rare_values_and_unseen_ones_are_told_apart(here: Path, nnrun: Nnrun) -> None:
    lines = [f"c{i % 20},{i % 2}" for i in range(400)] + ["rare,1"] * 4
    Path("a.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    done = nnrun("train", "--set", "data={source: a.csv, target: y, rare_below: 5}", "--set", "training.epochs=1")
    assert "column 'x': 1 of 21 values" in done.err
    Path("new.csv").write_text("x\nc1\nrare\nnever\nrare\n")
    said = " ".join(nnrun("predict", "latest", "new.csv").err.split())
    assert "2 values of column 'x' were rare in training and counted as (other) (the first: new.csv:3:1)" in said
    assert "1 value of column 'x' was not seen in training (the first: new.csv:4:1)" in said


def test_an_evaluation_of_rows_says_of_them_what_their_prediction_does(trained: Path, nnrun: Nnrun) -> None:
    rows = pd.read_csv("people.csv").head(4)
    rows.assign(city=["Köln", None, "Köln", "Köln"]).to_csv("odd.csv", index=False)
    predicted = nnrun("predict", "latest", "odd.csv", "-o", "out.csv", "--json").json["notices"]
    said = [notice for notice in predicted if "of column" in notice]
    assert len(said) == 2
    assert [note for note in nnrun("evaluate", "latest", "odd.csv", "--json").json["notes"] if note in said] == said


def test_stdin_a_file_and_parquet_say_the_same(trained: Path, nnrun: Nnrun) -> None:
    to_stdout = nnrun("predict", "latest", "new.csv").out
    with Path("new.csv").open("rb") as rows:
        piped = subprocess.run(
            [*NNRUN, "predict", "latest", "-", "-o", "-"], stdin=rows, capture_output=True, text=True
        )
    assert piped.stdout == to_stdout
    assert nnrun("predict", "latest", "new.csv", "-o", "out.csv").out == ""
    assert Path("out.csv").read_text() == to_stdout
    assert nnrun("predict", "latest", "new.csv", "-o", "out.parquet").code == 0
    frame = pd.read_parquet("out.parquet")
    assert frame.to_csv(index=False) == to_stdout
    assert not list(trained.glob(".*"))
    for stream in ("/dev/stdin", "/dev/fd/0"):
        refused = nnrun("predict", "latest", stream)
        assert refused.err == f"{stream}: not a file; pipe the rows into the command, and write - in its place\n"
        assert refused.code == 4


def packed(path: Path, text: str) -> None:
    frame = pd.read_csv(io.StringIO(text), dtype={"customer": str})
    match path.suffix:
        case ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        case ".parquet":
            frame.to_parquet(path)
        case ".xlsx":
            frame.to_excel(path, index=False)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True, double_precision=15)
        case _:
            path.write_text(text.replace(",", ";"), encoding="utf-16")


@pytest.mark.parametrize("name", ["new.csv.gz", "new.parquet", "new.jsonl", "new.xlsx", "semicolons.csv"])
def test_however_rows_are_packed(trained: Path, nnrun: Nnrun, shell: Callable[[str], Done], name: str) -> None:
    expected = rows_of(nnrun("predict", "latest", "new.csv").out)
    packed(Path(name), Path("new.csv").read_text())
    assert rows_of(nnrun("predict", "latest", name).out) == expected
    piped = shell(f"nnrun predict latest - < {name}")
    assert rows_of(piped.out) == expected
    assert ("<stdin>" in piped.err) == (name == "semicolons.csv")


def test_the_sheet_that_lacks_a_column_is_named(trained: Path, nnrun: Nnrun) -> None:
    with pd.ExcelWriter("new.xlsx") as book:
        pd.DataFrame({"branch": ["Ulm"], "month": [6]}).to_excel(book, sheet_name="Cover", index=False)
        pd.read_csv("new.csv").to_excel(book, sheet_name="Data", index=False)
    done = nnrun("predict", "latest", "new.xlsx")
    told = "(new.xlsx: sheet 'Cover' is read; put another first to read that: 'Data')"
    assert (done.code, done.out) == (4, "") and " ".join(done.err.split()).endswith(told)


def test_arrays_without_a_target(here: Path, nnrun: Nnrun) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((80, 4, 5), dtype=np.float32)
    np.savez("images.npz", x=images, y=(images.mean(axis=(1, 2)) > 0.5).astype(int))
    assert nnrun("train", "-q", "--set", "data.source=images.npz", "--set", "training.epochs=3").code == 0
    np.savez("new.npz", x=images[:7])
    np.save("new.npy", images[:7])
    by_npz = nnrun("predict", "latest", "new.npz")
    assert by_npz.code == 0 and len(rows_of(by_npz.out)) == 7
    assert nnrun("predict", "latest", "new.npy").out == by_npz.out
    np.savez("small.npz", x=images[:7, :3])
    assert nnrun("predict", "latest", "small.npz").code == 4


def test_images_of_another_shape_are_refused_though_they_have_as_many_pixels(here: Path, nnrun: Nnrun) -> None:
    x = np.random.default_rng(0).integers(0, 255, (60, 8, 6, 3)).astype(np.uint8)
    np.savez("images.npz", x=x, y=np.arange(60) % 2)
    assert nnrun("train", "-q", "--set", "data.source=images.npz", "--set", "training.epochs=1").code == 0
    learned = "where the run learned from 8 × 6 × 3"
    for rows, told in (
        (x.transpose(0, 3, 1, 2), f"images of 3 × 8 × 6, {learned}; write x.transpose(0, 2, 3, 1)"),
        (x.reshape(60, 6, 8, 3), f"images of 6 × 8 × 3, {learned}"),
        (x[..., 0], f"images of 8 × 6, {learned}"),
        (x[0], f"images of 6 × 3, {learned}; of one image write x[None]"),
    ):
        np.save("new.npy", rows)
        np.savez("new.npz", x=rows, y=np.arange(len(rows)) % 2)
        for done in (nnrun("predict", "latest", "new.npy"), nnrun("evaluate", "latest", "new.npz")):
            assert (done.code, told in done.err) == (4, True), done.err
    np.save("images.npy", x)
    np.save("flat.npy", x.reshape(60, -1))
    flat = nnrun("predict", "latest", "flat.npy")
    assert flat.code == 0 and flat.out == nnrun("predict", "latest", "images.npy").out


def test_images_of_which_pixels_were_left_out_are_read_as_before(here: Path, nnrun: Nnrun) -> None:
    x = np.random.default_rng(0).integers(0, 255, (60, 4, 5)).astype(np.uint8)
    np.savez("images.npz", x=x, y=np.arange(60) % 2)
    drop = "data.drop=['x[3,4,0]', 'x[3,3,0]', 'x[3,2,0]', 'x[3,1,0]', 'x[3,0,0]']"  # the last row
    settings = ("data.source=images.npz", drop, "training.epochs=1")
    assert nnrun("train", "-q", *(word for setting in settings for word in ("--set", setting))).code == 0
    assert nnrun("predict", "latest", "images.npz").code == 0


def test_the_order_of_columns_does_not_matter(trained: Path, nnrun: Nnrun) -> None:
    frame = pd.read_csv("new.csv")
    frame[["city", "member", "customer", "age"]].to_csv("turned.csv", index=False)
    assert nnrun("predict", "latest", "turned.csv").out == nnrun("predict", "latest", "new.csv").out


def test_more_columns_and_new_values_are_told(trained: Path, nnrun: Nnrun) -> None:
    Path("odd.csv").write_text(
        "customer,age,city,member,shoe\n=cmd|' /C calc'!A0,30,Köln,true,41\n../../etc/passwd,31,,false,42\n"
    )
    done = nnrun("predict", "latest", "odd.csv")
    assert done.code == 0
    assert [row["customer"] for row in rows_of(done.out)] == ["=cmd|' /C calc'!A0", "../../etc/passwd"]
    said = " ".join(done.err.split())
    assert "columns that the run did not learn from are ignored: shoe" in said
    assert "1 value of column 'city' was not seen in training (the first: odd.csv:2:3)" in said
    assert "1 value of column 'city' was missing, as none was in training (the first: odd.csv:3:3)" in said


def test_one_document_counts(trained: Path, nnrun: Nnrun) -> None:
    found = nnrun("predict", "latest", "new.csv", "-o", "out.csv", "--json").json
    assert found["rows"] == 30 and found["path"] == "out.csv" and found["identifiers"] == ["customer"]
    done = nnrun("predict", "latest", "new.csv", "--json")
    assert done.code == 2 and "-o predictions.csv" in done.out


WRONG = {
    "a column is missing": ("customer,age,town,member\nC,1,Ulm,true\n", r"new.csv:1: no column 'city', which"),
    "several are": ("customer,age\nC,1\n", "new.csv:1: no columns 'city', 'member', which"),
    "text for a number": ("customer,age,city,member\nC,1,Ulm,true\nD,old,Ulm,true\n", "new.csv:3:2: 'old' in column"),
    "an infinite number": ("customer,age,city,member\nC,inf,Ulm,true\n", "new.csv:2:2: the value in column 'age'"),
    "a column is there twice": ("age,age,city,member\n1,2,Ulm,true\n", "new.csv:1:1: several columns are called 'age'"),
    "an empty file": ("", "new.csv"),
    "a header alone": ("customer,age,city,member\n", "new.csv:1"),
    "a short row": ("customer,age,city,member\nC,1\n", "new.csv:2"),
    "a binary file": ("\0\1\2", "new.csv"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_unfit_rows_are_refused_and_nothing_is_written(trained: Path, nnrun: Nnrun, content: str, message: str) -> None:
    Path("new.csv").write_text(content)
    done = nnrun("predict", "latest", "new.csv", "-o", "out.csv")
    assert done.code == 4 and message in done.err and "Traceback" not in done.err
    assert not Path("out.csv").exists() and not list(trained.glob(".*"))


def test_an_error_in_the_last_rows_leaves_nothing(trained: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.models.rows.rows_at_once", lambda model: 5)
    with Path("new.csv").open("a") as file:
        file.write("C,old,Ulm,true\n")
    for output in ("out.csv", "out.parquet"):
        done = nnrun("predict", "latest", "new.csv", "-o", output)
        assert done.code == 4 and "new.csv:32:2: 'old' in column 'age'" in done.err
    assert sorted(path.name for path in trained.iterdir()) == ["c.yaml", "new.csv", "people.csv", "runs"]


def test_predicting_loads_no_more_than_it_needs(trained: Path) -> None:
    assert loaded_by("predict", "latest", "new.csv")[1] & {"sklearn", "scipy", "onnx", "rich"} == set()


def test_a_cell_of_a_megabyte_is_a_cell(trained: Path, nnrun: Nnrun) -> None:
    Path("new.csv").write_text(f"customer,age,city,member\nC,1,{'x' * 1_000_000},true\n")
    done = nnrun("predict", "latest", "new.csv")
    assert done.code in (0, 4) and len(done.err) < 2_000


def test_nothing_is_overwritten_unless_forced(trained: Path, nnrun: Nnrun) -> None:
    Path("out.csv").write_text("precious")
    done = nnrun("predict", "latest", "new.csv", "-o", "out.csv")
    assert done.code == 2 and "out.csv exists" in done.err and Path("out.csv").read_text() == "precious"
    assert nnrun("predict", "latest", "new.csv", "-o", "out.csv", "--force").code == 0
    assert len(rows_of(Path("out.csv").read_text())) == 30


@pytest.mark.parametrize(
    ("output", "message"),
    [("out.xlsx", "name a file that ends so"), ("/dev/null", "name a file"), ("no/out.csv", "no such folder"),
     ("folder.csv", "not a regular file")],
)  # fmt: skip
def test_outputs_that_cannot_be(trained: Path, nnrun: Nnrun, output: str, message: str) -> None:
    Path("folder.csv").mkdir()
    done = nnrun("predict", "latest", "new.csv", "-o", output, "--force")
    assert done.code == 2 and message in done.err


# The command, which does not come to the end of its rows.
ENDLESS = """
import time
from nnrun.models import rows
of = rows.Predictions.of

def endless(self, tables):
    yield from of(self, tables)
    print("all but the end", flush=True)
    while True:
        time.sleep(0.01)

rows.Predictions.of = endless
from nnrun.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(trained: Path, number: signal.Signals) -> None:
    """The signal comes when rows are written, and before the file is complete."""
    command = [sys.executable, "-c", ENDLESS, "predict", "latest", "new.csv", "-o", "out.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all but the end\n"
        assert list(trained.glob(".out.csv-*"))
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    assert not Path("out.csv").exists() and not list(trained.glob(".out.csv-*"))


def test_a_full_disk_and_a_reader_that_goes_away(trained: Path, shell: Callable[[str], Done]) -> None:
    full = shell("nnrun predict latest new.csv > /dev/full")
    assert full.code == 1 and "No space left" in full.err and "Traceback" not in full.err
    gone = shell("nnrun predict latest people.csv | head -1; exit ${PIPESTATUS[0]}")
    assert gone.code in (0, 141) and "Traceback" not in gone.err


def test_a_broken_model_gives_exit_code_4(trained: Path, nnrun: Nnrun) -> None:
    (run,) = [path for path in Path("runs").iterdir() if path.name[0] != "."]
    (run / "checkpoints" / "best.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")
    done = nnrun("predict", "latest", "new.csv")
    assert done.code == 4 and "best.safetensors: not a checkpoint of nnrun" in done.err


def test_more_rows_than_go_through_at_once(trained: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nnrun("predict", "latest", "new.csv").out
    monkeypatch.setattr("nnrun.models.rows.rows_at_once", lambda model: 7)
    chunked: Any = nnrun("predict", "latest", "new.csv").out
    for a, b in zip(rows_of(whole), rows_of(chunked), strict=True):
        assert a["customer"] == b["customer"]
        assert float(a["probability of no"]) == pytest.approx(float(b["probability of no"]), abs=1e-5)


# how sure it is


def test_bounds_are_written_beside_predictions(here: Path, nnrun: Nnrun) -> None:
    source = str(Path(__file__).parents[2] / "nnrun/data/bundled/diabetes.csv")
    nnrun("train", "-q", "--set", "data.source=diabetes", "--set", "training.epochs=3")
    found = nnrun("predict", "latest", source, "--interval", "90%", "-o", "out.csv", "--json").json
    assert found["columns"] == ["row", "prediction", "lower", "upper"]
    told = found["interval"]
    assert (told["level"], told["part"], told["rows"]) == (0.9, "test", 88)
    assert any(f"± {told['margin']:.4g}: 88 test rows calibrate them" in notice for notice in found["notices"])
    assert nnrun("predict", "latest", source, "--interval", "0.9", "-o", "out.parquet").code == 0
    frame = pd.read_parquet("out.parquet")
    np.testing.assert_allclose(frame, pd.read_csv("out.csv"))
    np.testing.assert_allclose(frame["upper"] - frame["lower"], 2 * told["margin"])
    few = nnrun("predict", "latest", source, "--interval", "99%")
    assert few.code == 2 and "takes 99 rows to calibrate it, and the test part has 88" in few.err
    wrong = nnrun("predict", "latest", source, "--interval", "ninety")
    assert wrong.code == 2 and "such as 90%" in wrong.err


def test_sets_of_classes_are_written_beside_predictions(trained: Path, nnrun: Nnrun) -> None:
    done = nnrun("predict", "latest", "new.csv", "--interval", "95%")
    assert done.code == 0 and "95% sets hold every class with a probability of at least" in " ".join(done.err.split())
    rows = rows_of(done.out)
    assert list(rows[0])[-1] == "classes"
    assert {row["classes"] for row in rows} <= {"no", "yes", "no|yes"}
    assert all(row["prediction"] in row["classes"].split("|") for row in rows)


def test_one_network_becomes_several_as_the_refusal_says(trained: Path, nnrun: Nnrun) -> None:
    alone = nnrun("predict", "latest", "new.csv", "--members")
    assert alone.code == 2 and "is one network" in alone.err
    (told,) = re.findall(r"`nnrun ([^`]+)` trains five", alone.err)
    assert nnrun(*told.split(), "-q", "--set", "training.epochs=2").code == 0
    done = nnrun("predict", "latest", "new.csv", "--members")
    assert done.code == 0 and "mutual information" in " ".join(done.err.split())
    rows = rows_of(done.out)
    assert list(rows[0])[-6:] == [*(f"member {k}" for k in range(1, 6)), "disagreement"]
    assert {row["member 5"] for row in rows} <= {"no", "yes"}
    assert all(0 <= float(row["disagreement"]) <= np.log(2) + 1e-6 for row in rows)
    line = float(np.quantile([float(row["probability of yes"]) for row in rows], 0.1))
    low = rows_of(nnrun("predict", "latest", "new.csv", "--members", "--threshold", f"{line:.6f}").out)
    assert all(row["prediction"] in [row[f"member {k}"] for k in range(1, 6)] for row in low), "a mean lies between"
    assert [row["disagreement"] for row in low] == [row["disagreement"] for row in rows]


def test_members_of_one_body_say_what_each_says(here: Path, nnrun: Nnrun) -> None:
    source = str(Path(__file__).parents[2] / "nnrun/data/bundled/diabetes.csv")
    nnrun("train", "-q", "--set", "data.source=diabetes", "--set", "network.members=3", "--set", "training.epochs=2")
    done = nnrun("predict", "latest", source, "--members")
    assert done.code == 0 and "disagreement is the standard deviation of what the members say" in " ".join(
        done.err.split()
    )
    rows = rows_of(done.out)
    assert list(rows[0])[1:] == ["prediction", "member 1", "member 2", "member 3", "disagreement"]
    said = np.array([[float(row[f"member {k}"]) for k in (1, 2, 3)] for row in rows])
    np.testing.assert_allclose(said.mean(axis=1), [float(row["prediction"]) for row in rows], rtol=1e-5)
    np.testing.assert_allclose(said.std(axis=1), [float(row["disagreement"]) for row in rows], rtol=1e-6)
    assert np.all(said.std(axis=1) > 0)


def test_the_examples_of_the_page_run_and_print_what_it_shows(here: Path, nnrun: Nnrun) -> None:
    page = (Path(__file__).parents[2] / "docs/uncertainty.md").read_text()
    patients, leaves = blocks(page, "csv")
    Path("new.csv").write_text(patients)
    Path("leaves.csv").write_text(leaves)
    printed = ""
    for line in "".join(blocks(page, "sh")).splitlines():
        done = nnrun(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"
        printed += done.out + done.err
    known = {shape(line) for line in printed.splitlines()}
    shown = [line for block in blocks(page, "text") for line in block.splitlines() if line[0] != "["]
    formulas = [line for line in shown if "   " in line and not line.startswith((" ", "notice", "loss", "calibration"))]
    assert len(formulas) == 4
    assert [line for line in shown if line not in formulas and shape(line) not in known] == []


# drift


def test_rows_unlike_those_of_training_are_told_and_may_fail_the_command(nnrun: Nnrun, here: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600)}).round(4)
    frame.assign(y=np.where(frame.a > 0, "x", "z")).to_csv(here / "rows.csv", index=False)
    frame.to_csv(here / "like.csv", index=False)
    frame.assign(b=frame.b + 1).to_csv(here / "shifted.csv", index=False)
    frame.assign(b=frame.b + 1, y=np.where(frame.a > 0, "x", "z")).to_csv(here / "target.csv", index=False)
    nnrun("train", "-q", "--set", "data.source=rows.csv", "--set", "data.target=y", "--set", "training.epochs=2")
    like = nnrun("predict", "latest", "like.csv", "-o", "p.csv", "--fail-on", "drift")
    assert like.code == 0 and "drift" not in like.err
    for command in (("predict", "latest", "shifted.csv", "-o", "q.csv"), ("evaluate", "latest", "target.csv")):
        told = nnrun(*command, *(["--force"] if "-o" in command else []))
        assert told.code == 0
        assert re.search(r"drift    b: shifted by \+(0.9|1.0)\d deviations, mean", told.err), told.err
        failed = nnrun(*command, "--fail-on", "drift", "--json", *(["--force"] if "-o" in command else []))
        assert failed.code == 6 and "--fail-on drift forbids" in failed.err
        assert [one["column"] for one in failed.json["drift"]["found"]] == ["b"]
    assert (here / "q.csv").read_text().count("\n") == 601
    (here / "one.csv").write_text("a,b\n99,99\n")
    one = nnrun("predict", "latest", "one.csv", "-o", "one-p.csv", "--fail-on", "drift", "-q")
    few = "1 row cannot be told to differ from those of training, whatever they hold"
    assert (one.code, one.err) == (0, f"nnrun: {few}; --fail-on drift needs 2 at least\n")
    document = nnrun("predict", "latest", "one.csv", "-o", "one-p.csv", "--force", "--fail-on", "drift", "--json").json
    assert document["drift"] == {"rows": 1, "needs": 2, "columns": 2, "found": []}
    assert nnrun("evaluate", "--fail-on", "drift").code == 2


def test_a_run_that_kept_too_little_predicts_as_ever(nnrun: Nnrun, here: Path) -> None:
    nnrun("train", "-q", "--set", "data.source=iris", "--set", "training.epochs=1")
    (data,) = here.glob("runs/*/data.json")
    document = json.loads(data.read_text())
    del document["profiles"]
    data.write_text(json.dumps({key: value for key, value in document.items() if key != "checksum"}))
    shutil.copy(Path(__file__).parents[2] / "nnrun/data/bundled/iris.csv", here)
    quiet = nnrun("predict", "latest", "iris.csv", "-o", "p.csv", "--json")
    assert (quiet.code, quiet.json["drift"]) == (0, None)
    refused = nnrun("predict", "latest", "iris.csv", "-o", "q.csv", "--fail-on", "drift")
    assert refused.code == 2 and "kept too little" in refused.err and not (here / "q.csv").exists()
    measured = nnrun("evaluate", "latest", "iris.csv", "--fail-on", "drift", "--json")
    assert (measured.code, measured.json["error"]["exit_code"]) == (2, 2)


# which row went where


def test_the_rows_of_a_run_with_their_parts(nnrun: Nnrun, trained: Path) -> None:
    done = nnrun("split", "-o", "parts.csv")
    assert done.code == 0 and re.search(r"rows     \d+ dev, \d+ test, \d+ train", done.err)
    rows = list(csv.DictReader(Path("parts.csv").read_text().splitlines()))
    assert list(rows[0]) == ["row", "customer", "part"]
    assert [int(row["row"]) for row in rows] == list(range(1, len(rows) + 1))
    (run,) = Path("runs").glob("[!.]*")
    sizes = json.loads((run / "data.json").read_text())["split"]["sizes"]
    assert {part: sum(row["part"] == part for row in rows) for part in sizes} == sizes
    assert nnrun("split", "-o", "parts.csv").code == 2
    assert nnrun("split", "-o", "parts.csv", "--force", "--json").json["rows"] == sizes
    assert nnrun("split").out == Path("parts.csv").read_text()
    assert nnrun("split", "--json").code == 2
    source = Path(json.loads((run / "data.json").read_text())["files"][0]["name"])
    source.write_text(source.read_text() + "\n".join(source.read_text().splitlines()[1:2]) + "\n")
    changed = nnrun("split")
    assert changed.code == 4 and "no longer what this run was trained on" in changed.err and changed.out == ""


def test_the_rows_of_folds_and_of_files(nnrun: Nnrun, here: Path) -> None:
    (here / "all.csv").write_text("a,y\n" + "".join(f"{i % 7},{'ab'[i % 7 > 3]}\n" for i in range(60)))
    usual = ("-q", "--set", "data.target=y", "--set", "training.epochs=1")
    nnrun("train", *usual, "--set", "data.source=all.csv", "--set", "data.folds=3")
    assert nnrun("split", "-o", "folds.csv", "--json").json["rows"] == {f"fold {k}": 20 for k in (1, 2, 3)}
    (here / "dev.csv").write_text((here / "all.csv").read_text() + "3,\n")
    nnrun("train", *usual, "--set", "data.source={train: all.csv, dev: dev.csv}", "--set", "data.missing_target=drop")
    rows = list(csv.DictReader(nnrun("split").out.splitlines()))
    assert rows[0] == {"file": "all.csv", "row": "1", "part": "train"}
    assert rows[-1] == {"file": "dev.csv", "row": "61", "part": "none"}


def test_a_threshold_decides_between_two_classes(trained: Path, nnrun: Nnrun) -> None:
    usual, low = nnrun("predict", "latest", "new.csv"), nnrun("predict", "latest", "new.csv", "--threshold", "0.2")
    assert "'yes' is predicted from a probability of 0.2 on" in " ".join(low.err.split())
    before, now = rows_of(usual.out), rows_of(low.out)
    assert [row | {"prediction": ""} for row in before] == [row | {"prediction": ""} for row in now]
    assert [row["prediction"] for row in now] == [
        "yes" if float(row["probability of yes"]) >= 0.2 else "no" for row in now
    ]
    assert now != before
    found = nnrun("predict", "latest", "new.csv", "-o", "p.csv", "--threshold", "0.2", "--json").json
    assert found["threshold"] == 0.2
    of_python = load_run("latest").predict("new.csv", threshold=0.2)["prediction"]
    assert of_python.tolist() == [row["prediction"] for row in now]


@pytest.mark.parametrize("threshold", ["0", "1", "-0.5", "nan", "30"])
def test_a_threshold_is_a_probability(trained: Path, nnrun: Nnrun, threshold: str) -> None:
    done = nnrun("predict", "latest", "new.csv", f"--threshold={threshold}")
    assert (done.code, done.out) == (2, "") and "is not between 0 and 1" in done.err


@pytest.mark.parametrize(("data", "what"), [("iris", "3 classes"), ("diabetes", "numbers")])
def test_a_threshold_takes_two_classes(here: Path, nnrun: Nnrun, data: str, what: str) -> None:
    nnrun("train", "-q", "--set", f"data.source={data}", "--set", "training.epochs=1")
    done = nnrun("predict", "latest", "new.csv", "--threshold", "0.3")
    assert done.code == 2 and f"predicts {what}" in " ".join(done.err.split())
