"""What Tab offers: in the shells themselves, and by the functions that shells ask."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nnrun.cli import completing
from nnrun.config.reference import reference_rows
from nnrun.runs.labels import tag
from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, Done, OnTerminal

Nnrun = Callable[..., Done]
CTX = cast(Any, SimpleNamespace(params={}))


@pytest.fixture
def run(nnrun: Nnrun) -> str:
    nnrun("train", "-q", *QUICK)
    return next(Path("runs").glob("[!.]*")).name


TYPED = {  # what is typed in front of Tab, and what is the last word then
    "nnrun show {short}": "{run}",
    "nnrun search --strategy so": "sobol",
    "nnrun train --set optimizer.name=sg": "optimizer.name=sgd",
}
PLAIN = {  # nothing but letters on the screen
    "bash": "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'",
    "zsh": "unset zle_bracketed_paste; unsetopt prompt_sp beep",
}


@pytest.mark.parametrize("shell", PLAIN)
def test_tab_in_a_terminal_puts_in_what_was_meant(shell: str, run: str, tmp_path: Path) -> None:
    """As the README has it installed."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    program, home = tmp_path / "nnrun", tmp_path / "home"
    program.write_text(f"#!{sys.executable}\nfrom nnrun.__main__ import main\nmain()\n")
    program.chmod(0o755)
    home.mkdir()
    (home / f".{shell}rc").write_text(f"PS1='ready> '\n{PLAIN[shell]}\n")
    variables = {"HOME": str(home), "ZDOTDIR": str(home), "TERM": "dumb"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    screen = OnTerminal([shell, "-i"], 200, variables | {"PATH": path})
    try:
        screen.wait_for("ready>$")
        screen.type(f"nnrun --install-completion; exec {shell} -i\n")
        screen.wait_for("(?s)once you restart.*ready>$")
        screen.type("nnrun \t\x15\n")  # the first Tab in zsh loads the function, and does nothing else
        for typed, meant in TYPED.items():
            screen.wait_for("ready>$")
            screen.type(f"{typed.format(short=run[-4:])}\t")
            screen.wait_for(rf"ready> nnrun .*[ ]{re.escape(meant.format(run=run))}$")
            screen.type("\x15\n")
    finally:
        screen.close()


@pytest.mark.parametrize(
    ("words", "place", "joined", "at", "before"),
    [
        (["nnrun", "train", "--set", "a.b", "=", "c"], 5, ["nnrun", "train", "--set", "a.b=c"], 3, "a.b="),
        (["nnrun", "train", "--set", "a.b", "="], 4, ["nnrun", "train", "--set", "a.b="], 3, "a.b="),
        (["nnrun", "t", "--set", "a", "=", "1", "-q", "b"], 7, ["nnrun", "t", "--set", "a=1", "-q", "b"], 5, ""),
        (["nnrun", "show", ""], 2, ["nnrun", "show", ""], 2, ""),
    ],
)  # fmt: skip
def test_what_bash_takes_apart_is_put_together(
    monkeypatch: pytest.MonkeyPatch, words: list[str], place: int, joined: list[str], at: int, before: str
) -> None:
    for name, value in {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(place), completing.BEFORE: ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(completing.ASKED, completing.IN_BASH)
    completing.rejoin()
    assert (os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"])) == (joined, at)
    assert os.environ[completing.BEFORE] == before


def test_runs(nnrun: Nnrun, run: str) -> None:
    assert completing.runs(CTX, "") == ["latest", run]
    assert completing.runs(CTX, run[:10]) == completing.runs(CTX, "@0") == [run]
    assert completing.runs(CTX, "zzz") == completing.runs(CTX, "zzz/best") == []
    nnrun("search", "-q", *QUICK, "--trials", "1", "--workers", "1")
    assert completing.runs(CTX, "latest/") == ["latest/best", "latest/trials/"]
    assert completing.runs(CTX, "latest/trials/0") == ["latest/trials/0000"]


def test_settings() -> None:
    assert completing.settings("data.norm")[:3] == [
        "data.normalize=",
        "data.normalize=standard",
        "data.normalize=robust",
    ]
    assert completing.settings("network.batch_norm=") == [
        "network.batch_norm=", "network.batch_norm=true", "network.batch_norm=false"
    ]  # fmt: skip
    assert "training.epochs=50" in completing.settings("training.epochs=")
    assert set(completing.settings("")) == {f"{row.key}=" for row in reference_rows()} - {"extends=", "version="}


def test_tags_and_states(run: str) -> None:
    tag(RunDir(Path("runs") / run), ["paper", "baseline"])
    assert completing.tags(CTX, "") == ["baseline", "paper"]
    assert completing.statuses("d") == ["done", "diverged"]
