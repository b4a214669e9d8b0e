"""What machine code reads is what the reader of any table gives: cells, types, lines, notices and faults."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnrun.compiled import cell_reader
from nnrun.compiled import folder as folder_of_code
from nnrun.data.files import csv_file, plain_file
from nnrun.data.files.csv_file import read_csv
from nnrun.data.files.dialect import Dialect
from nnrun.data.files.reading import Reading
from nnrun.errors import DataError
from tests.mutations import slipped

pytest.importorskip("numba")
BUNDLED = sorted((Path(plain_file.__file__).parents[1] / "bundled").glob("*.csv"))
NEAR = [
    "", " ", "-", "+", ".", "-.5", ".5", "5.", "+1", "1_000", "1,5", "1 000", "007", "-007", "00.5", "0x1F", "nan",
    "NA", "?", "inf", "-inf", "True", "1e5", "1E-05", "1e", "1e+", "1e5.5", "1e0005", "1e-400", "1e400", "9" * 15,
    "9" * 16, "9" * 19, "9" * 20, "9" * 400, "0." + "0" * 30 + "1", "0.30000000000000004", "-0", "-0.0", "--1", "1-",
    "12%", '"1"', '"', "'1'", "#", "é", "\ufeff", "\x00", "\r", "\n", "\r\n", "\n\n", ";", ",", "\t", "1.5.5", "1:5",
    "a,b,c,d\n", "e", "1.e5", "0e99", "2024-01-01",
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_file, "LEAST", 0)


def found(path: Path, rows: int | None, reading: Reading = Reading(target="d")) -> list[object]:  # noqa: B008
    """What is read of each table, cells with all their digits and signs, and the fault at the end."""
    read: list[object] = []
    try:
        for table in read_csv(path, reading, rows):
            frame = table.frame
            cells = {name: (str(dtype), [*map(repr, frame[name].tolist())]) for name, dtype in frame.dtypes.items()}
            place = ([*frame.index], [*(table.lines or ())], table.first_row, table.header_line)
            read += [cells, [*map(str, place)], table.notices, table.columns, str(frame.columns.dtype)]
    except DataError as error:
        read.append(str(error))
    return read


def both(monkeypatch: pytest.MonkeyPatch, path: Path, rows: int | None, reading: Reading | None = None) -> list[object]:
    """What is read without machine code, and with it."""
    given = (path, rows, reading or Reading(target="d"))
    with monkeypatch.context() as patch:
        patch.setattr(plain_file, "reader", lambda **how: None)
        slowly = found(*given)
    return [slowly, found(*given)]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fills with the rows of each piece that is plain."""
    rows: list[int] = []
    frame = plain_file.PlainRows._content

    def noted(self: plain_file.PlainRows, *given: object) -> object:
        made, stop = frame(self, *given)  # type: ignore[arg-type]
        rows.extend([len(made[0])] if made is not None else [])
        return made, stop

    monkeypatch.setattr(plain_file.PlainRows, "_content", noted)
    return rows


def some(count: int, most: int) -> list[object]:
    """The first seeds; the soak tests try the others."""
    return [*range(count), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(count, most))]


def number(draw: random.Random) -> str:
    """A number as programs write it."""
    value = draw.choice([draw.gauss(0, 1), draw.gauss(0, 1e-4), draw.gauss(0, 1e9), float(draw.randint(-99, 99))])
    ways = [repr(value), f"{value:.6f}", f"{value:.4e}", f"{value:.12E}", str(round(value)), f"{value:.1f}", ""]
    return draw.choices(ways, [6, 3, 1, 1, 4, 2, 1])[0]


def table(draw: random.Random, rows: int) -> list[str]:
    return ["a,b,c,d", *(",".join([str(draw.randint(-9, 9)), number(draw), number(draw), "01"[row % 2]])
                         for row in range(rows))]  # fmt: skip


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_tables(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    rows = counted(monkeypatch)
    for pieces in (None, 40):
        slowly, quickly = both(monkeypatch, path, pieces)
        assert slowly == quickly
    assert rows


@pytest.mark.parametrize("seed", some(15, 40))
def test_made_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int) -> None:
    draw, rows = random.Random(seed), counted(monkeypatch)
    text = "\n".join([*table(draw, 60), *[""] * draw.randint(0, 1)])
    mark, end, point = draw.choice([*",;\t|"]), draw.choice(["\n", "\r\n"]), draw.choice(".,")
    if mark != ",":
        text = text.replace(",", mark).replace(".", point)
    content = text.replace("\n", end).encode(draw.choice(["utf-8", "utf-8-sig"]))
    path = tmp_path / draw.choice(["t.csv", "t.csv.gz"])
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    slowly, quickly = both(monkeypatch, path, draw.choice([None, 7, 30]))
    assert slowly == quickly
    assert sum(rows) == 60


