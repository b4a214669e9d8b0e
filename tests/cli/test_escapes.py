"""Names from data may hold what a terminal obeys: nothing of it reaches a screen or a log, and no file loses a name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.text import on_screen
from tests.cli.conftest import Done, OnTerminal

Nnrun = Callable[..., Done]
CLEAR, TITLE, BLINK, TURNED = "\x1b[2J", "\x1b]0;owned\x07", "\x1b[5m", "\u202e"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # all but line ends
FILE = f"rows{BLINK}.csv"
NUMBER, CATEGORY, TARGET = f"a{TITLE}", f"cat{BLINK}", f"y{TURNED}"
CLASSES = [f"no{CLEAR}", f"yes{TITLE}"]


@pytest.fixture
def table(here: Path) -> str:
    """A file whose name, columns and cells hold all of it."""
    rows: list[list[object]] = [[f"id{CLEAR}", NUMBER, CATEGORY, TARGET]]
    rows += [[f"R{i}", i % 13, f"u{CLEAR}" if i % 3 else f"v{TURNED}", CLASSES[i % 13 > 6]] for i in range(120)]
    with Path(FILE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with Path("new.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*rows[0][:3], f"more{BLINK}"], ["R1", "", f"unseen{TITLE}", 1]])
    return FILE


COMMANDS = [
    ("init", FILE), ("check", "config.yaml"),
    ("train", "config.yaml", "-v", "--set", "training.epochs=3"), ("diagnose", "--by", CATEGORY),
    ("diagnose", "--by", f"zzz{CLEAR}"), ("evaluate",), ("evaluate", "latest", FILE),
    ("predict", "latest", "new.csv", "-o", f"out{BLINK}.csv"), ("predict", "latest", f"none{CLEAR}.csv"),
    ("evaluate", "--json"), ("show", "--json"), ("show",), ("list",), ("export", "--format", "numpy"),
    ("train", "config.yaml", "--set", f"data.target='zz'{CLEAR}"), ("train", f"none{BLINK}.yaml"),
    ("train", "config.yaml", "--set", "data.target=zzz"), ("train", "config.yaml", "--set", f"zz{CLEAR}=3"),
]  # fmt: skip


def test_nothing_that_is_obeyed_is_printed(nnrun: Nnrun, table: str) -> None:
    assert nnrun("init", table, "--target", TARGET).code == 0
    for command in COMMANDS:
        done = nnrun(*command)
        assert done.code in (0, 2, 3, 4), f"{command}: {done.err}"
        assert not OBEYED.findall(done.out + done.err), f"{command}: {done.out!r}{done.err!r}"
    for log in Path("runs").glob("*/log.txt"):
        assert not OBEYED.findall(log.read_text(encoding="utf-8"))


def test_files_keep_the_true_names(nnrun: Nnrun, table: str) -> None:
    nnrun("init", table, "--target", TARGET)
    nnrun("train", "config.yaml", "-q", "--set", "training.epochs=2")
    written = csv.DictReader(io.StringIO(nnrun("predict", "latest", table).out, newline=""))
    assert {row["prediction"] for row in written} <= set(CLASSES)
    assert [each["class"] for each in nnrun("evaluate", "--json").json["classes"]["dev"]] == CLASSES
    (data,) = Path("runs").glob("*-rows*/data.json")
    assert json.loads(data.read_text(encoding="utf-8"))["target"]["name"] == TARGET


def test_a_terminal_is_shown_a_table_as_all_else(
    nnrun: Nnrun, on_terminal: Callable[..., OnTerminal], table: str
) -> None:
    nnrun("init", table, "--target", TARGET)
    nnrun("train", "config.yaml", "-q", "--set", "training.epochs=2")
    screen = on_terminal("predict", "latest", "new.csv", "-q")
    assert screen.finish() == 0
    assert r"no\x1b[2J" in screen.terminal.text and not OBEYED.findall(screen.written.replace("\r\n", ""))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("größer, 大きい, می‌خواهم, 👩‍👧, a\u3000b\u00a0c", None),
        ("a\tb\rc\nd", r"a\tb\rc\nd"),
        ("\x1b[2J\x9b5m\x07", r"\x1b[2J\x9b5m\x07"),
        ("\u202eabc\u2069\u2028", r"\u202eabc\u2069\u2028"),
        ("\udc80", r"\udc80"),
    ],
)
def test_what_stands_in_for_a_letter(line: str, shown: str | None) -> None:
    assert on_screen(line) == (shown or line)
