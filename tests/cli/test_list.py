"""The command list: its options, its formats, and what fits a screen."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.runs.records import numbers
from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, Done, OnTerminal
from tests.conftest import loaded_by
from tests.panda import nudge, rewind

Nnrun = Callable[..., Done]
STORED = Path(__file__).parents[1] / "stored"


@pytest.fixture
def two(nnrun: Nnrun) -> list[str]:
    """A run with a learning rate of 0.01 and one of 0.001."""
    for rate in ("0.01", "0.001"):
        assert nnrun("train", "-q", *QUICK, "--set", f"optimizer.learning_rate={rate}").code == 0
    return sorted((path.name for path in Path("runs").glob("[!.]*")), key=lambda name: rate_of(Path("runs") / name))


def rate_of(run: Path) -> float:
    line = next(line for line in (run / "resolved.yaml").read_text().splitlines() if "learning_rate" in line)
    return float(line.split()[1])


def ids(done: Done) -> list[str]:
    return [line.split()[0] for line in done.out.splitlines()[1:]]


def test_options(nnrun: Nnrun, two: list[str]) -> None:
    slow, fast = two
    assert ids(nnrun("list", "--sort", "optimizer.learning_rate")) == [slow, fast]
    assert ids(nnrun("list", "--sort", "dev_error")) == [fast, slow], "three epochs are few for 0.001"
    assert ids(nnrun("list", "--sort", "dev_error", "--reverse")) == [slow, fast]
    assert ids(nnrun("list", "--sort", "dev_error", "--limit", 1)) == [fast]
    assert ids(nnrun("list", "--filter", "optimizer.learning_rate<0.005")) == [slow]
    assert ids(nnrun("list", "--filter", "status=done", "--filter", "name=dig*", "--sort", "created")) in [
        two,
        two[::-1],
    ]
    assert [run["id"] for run in nnrun("list", "--json", "--sort", "dev_error").json["runs"]] == [fast, slow]
    rows = list(csv.DictReader(nnrun("list", "--csv", "--sort", "dev_error").out.splitlines()))
    assert [row["id"] for row in rows] == [fast, slow]
    assert float(rows[0]["dev_loss"]) < float(rows[1]["dev_loss"])
    assert nnrun("list", "--filter", "status=diverged") == (0, "no run fulfils that\n", "")
    titles = nnrun("list", "--filter", "status=diverged", "--csv").out
    assert list(rows[0])[: titles.count(",") + 1] == titles.rstrip("\n").split(",")
    assert nnrun("list", "--csv", "--runs", "none").out == titles and titles.startswith("id,kind,name,")


def test_the_newest_is_on_top_and_programs_get_the_oldest_first(nnrun: Nnrun, two: list[str]) -> None:
    slow, fast = two
    assert ids(nnrun("list")) == [slow, fast]
    assert ids(nnrun("list", "--limit", 1)) == [slow]
    assert ids(nnrun("list", "--reverse")) == [fast, slow]
    assert [run["id"] for run in nnrun("list", "--json").json["runs"]] == [fast, slow]
    for option in ((), ("--reverse",)):
        assert [run["id"] for run in nnrun("list", "--json", "--limit", 1, *option).json["runs"]] == [slow]
    assert [row["id"] for row in csv.DictReader(nnrun("list", "--csv", "--limit", 1).out.splitlines())] == [slow]
    assert ids(nnrun("list", "--sort", "id")) == sorted(two)
    assert ids(nnrun("list", "--sort", "id", "--reverse")) == sorted(two)[::-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sort", "dev_eror"], "no run has a 'dev_eror', did you mean dev_error?"),
        (["--filter", "optimizer.nam=adam"], "no run has a 'optimizer.nam', did you mean optimizer.name?"),
        (["--sort", "optimizer.lr"], "no run has a 'optimizer.lr', did you mean optimizer.learning_rate?"),
        (["--filter", "lr=0.1"], "no run has a 'lr', did you mean optimizer.learning_rate?"),
        (["--filter", "done"], "--filter: 'done' is no condition; write KEY=VALUE"),
        (["--json", "--csv"], "--json and --csv: only one of them"),
        (["--tree", "--csv"], "--tree and --csv: only one of them"),
    ],
)
def test_mistakes(nnrun: Nnrun, two: list[str], options: list[str], words: str) -> None:
    done = nnrun("list", *options)
    assert done.code == 2
    assert words in (done.err or done.out)


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_a_screen(on_terminal: Callable[..., OnTerminal], two: list[str], nnrun: Nnrun, width: int) -> None:
    shutil.copytree(Path("runs") / two[0], Path("runs") / f"{two[0]}-of-a-name-that-is-long")
    nnrun("resume", two[0], "-q", "--epochs", 4, "--set", "seed=3")
    screen = on_terminal("list", width=width)
    assert screen.finish() == 0
    lines = screen.written.replace("\r", "").splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= width
    assert "\x1b" not in screen.written


def test_a_run_without_a_result_is_listed_with_its_best_epoch_so_far(nnrun: Nnrun, two: list[str]) -> None:
    """As a killed run leaves it; another metric decides, of which more is better."""
    options = ("--set", "metrics.primary=auc", "--set", "data.source=breast_cancer", "--set", "training.epochs=9")
    run = RunDir(Path("runs", nnrun("train", "--json", *QUICK, *options).json["id"]))
    whole = json.loads(nnrun("list", "--json", "--sort", "created").out)["runs"][-1]
    run.update_record(status="running")
    killed = json.loads(nnrun("list", "--json", "--sort", "created").out)["runs"][-1]
    assert killed["status"] == "interrupted"
    assert (killed["best_epoch"], killed["epochs"]) == (whole["best_epoch"], 9)
    assert killed["dev_error"] == whole["dev_error"]
    assert killed["final"]["dev_auc"] == max(row["dev_auc"] for row in map(numbers, run.metrics()))
    assert killed["test_error"] is None  # nobody has looked yet
    marked = [line for line in nnrun("show", run.id).out.splitlines() if line.endswith("  best")]
    assert [line.split()[0] for line in marked] == [str(whole["best_epoch"])]
    run.forget_metrics_after(0)
    assert json.loads(nnrun("list", "--json", "--sort", "created").out)["runs"][-1]["best_epoch"] is None


PIPES = {
    "run.json": "unreadable",
    "metrics.jsonl": "unreadable",
    "run.lock": "unreadable",
    "events.jsonl": "interrupted",
    "labels.json": "interrupted",
    "trials.jsonl": "unreadable",
    "resolved.yaml": "unreadable",
}


def test_a_run_with_a_pipe_in_place_of_a_file_keeps_nobody_waiting(
    process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them has another one, and was killed in the middle: what it came to is looked for in all of its files."""
    monkeypatch.setattr("tests.cli.conftest.SECONDS", 60)
    for file in PIPES:
        of_search = file == "trials.jsonl"
        run = RunDir(Path("runs", f"20250101-120000-{file}-abcd"))
        shutil.copytree(STORED / ("search" if of_search else "run"), run.path)
        run.update_record(status="running")
        (run.path / file).unlink(missing_ok=True)
        os.mkfifo(run.path / file)
    listed = process("list", "--json", "--sort", "optimizer.learning_rate").json["runs"]
    assert {one["name"]: one["status"] for one in listed} == PIPES
    for file in ("metrics.jsonl", "resolved.yaml"):
        done = process("show", file)
        assert (done.code, f"{file}: a pipe, a device or a folder; a file belongs there" in done.err) == (4, True)