@pytest.mark.parametrize("seed", some(40, 300))
def test_tables_with_slips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    head, *rows = table(draw, 25)
    if seed % 2:  # a cell
        row = draw.randrange(len(rows))
        fields = rows[row].split(",")
        fields[draw.randrange(4)] = draw.choice(NEAR)
        rows[row] = ",".join(fields)
        text = "\n".join([head, *rows, ""])
    else:
        text = slipped(draw, "\n".join([head, *rows, ""]), NEAR, (1, 2), 9)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    for pieces in (None, 6):
        slowly, quickly = both(monkeypatch, path, pieces)
        assert slowly == quickly


WORDS = {
    "words": ["low", "high", "", "NA"],
    "accents": ["é", "äu ß", "…"],
    "codes": ["007", "42", "0"],
    "truth": ["True", "False", ""],
    "shares": ["12%", "3.5%"],
    "grouped": ["1 000", "12 500"],
    "missing": ["1", "?", "2.5", "-"],
    "dates": ["2024-01-31", "2023-12-01"],
    "classes": ["None", "one", "two"],
    "long": ["12345678901234567", "9" * 18, ""],
    "wild": NEAR,
}


@pytest.mark.parametrize("seed", some(25, 200))
def test_tables_with_other_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    kinds = draw.sample([*WORDS], draw.randint(1, 4))
    kinds = [kind for kind in kinds if kind != "wild" or seed % 4 == 0]
    names = ["a", "b", *kinds]
    draw.shuffle(names)
    rows = [[draw.choice(WORDS[name]) if name in WORDS else number(draw) for name in names] for _ in range(30)]
    if seed % 5 == 1:
        rows[draw.randrange(30)] = names
    text = "\n".join([",".join(names), *(",".join(row) for row in rows), ""])
    text = slipped(draw, text, NEAR, (0, seed % 3), 9) if seed % 2 else text.replace(",", draw.choice(",;\t"))
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(draw.choice(["utf-8", "cp1252"]), "ignore"))
    reading = Reading(target=draw.choice(names), text=frozenset(draw.choice([[], names[:1]])))
    for size in (None, 8):
        slowly, quickly = both(monkeypatch, path, size, reading)
        assert slowly == quickly


@pytest.mark.parametrize(
    ("text", "names", "rest"),
    [
        ("n,w,c\n5,é,007\n-1.5,x,008\n", ["w", "c"], "é,007\nx,008\n"),
        ("n,k,w\n5,1,é\n,2,\n", ["n", "w"], "5,é\n,\n"),  # two at least: the name of one may stand in any cell
    ],
)
def test_the_other_columns_alone_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, names: list[str], rest: str
) -> None:
    """Or the test above would compare the usual reader with itself."""
    path, parse, left = tmp_path / "others.csv", csv_file.parse, []

    def noted(name: str, text: bytes, names: list[str], dialect: Dialect) -> object:
        if name == path.name:  # a thread may still be at a piece that a test before this one has asked for
            left.append((names, text.decode()))
        return parse(name, text, names, dialect)

    path.write_text(text, "utf-8")
    monkeypatch.setattr(csv_file, "parse", noted)
    found(path, None)
    assert left == [(names, rest)]


def test_it_reads_on_where_plain_rows_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = table(random.Random(0), 50)
    path, plain = tmp_path / "t.csv", counted(monkeypatch)
    for word, told in (("1,2", "t.csv:33:5: 5 fields"), ('"1"', "nothing"), ('"', "t.csv:33:4: a quote opens")):
        path.write_text("\n".join([*rows[:32], rows[32].rsplit(",", 1)[0] + f",{word}", *rows[33:], ""]), "utf-8")
        slowly, quickly = both(monkeypatch, path, 10)
        assert slowly == quickly
        assert plain[:3] == [10, 10, 10]
        assert (told in str(quickly[-1])) == (told != "nothing")
        plain.clear()


