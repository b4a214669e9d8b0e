"""Trials of a search that share the best result: how many, and how one of them was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
SEARCHED = """\
data: {source: easy.csv, target: y}
network: {hidden: []}
training: {epochs: 5}
optimizer: {learning_rate: 0.1}
search:
  trials: 3
  space: {regularization.l2: {log: [1.0e-6, 1.0e-4]}}
  enqueue: [{regularization.l2: 1.0e-6}, {regularization.l2: 1.0e-4}, {regularization.l2: 1.0e-5}]
"""


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_ties_are_told_wherever_the_best_is(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    rows = "".join(f"{sign * (3 + i % 7)},{'no' if sign < 0 else 'yes'}\n" for i in range(40) for sign in (-1, 1))
    Path("easy.csv").write_text(f"x,y\n{rows}")
    done = nnrun("search", config(SEARCHED), "--workers", "1")
    record = json.loads(next(Path("runs").glob("*search*/run.json")).read_text())
    assert (done.code, record["ties"], record["final"]["dev_error"]) == (0, 3, 0.0)
    words = f"3 of 3 trials share the best dev_error; trial {record['best_trial']} has the lowest dev loss of them"
    for told in (done.out, nnrun("show").out, nnrun("diagnose").out):
        assert f"note {words}" in unwrapped(told)
    assert record["best_trial"] < 2, "at an end of the range"
    assert not [line for line in nnrun("diagnose").next if "wider.yaml" in line or "--trials" in line], (
        "all are as good"
    )
    assert json.loads(nnrun("diagnose", "--json").out)["trials"]["ties"] == 3
    (title, line) = nnrun("list").out.splitlines()
    assert (title.split()[3], line.split()[4]) == ("tied", "3")
    nnrun("report")
    assert f" {words}." in next(Path("runs").glob("*search*/report.html")).read_text()
