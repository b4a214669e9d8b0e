"""What Tab offers: in the shells themselves, and by the functions that shells ask."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nnrun.cli import completing
from nnrun.cli.app import app
from nnrun.config.reference import reference_rows
from nnrun.errors import UsageError
from nnrun.runs.labels import LABELS, labels_of, tag
from nnrun.runs.rundir import RunDir
from tests.cli.conftest import NNRUN, QUICK, Done, OnTerminal

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


@contextmanager
def typing_in(shell: str, tmp_path: Path) -> Iterator[OnTerminal]:
    """A shell that completes nnrun as the README has it installed, and waits for a command."""
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
        screen.wait_for("ready>$")
        yield screen
    finally:
        screen.close()


@pytest.mark.parametrize("shell", PLAIN)
def test_tab_in_a_terminal_puts_in_what_was_meant(shell: str, run: str, tmp_path: Path) -> None:
    with typing_in(shell, tmp_path) as screen:
        for typed, meant in TYPED.items():
            screen.type(f"{typed.format(short=run[-4:])}\t")
            screen.wait_for(rf"ready> nnrun .*[ ]{re.escape(meant.format(run=run))}$")
            screen.type("\x15\n")
            screen.wait_for("ready>$")


@pytest.mark.parametrize("shell", PLAIN)
def test_tab_runs_nothing_that_a_name_or_a_tag_says(shell: str, run: str, tmp_path: Path) -> None:
    """Zsh evaluates what it is offered, bash puts it on the command line as it stands."""
    labels = {"tags": [r"x\$(touch DONE)", "x;touch DONE;", "xenon"], "note": None}
    (Path("runs") / run / LABELS).write_text(json.dumps(labels))
    for k, called in enumerate((r"20990101-000000-x\$(touch DONE)-80d", "20990101-000000-x;touch DONE;-80e")):
        shutil.copytree(Path("runs") / run, Path("runs") / f"{called}{k}")
    with typing_in(shell, tmp_path) as screen:
        for typed, meant in {"nnrun clean --tag x": "xenon", "nnrun show 20": run}.items():
            screen.type(f"{typed}\t")
            screen.wait_for(rf"ready> nnrun .*[ ]{meant}$")
            screen.type("\x15\n")
            screen.wait_for("ready>$")
    assert not Path("DONE").exists()


def test_it_is_nnrun_that_is_completed_where_python_was_called(
    shell: Callable[[str], Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Tab behind `python` would ask nnrun, whatever is run there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shell(f"{shlex.join(NNRUN)} --install-completion; true").code == 0
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert script.name == "nnrun.sh"
    assert script.read_text().splitlines()[-1] == "complete -o default -F _nnrun_completion nnrun"


def test_to_install_it_without_a_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UsageError, match="this user has no home here"):
        app(["--install-completion"])


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


@pytest.mark.parametrize("name", ["a;touch b", r"a\$(touch b)", "a\ntouch b", "--yes", "a b", "a'b"])
def test_what_a_shell_would_take_for_more_than_a_word_is_not_offered(name: str, run: str) -> None:
    given = Path("runs") / run
    shutil.copytree(given, Path("runs") / name)
    for trial in ("0000", f"0001 {name}"):
        (given / "trials" / trial).mkdir(parents=True)
    (given / LABELS).write_text(json.dumps({"tags": [name, "paper"], "note": None}))
    assert completing.runs(CTX, "") == ["latest", run]
    assert completing.runs(CTX, name[:-1]) == []
    assert completing.runs(CTX, f"{run}/trials/") == [f"{run}/trials/0000"]
    assert completing.tags(CTX, "") == ["paper"]
    assert labels_of(RunDir(given))["tags"] == ["paper"]


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
