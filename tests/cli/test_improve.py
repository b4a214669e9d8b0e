"""nnrun improve: what it prints, what the other commands make of its directory, and errors by their exit codes."""

from __future__ import annotations

import json
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done
from tests.cli.test_printed import commands_of, quoted

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[..., Path]

POOR = """\
name: poor
seed: 3
data: {source: iris}
network: {hidden: [2]}  # two units
training: {epochs: 4, engine: numpy}
"""
WORDS = ("improve", "config.yaml", "--seeds", "3", "--budget")


def directory() -> Path:
    """The newest improvement."""
    made = Path("runs").glob("*-improve-*")
    return max(made, key=lambda path: json.loads((path / "run.json").read_text())["created"])


def come_to(path: Path) -> tuple[Any, list[Any]]:
    """Ending and steps, but for the time it took."""
    ending = json.loads((path / "improve.json").read_text())["ending"]
    steps = [json.loads(line) for line in (path / "steps.jsonl").read_text().splitlines()]
    for each in [ending, *steps]:
        del each["seconds"]
        each.pop("checksum", None)
    return ending, steps


@pytest.fixture
def poor(config: Write) -> Path:
    return config(POOR)


def test_it_tells_each_step_and_the_other_commands_take_its_directory(
    nnrun: Nnrun, poor: Path, typed: Callable[[str], Done]
) -> None:
    done = nnrun("improve", poor, "--budget", "160epochs", "--seeds", "3", "--workers", "1")
    found = directory()
    assert done.code == 0
    heading = f"improve  {found.name}: 3 seeds a setting, within 160 epochs, 1 worker start "
    assert " ".join(done.err.split()).startswith(" ".join(heading.split()))
    assert "\nstart    dev error " in done.err
    assert "\nstep 1   larger network: " in done.err
    assert "\nadopted  dev error " in done.err
    for head in (
        "step  advice",
        "end      ",
        "steps    ",
        "dev      ",
        "changes  ",
        "again    ",
        "best  ",
    ):
        assert f"\n{head}" in f"\n{done.out}"
    assert f"improved runs/{found.name}\n" in done.out
    for line in done.next:
        assert typed(line).code == 0, line
    shown = nnrun("show", found.name)
    assert "step  advice" in shown.out
    assert "changes  " in shown.out
    ending = nnrun("show", found.name, "--json").json["improvement"]["ending"]
    assert ending["adopted"] >= 1
    advised = [action["command"] for action in nnrun("diagnose", found.name, "--json").json["next"]]
    assert advised
    assert not any(f" {key}=" in command for key in ending["end"]["settings"] for command in advised)
    assert nnrun("show", found.name, "--csv").out.startswith("number,")
    assert nnrun("list").out.count("-improve-") == 1
    trained = nnrun("list", "--json").json["runs"][-1]["id"]
    assert nnrun("compare", found.name, trained).code == 0
    for words in (("evaluate", found.name), ("export", found.name, "-o", "model.py"), ("resume", found.name)):
        assert nnrun(*words).code == 0
    done = nnrun("improve", found.name, "--budget", "40epochs", "--seeds", "3", "--workers", "1", "-q")
    assert (done.code, done.next) == (0, [])