@pytest.mark.parametrize(
    "reading",
    [
        Reading(missing=("1",)),
        Reading(text=frozenset("a")),
        Reading(decimal=","),
        Reading(header=False),
        Reading(numbers=frozenset("a")),
        Reading(usual_missing=False),
    ],
    ids=str,
)
def test_what_is_known_before_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reading: Reading) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b", *(f"{row},{row / 8}" for row in range(9)), ""]), "utf-8")
    slowly, quickly = both(monkeypatch, path, 4, reading)
    assert slowly == quickly


@pytest.mark.parametrize("names", ["1,2", ",2", "2020,2021", '"a\nb",c', "a,a", ",b", "# a,b", "# note\n\na,b"])
def test_names_of_all_kinds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: str) -> None:
    path = tmp_path / "t.csv"
    for mark in ("\n", "\r\n", "\r"):
        text = "\n".join([names, *(f"{row},{row}" for row in range(3)), names.split("\n")[-1], "7,8", ""])
        path.write_bytes(text.replace("\n", mark).encode())
        slowly, quickly = both(monkeypatch, path, 2)
        assert slowly == quickly


def test_each_number_is_the_nearest_one() -> None:
    draw, read = random.Random(0), cell_reader.reader()
    assert read is not None
    cells = [repr(draw.gauss(0, 10.0 ** draw.randint(-20, 20))) for _ in range(20_000)]
    cells += [f"{draw.randrange(10**18)}.{draw.randrange(10)}e{draw.randint(-50, 50)}" for _ in range(5_000)]
    cells += [f"{(2**53 + draw.randrange(2**53)) * 2 + 1}.0" for _ in range(200)]  # half-way between two
    cells += [f"{(2**54 + draw.randrange(2**54)) * 2 + 1}e{draw.randint(-4, 3)}" for _ in range(2_000)]
    cells += [f"{draw.randrange(2**54)}.5" for _ in range(2_000)]
    text = np.frombuffer("".join(f"{cell},1\n" for cell in cells).encode(), np.uint8)
    found = read(text, len(cells), ",", ".", np.zeros(2, bool)) or pytest.fail("not plain")
    assert found.numbers[0].tolist() == [*map(float, cells)]
    assert (found.kinds == cell_reader.WHOLE).tolist() == [False, True]


LOADS = """
import sys
import numpy as np
from nnrun.compiled.cell_reader import reader
read = reader()
found = read(np.frombuffer(b"1,-2.5\\n", np.uint8), 1, ",", ".", np.zeros(2, bool))
print(found.numbers.tolist(), found.kinds.tolist(), "numba" in sys.modules)
"""


@pytest.mark.soak  # as that of steps is, by the same functions: tests/compiled/test_machine_code.py
def test_the_code_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    def loaded() -> str:
        environment = {**os.environ, folder_of_code.OURS: str(folder)}
        done = subprocess.run([sys.executable, "-c", LOADS], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    told = "[[1.0], [-2.5]] [0, 1] "
    assert loaded() == f"{told}True"
    (file,) = folder.iterdir()
    good = file.read_bytes()
    assert loaded() == f"{told}False"
    file.write_bytes(good[:-9] + b"\x00" * 9)
    assert loaded() == f"{told}True"
    assert file.read_bytes() == good


def test_code_is_not_taken_from_a_folder_that_is_open_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(folder_of_code.OURS, str(tmp_path))
    tmp_path.chmod(0o755)
    assert cell_reader.reader() is None


def test_code_is_loaded_once_and_asked_for_anew_until_it_was_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(folder_of_code.OURS, str(tmp_path / "code"))
    assert cell_reader.reader(compiling=False) is None
    made = cell_reader.reader()
    assert made is not None
    assert cell_reader.reader(compiling=False) is made


def test_what_cannot_be_compiled_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = list[str]()

    def fails(dispatcher: object, signature: object, symbol: str) -> bytes:
        tried.append(symbol)
        raise RuntimeError

    monkeypatch.setenv(folder_of_code.OURS, str(tmp_path / "code"))
    monkeypatch.setattr("nnrun.compiled.machine_code.compiled", fails)
    assert cell_reader.reader() is cell_reader.reader() is None
    assert len(tried) == 1


def test_without_the_compiler_there_is_no_reader() -> None:
    script = (
        "import sys; sys.modules['llvmlite'] = None; from nnrun.compiled.cell_reader import reader; print(reader())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
