"""What is said of a child that goes on with other rows: its parent may have learned those of its dev and test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nnrun as api

Nnrun = Callable[..., Any]
QUICK = ("-q", "--set", "training.epochs=3", "--set", "network.hidden=[8]", "--set", "data.target=y")
MAY_KNOW = "may have been trained on rows that are dev or test here"


def written(file: Path, rows: int) -> None:
    file.write_text("x,z,y\n" + "".join(f"{k % 7},{k % 5},{'ab'[k % 7 > 3]}\n" for k in range(rows)))


def newest(here: Path) -> Path:
    """By the time at which its configuration was written, which nothing writes again."""
    return max((here / "runs").glob("2*"), key=lambda run: (run / "config.yaml").stat().st_mtime_ns)


def one_line(text: str) -> str:
    return " ".join(text.split())


def marked(run: Path) -> bool:
    return "knows_rows" in (json.loads((run / "run.json").read_text())["parent"] or {})


def test_whoever_reads_its_errors_hears_of_it(nnrun: Nnrun, here: Path) -> None:
    written(here / "old.csv", 200)
    written(here / "both.csv", 260)
    nnrun("train", *QUICK, "--set", "data.source=old.csv")
    parent = newest(here)
    told = one_line(nnrun("resume", parent.name, "--set", "data.source=both.csv", "--epochs", "4").err)
    assert f"train runs/{parent.name}/resolved.yaml --set data.source=both.csv" in told and MAY_KNOW in told
    child = newest(here)
    assert marked(child) and not marked(parent)
    for command in (["evaluate"], ["show"], ["diagnose"], ["diagnose", "-q"], ["evaluate", "--calibrate"]):
        first, *options = command
        assert f"{parent.name} {MAY_KNOW}" in one_line(nnrun(first, child.name, *options).out), command
        assert MAY_KNOW not in one_line(nnrun(first, parent.name, *options).out), command
    assert any(MAY_KNOW in note for note in nnrun("evaluate", child.name, "--json").json["notes"])
    assert any(MAY_KNOW in note for note in api.load_run(str(child)).notices)
    sure = one_line(nnrun("predict", child.name, "old.csv", "--interval", "80%").err)
    assert "they may hold less than they say" in sure and "which chose nothing" not in sure
    nnrun("train", *QUICK, "--set", "data.source=both.csv")
    compared = nnrun("compare", newest(here).name, child.name, "--json").json
    assert compared["why_not"].endswith("so their errors cannot be compared: B")


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_child_that_would_train_nothing_is_not_made(nnrun: Nnrun, here: Path, schedule: str) -> None:
    written(here / "old.csv", 200)
    written(here / "both.csv", 260)
    nnrun("train", *QUICK, "--set", "data.source=old.csv", "--set", f"optimizer.schedule={schedule}")
    parent, setting = newest(here), ("--set", "data.source=both.csv")
    done = nnrun("resume", parent.name, "-q", *setting)
    further = ["resume", parent.name, *setting, "--set", "training.epochs=6"]
    told = f"has trained all 3 epochs that are planned; `nnrun {' '.join(further)}` trains on"
    assert done.code == 2 and told in one_line(done.err)
    given = nnrun("resume", parent.name, *setting, "--epochs", "3")
    assert given.code == 2 and "the new total must be larger, got 3" in one_line(given.err)
    assert newest(here) == parent
    assert nnrun(*further, "-q").code == 0
    assert newest(here) != parent and nnrun("predict", newest(here).name, "both.csv").code == 0


def test_what_is_said_to_train_anew_can_be_typed(nnrun: Nnrun, here: Path) -> None:
    written(here / "old.csv", 200)
    written(here / "both.csv", 260)
    nnrun("train", *QUICK, "--set", "data.source=old.csv")
    nnrun("resume", newest(here).name, "-q", "--set", "data.source=both.csv", "--epochs", "4")
    anew = ["train", f"runs/{newest(here).name}/resolved.yaml"]
    assert f"`nnrun {' '.join(anew)}` trains anew" in one_line(nnrun("evaluate", newest(here).name).out)
    assert nnrun(*anew, "-q").code == 0
    assert MAY_KNOW not in one_line(nnrun("evaluate", newest(here).name).out)


def test_it_holds_of_all_that_begin_from_those_weights(nnrun: Nnrun, here: Path) -> None:
    written(here / "old.csv", 200)
    written(here / "both.csv", 260)
    nnrun("train", *QUICK, "--set", "data.source=old.csv")
    nnrun("resume", newest(here).name, "-q", "--set", "optimizer.learning_rate=0.01", "--epochs", "4")
    assert not marked(newest(here)), "on the same rows"
    nnrun("resume", newest(here).name, "-q", "--set", "data.source=both.csv", "--epochs", "5")
    child = newest(here)
    nnrun("resume", child.name, "-q", "--set", "optimizer.learning_rate=0.02", "--epochs", "6")
    assert marked(newest(here))
    nnrun("rewind", child.name, "-q", "--to", "5", "--set", "training.epochs=7")
    assert marked(newest(here)) and newest(here) != child


def test_rows_that_were_held_out_before_are_not_known(nnrun: Nnrun, here: Path) -> None:
    for part, rows in {"train": 60, "more": 90, "dev": 20, "test": 25}.items():
        written(here / f"{part}.csv", rows)
    nnrun("train", *QUICK, "--set", "data.source={train: train.csv, dev: dev.csv, test: test.csv}")
    told = nnrun("resume", newest(here).name, "--set", "data.source.train=more.csv", "--epochs", "4").err
    assert MAY_KNOW not in one_line(told) and not marked(newest(here))