def test_all_that_a_page_of_an_improvement_says_to_type_can_be_typed(
    nnrun: Nnrun, poor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("NEW_DATA.csv").write_text(
        "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5,3,1.5,0.2\n"
    )
    words = ["improve", str(poor), "--budget", "160epochs", "--seeds", "3", "--workers", "1", "-q"]
    monkeypatch.setattr("sys.argv", ["nnrun", *words])
    assert nnrun(*words, "--report").code == 0
    page = directory() / "report.html"
    assert "The dev error, step by step" in page.read_text()
    lines = commands_of(page)
    assert {shlex.split(line)[1] for line in lines} == {"improve", "train", "predict", "diagnose", "report"}
    for line in lines:
        done = nnrun(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"


def test_its_document(nnrun: Nnrun, poor: Path) -> None:
    found = nnrun("improve", poor, "--budget", "100epochs", "--seeds", "3", "--workers", "1", "--json").json
    assert found["improvement"]["asked"] == {
        "budget": "100epochs",
        "target": None,
        "seeds": 3,
        "config": str(poor),
        "settings": [],
        "options": [],
    }
    assert [step["number"] for step in found["steps"]] == list(range(1, len(found["steps"]) + 1))
    assert found["test_reads"] == 1


def test_a_run_is_improved_from_where_it_stands(nnrun: Nnrun, poor: Path) -> None:
    assert nnrun("train", poor, "-q", "--set", "network.hidden=[3]").code == 0
    found = nnrun("improve", "latest", "--budget", "100epochs", "--seeds", "3", "--workers", "1", "--json").json
    run = next(Path("runs").glob("*-poor-*")).name
    assert found["improvement"]["asked"]["config"].endswith("resolved.yaml")
    assert run.split("-poor-")[0]
    commands = [step["command"] for step in found["steps"]]
    assert all(line.startswith("nnrun train ") and "resolved.yaml" in line for line in commands)


def test_the_config_to_keep_finds_what_its_relative_paths_meant(nnrun: Nnrun, poor: Path) -> None:
    table = Path("tables/flowers.csv")
    table.parent.mkdir()
    table.write_text("x,y\n" + "".join(f"{k % 7},{'ab'[k % 7 > 3]}\n" for k in range(90)))
    Path("configs/more").mkdir(parents=True)
    Path("configs/base.yaml").write_text("data: {source: nowhere.csv, target: y}\nnetwork: {hidden: [2]}\n")
    child = Path("configs/more/child.yaml")
    child.write_text("extends: [../base.yaml]\nname: child\ntraining: {epochs: 4, engine: numpy}\n")
    words = ("--set", f"data.source={table}", "--budget", "60epochs", "--seeds", "3", "--workers", "1", "-q")
    assert nnrun("improve", child, *words).code == 0
    made = directory()
    done = nnrun("train", made / "improved.yaml", "--json")
    assert done.code == 0, done.err
    number = json.loads((made / "improve.json").read_text())["ending"]["best_trial"]
    best = json.loads((made / f"trials/{number:04d}/run.json").read_text())
    assert done.json["final"]["dev_loss"] == best["final"]["dev_loss"]


def test_an_improvement_is_no_search_to_retest_and_an_ensemble_is_of_one_split(nnrun: Nnrun, poor: Path) -> None:
    few = ("--budget", "160epochs", "--seeds", "3", "--workers", "1", "-q")
    assert nnrun("improve", poor, *few).code == 0
    made = directory()
    assert json.loads((made / "improve.json").read_text())["ending"]["again"], "some are trained on another split"
    of_one_split = len(list((made / "trials").glob("[0-9]*"))) - 2 * 3  # the last change, before and after
    for many in (("--top", str(of_one_split)), ("--greedy", "3")):
        assert nnrun("ensemble", made.name, *many).code == 0
    refused = nnrun("retest", made.name)
    assert refused.code == 2
    assert f"{made.name} is an improvement, and no search" in refused.err
    for lesson in ("settings", "slices"):
        told = nnrun("report", made.name, "--lesson", lesson)
        assert (told.code, "of an improvement; a search has it; there are curves" in told.err) == (2, True)
    for words in (("rerun", made.name), ("resume", made.name, "--set", "seed=1"), ("rewind", made.name, "--to", "1"),
                  ("nudge", f"{made.name}/trials/0000", "--set", "seed=1")):  # fmt: skip
        assert " improvement" in nnrun(*words).err
    assert nnrun(*quoted(refused.err, "improve"), *few).code == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--budget", "soon"), 2, "--budget soon: write a time such as 10m, 90s or 2h, or 2000epochs, or 30runs"),
        (("--budget", "3runs"), 2, "--budget 3runs: the config as written and the end take 10 runs with 5 seeds"),
        (("--seeds", "2"), 2, "--seeds"),
        (("--target", "3"), 2, "--target 3: did you mean 3%?"),
        (("--set", "network.hiden=[2]"), 3, "did you mean hidden?"),
        (("--set", "data.source=nowhere.csv"), 4, "nowhere.csv"),
    ],
)
def test_errors_have_their_exit_codes(nnrun: Nnrun, poor: Path, words: tuple[str, ...], code: int, told: str) -> None:
    done = nnrun("improve", poor, *words)
    assert done.code == code
    assert told in done.err
    assert not list(Path().glob("runs/*-improve-*"))


