"""The command compare, from the shell."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest

from tests.cli.conftest import QUICK, Done, OnTerminal

Nnrun = Callable[..., Done]


@pytest.fixture
def two(nnrun: Nnrun) -> list[str]:
    """Ids of two runs that differ in the learning rate, the second with 0.01."""
    ids = []
    for rate in ("0.001", "0.01"):
        assert nnrun("train", "-q", *QUICK, "--set", f"optimizer.learning_rate={rate}").code == 0
        ids.append(nnrun("show", "--json").json["id"])
    return ids


def test_two_runs_that_differ_in_one_key(nnrun: Nnrun, two: list[str]) -> None:
    done = nnrun("compare", *two)
    assert (done.code, done.err) == (0, "")
    config = done.out[done.out.index("config") : done.out.index("result")]
    assert [line.split() for line in config.strip().splitlines()] == [
        ["config", "A", "B"],
        ["optimizer.learning_rate", "0.001", "0.01"],
    ]
    assert "points" in done.out
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines()[:-1])) <= 80  # the last line is a command


def test_the_printed_command_measures_the_noise(nnrun: Nnrun, shell: Callable[[str], Done], two: list[str]) -> None:
    before = nnrun("compare", *two)
    assert "seed noise is not known" in before.out
    assert "within seed noise" not in before.out
    (command,) = before.next
    assert command.startswith("nnrun search ")
    assert shell(f"{command} -q").code == 0
    after = nnrun("compare", *two)
    assert after.next == []
    assert "dev_error" in after.out
    assert "judged by 6 runs that share everything else" in " ".join(after.out.split())
    noise = nnrun("compare", *two, "--json").json["seed_noise"]["dev_error"]
    assert noise["degrees"] == 5
    assert noise["deviation"] > 0


def test_formats_and_all(nnrun: Nnrun, two: list[str]) -> None:
    document = nnrun("compare", *two, "--json").json
    assert document["config"] == {"optimizer.learning_rate": [0.001, 0.01]}
    assert document["comparable"] is True
    rows = list(csv.DictReader(nnrun("compare", *two, "--csv").out.splitlines()))
    assert [row["run"] for row in rows] == two
    row = next(csv.DictReader(nnrun("compare", *two, "--all", "--csv").out.splitlines()))
    assert (row["network.batch_norm"], row["network.hidden"]) == ("false", "[8]")
    assert "| optimizer.learning_rate | 0.001 | 0.01 |" in nnrun("compare", *two, "--md").out
    assert "network.activation" in nnrun("compare", *two, "--all").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["latest"], "compare needs two runs or more"),
        (["latest", "latest"], "latest is named twice, "),
        (["latest", "zzz"], "no run 'zzz' in runs"),
        (["latest", "best", "--json", "--csv"], "--json, --csv and --md: only one of them"),
    ],
)
def test_mistakes(nnrun: Nnrun, two: list[str], arguments: list[str], words: str) -> None:
    done = nnrun("compare", *arguments)
    assert done.code == 2
    assert words in done.err + done.out
    assert "Traceback" not in done.err


def test_a_search_its_trial_and_other_data(nnrun: Nnrun, two: list[str]) -> None:
    assert nnrun("search", "-q", "--trials", 2, *QUICK, "--set", "data.source=iris", "--workers", 1).code == 0
    search = nnrun("show", "--json").json["id"]
    other = nnrun("compare", two[0], search)
    assert other.code == 0
    told = " ".join(other.out.split())
    assert told.startswith(
        "note these runs have different data, so their errors cannot be compared: A (digits); B (iris) "
    )
    best = nnrun("show", search, "--json").json["best_trial"]
    trials = nnrun("compare", f"{search}/trials/0000", f"runs/{search}/trials/0001", "--json")
    assert [run["id"] for run in trials.json["runs"]] == [f"{search}/trials/{number:04d}" for number in range(2)]
    same = nnrun("compare", search, f"{search}/trials/{best:04d}", "--json").json
    assert same["config"] == {}
    assert same["metrics"]["dev_error"]["differences"] == [0, 0]


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_a_screen(on_terminal: Callable[..., OnTerminal], two: list[str], width: int) -> None:
    screen = on_terminal("compare", *two, width=width)
    assert screen.finish() == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.written)  # but for colours
    assert "\x1b" not in plain
    lines = [line for line in plain.replace("\r", "").splitlines() if not line.startswith("next ")]
    assert max(map(len, lines)) <= width


def test_on_a_screen_without_unicode(process: Callable[..., Done], two: list[str]) -> None:
    done = process("compare", *two, PYTHONIOENCODING="ascii")
    assert done.code == 0
    bars = [line.split()[2] for line in done.out.splitlines()[1:3]]
    assert [len(bar) for bar in bars] == [3, 3]
    assert max("".join(bars)) == "8", "the highest bar; three epochs each"
