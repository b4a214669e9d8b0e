"""Rows that come later and look otherwise than those trained on: handled as documented, or refused by their place.

The model learned from a German table: semicolons, decimal commas, Latin-1, dates with the day first.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.api import train
from tests.cli.conftest import Done
from tests.made import MADE

Nnrun = Callable[..., Done]

ROWS = 90
TARGET = MADE["sensors"].target


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table, beside the runs of one model that learned from it."""
    folder = tmp_path_factory.mktemp("machine-hall")
    path = MADE["sensors"].write(folder, ROWS)
    values = {
        "data": {"source": str(path), "target": TARGET},
        "network": {"hidden": [4]},
        "training": {"epochs": 2},
    }
    train(values, folder / "runs")
    return path


@pytest.fixture
def predict(original: Path, nnrun: Nnrun, here: Path) -> Nnrun:
    """predict(text) is what nnrun predict says of a table with this text, in UTF-8 unless it is bytes."""

    def call(content: str | bytes, name: str = "new.csv", command: str = "predict") -> Done:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return nnrun(command, "latest", name, "--runs", original.parent / "runs")

    return call


@pytest.fixture
def text(original: Path) -> str:
    """The table as text."""
    return original.read_text(encoding="latin-1")


def columns(text: str) -> list[list[str]]:
    """Cells of each line; no cell of this table is quoted."""
    return [line.split(";") for line in text.splitlines()]


def table(rows: list[list[str]]) -> str:
    return "".join(";".join(row) + "\n" for row in rows)


def without(text: str, name: str) -> str:
    """The table without a column."""
    rows = columns(text)
    at = rows[0].index(name)
    return table([row[:at] + row[at + 1 :] for row in rows])


def in_english(text: str) -> str:
    """Commas between fields, decimal points."""
    return text.replace(",", ".").replace(";", ",")


SAME: dict[str, Callable[[str], str | bytes]] = {
    "as it was": lambda text: text.encode("latin-1"),
    "UTF-8": lambda text: text,
    "UTF-8 with BOM": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "no last line end": lambda text: text.rstrip("\n"),
    "tabs": lambda text: text.replace(";", "\t"),
    "decimal points": lambda text: text.replace(",", "."),
    "commas and points": in_english,
    "other order": lambda text: table([row[::-1] for row in columns(text)]),
    "one more column": lambda text: table([[*row, "neu"] for row in columns(text)]),
    "without the target": lambda text: without(text, TARGET),
    "quoted": lambda text: table([[f'"{cell}"' for cell in row] for row in columns(text)]),
    "compressed": lambda text: gzip.compress(text.encode()),
}  # fmt: skip


@pytest.mark.parametrize("how", SAME)
def test_the_same_rows_written_otherwise_are_predicted_alike(how: str, text: str, predict: Nnrun) -> None:
    expected = predict(text)
    assert expected.code == 0 and len(expected.out.splitlines()) == ROWS + 1
    name = "otherwise.csv.gz" if how == "compressed" else "otherwise.csv"
    done = predict(SAME[how](text), name)
    assert (done.code, done.out) == (0, expected.out), done.err


def test_a_value_never_seen_is_told_and_predicted(text: str, predict: Nnrun) -> None:
    done = predict(text.replace("Pumpe", "Kran"))
    assert done.code == 0 and len(done.out.splitlines()) == ROWS + 1
    assert "of column 'Gerät' were not seen in training (the first: new.csv:" in " ".join(done.err.split())


def test_a_value_of_other_code_points_than_training_has_is_told(text: str, predict: Nnrun) -> None:
    head, _, body = text.partition("\n")
    done = predict(f"{head}\n" + body.replace("ü", "u\u0308"))
    assert done.code == 0
    told = "of column 'Gerät' were not seen in training, where the same letters have other code points (the first: new"
    assert told in " ".join(done.err.split())


def changed(text: str, line: int, field: int, value: str) -> str:
    """The table with another cell at a line and a field, both counted from 1."""
    rows = columns(text)
    rows[line - 1][field - 1] = value
    return table(rows)


WRONG: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "no such column": (lambda text: without(text, "Gerät"), "new.csv:1: no column 'Gerät'"),
    "another name": (lambda text: text.replace("Drehzahl", "Drehzal", 1), "new.csv:1: no column 'Drehzahl'"),
    "a word for a number": (lambda text: changed(text, 8, 5, "schnell"), "new.csv:8:5: 'schnell' in column 'Drehzahl'"),
    "a date that is none": (lambda text: changed(text, 5, 1, "gestern"), "new.csv:5:1: 'gestern' in column 'Datum'"),
    "dates of another kind": (lambda text: changed(text, 2, 1, "2024-01-31"), "is not a date like 31.01.2026 13:30"),
    "an infinite number": (lambda text: changed(text, 3, 4, "inf"), "new.csv:3:4: the value in column 'Feuchte %'"),
    "a number too large": (lambda text: changed(text, 3, 4, "1e300"), "new.csv:3:4: the value in column 'Feuchte %'"),
    "a field too few": (lambda text: changed(text, 4, 6, "").replace(";\n", "\n"), "new.csv:4:6: 5 fields where"),
    "an open quote": (lambda text: changed(text, 4, 2, '"Pumpe'), "new.csv:"),
    "nothing": (lambda text: "", "new.csv: the file is empty"),
    "a header alone": (lambda text: text.splitlines()[0], "new.csv:1: a header but no rows"),
    "composed otherwise": (
        lambda text: text.replace("Gerät", "Gera\u0308t", 1),
        'did you mean "Gera\\u0308t", which has other code points?',
    ),
    "no header": (lambda text: text.partition("\n")[2], "new.csv:1: no column"),
    "no text": (lambda text: b"\x07\x08\x09\x0a\0\0" + text.encode(), "new.csv:2:1: a zero byte"),
}  # fmt: skip


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("how", WRONG)
def test_rows_that_do_not_fit_are_refused_by_their_place(how: str, command: str, text: str, predict: Nnrun) -> None:
    change, message = WRONG[how]
    before = {path.name for path in Path().iterdir()}
    done = predict(change(text), command=command)
    assert (done.code, done.out) == (4, "")
    assert message in done.err
    assert {path.name for path in Path().iterdir()} - before == {"new.csv"}


def test_a_compressed_file_that_was_cut_off(text: str, predict: Nnrun) -> None:
    done = predict(gzip.compress(text.encode())[:-200], "cut.csv.gz")
    assert (done.code, done.out) == (4, "")
    assert "cut.csv.gz" in done.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: without(text, TARGET), f"new.csv:1: no column '{TARGET}'"),
        (lambda text: changed(text, 7, 6, ""), f"new.csv:7:6: no value in target column '{TARGET}'"),
        (lambda text: changed(text, 7, 6, "viel"), f"new.csv:7:6: 'viel' in column '{TARGET}'"),
    ],
    ids=["no target", "a gap in it", "a word in it"],
)
def test_evaluating_needs_the_target(change: Callable[[str], str], message: str, text: str, predict: Nnrun) -> None:
    done = predict(change(text), command="evaluate")
    assert (done.code, done.out) == (4, "")
    assert message in done.err
    assert "data.missing_target" not in done.err, "that is a key of training"