def test_searches_are_found_by_how_they_search(nnrun: Nnrun, two: list[str]) -> None:
    search = Path("runs", "20250101-120000-old-search-abcd")
    shutil.copytree(STORED / "search", search)
    assert ids(nnrun("list", "--filter", "search.strategy=random", "--filter", "search.trials=3")) == [search.name]
    assert ids(nnrun("list", "--filter", "search.trials>1000")) == []
    assert "did you mean search.trials?" in nnrun("list", "--filter", "search.trails=4").err


@pytest.mark.parametrize(("status", "option"), [("done", "--tree"), ("running", "--reverse")])
def test_listing_loads_no_numpy(two: list[str], status: str, option: str) -> None:
    """Neither where a run is not over: its best epoch until now is looked for."""
    RunDir(Path("runs", two[0])).update_record(status=status)
    words = ("list", "--sort", "optimizer.learning_rate", "--filter", "dev_error<1", option)
    printed, modules = loaded_by(*words)
    assert modules & {"numpy", "pandas", "scipy", "rich", "nnrun.config.schema"} == set()
    assert len(printed.splitlines()) == 3


def test_a_tree(nnrun: Nnrun, two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of `resume`, and a rewound one of that with two nudges."""
    monkeypatch.setenv("COLUMNS", "160")
    slow, fast = two
    older = nnrun("resume", slow, "--json", "--epochs", 7, "--set", "optimizer.learning_rate=0.01").json["id"]
    younger = rewind(RunDir(Path("runs", older)), 4, {"regularization.dropout": (0, 0.3)}, f"{older}-b")
    nudge(younger, 6, {"optimizer.learning_rate": (0.01, 0.001)}, note="flat")
    lines = nnrun("list", "--tree", "--filter", f"id!={fast}").out.splitlines()
    drawn = ["run ", f"{slow} ", f"└─ {older} ", f"   └─ {younger.id} "]
    assert all(line.startswith(beginning) for line, beginning in zip(lines, drawn, strict=False))
    assert lines[2].endswith("learning_rate 0.001 → 0.01, epochs 3 → 7")
    assert lines[3].endswith("dropout 0 → 0.3")
    assert "% *2 " in lines[3]
    assert lines[4:] == [
        "*N: N changes were made while watching dev",
        "keys     optimizer.learning_rate, training.epochs, regularization.dropout",
    ]
    listed = nnrun("list", "--tree", "--json", "--sort", "optimizer.learning_rate", "--limit", 3).json["runs"]
    assert [(run["id"], run["depth"], run["nudges"]) for run in listed] == [
        (slow, 0, 0), (older, 1, 0), (younger.id, 2, 2),
    ]  # fmt: skip
    assert listed[2]["parent"]["id"] == older
    assert listed[1]["changed"][0] == {"key": "optimizer.learning_rate", "old": 0.001, "new": 0.01}
    assert [line.split()[0] for line in nnrun("list", "--tree", "--limit", 2).out.splitlines()[:1]] == ["run"]


def test_a_tree_in_plain_letters(nnrun: Nnrun, process: Callable[..., Done], two: list[str]) -> None:
    assert nnrun("resume", two[0], "-q", "--epochs", 4, "--set", "seed=3").code == 0
    done = process("list", "--tree", PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert "\n`- " in done.out
    assert "seed 0 -> 3" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