def test_what_is_neither_a_config_nor_a_run_is_said(nnrun: Nnrun) -> None:
    assert nnrun("improve", "nothing").code == 2
    assert nnrun("improve", "nothing.yaml").code == 3


def test_without_dev_rows_nothing_can_be_judged(nnrun: Nnrun) -> None:
    done = nnrun("improve", "--set", "data.folds=3", "--set", "data.fold=all", "--budget", "60epochs")
    assert done.code == 2 and "leaves no dev rows to choose by" in done.err


def test_options_that_mean_nothing_to_it_are_refused(nnrun: Nnrun, poor: Path) -> None:
    assert nnrun("improve", poor, "--budget", "60epochs", "--seeds", "3", "--workers", "1", "-q").code == 0
    for option in (("--trials", "9"), ("--target", "0.1"), ("--repeat", "2"), ("--timeout", "9"), ("--epochs", "9")):
        done = nnrun("resume", directory(), *option)
        assert done.code == 2
        assert option[0] in done.err


@pytest.mark.long
def test_killed_at_random_moments_it_comes_to_the_same_end(nnrun: Nnrun, start: Start, poor: Path) -> None:
    killed_and_resumed(nnrun, start, "160epochs", kills=2)


@pytest.mark.soak
def test_killed_at_twenty_random_moments_it_comes_to_the_same_end(nnrun: Nnrun, start: Start, poor: Path) -> None:
    killed_and_resumed(nnrun, start, "600epochs", kills=20)


def killed_and_resumed(nnrun: Nnrun, start: Start, budget: str, kills: int) -> None:
    """SIGKILL and Ctrl-C in turn, each some moments after another trial has ended."""
    assert nnrun(*WORDS, budget, "--workers", "1", "-q").code == 0
    whole = come_to(directory())
    draw = random.Random(5)
    words: tuple[str, ...] = (*WORDS, budget, "--workers", "2", "--runs", "killed")
    for kill in range(kills):
        process = start(*words, "-q")
        found = wait_for_trials(process, draw.randrange(1, 4))
        assert found is not None, f"it had ended before kill {kill}"
        time.sleep(0.05 * draw.random())
        process.send_signal(signal.SIGINT if kill % 2 else signal.SIGKILL)
        assert process.wait(60) in (-signal.SIGKILL, 130, 0)
        words = ("resume", str(found), "--workers", str(1 + kill % 2))
    assert nnrun(*words, "-q").code == 0
    (path,) = Path("killed").glob("[!.]*")
    ending, steps = come_to(path)
    for step in steps:  # commands lead to the runs where they lie
        step["command"] = step["command"].removesuffix(" --runs killed")
    assert (ending, steps) == whole


def wait_for_trials(process: subprocess.Popen[str], more: int) -> Path | None:
    """Until so many more have ended; the directory, or None where the process has ended before."""
    before: int | None = None
    while process.poll() is None:
        for path in Path("killed").glob("[!.]*/trials.jsonl"):
            count = path.read_bytes().count(b"\n")
            before = count if before is None else before
            if count >= before + more:
                return path.parent
        time.sleep(0.005)
    return None
