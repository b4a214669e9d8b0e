"""nnrun watch --text on a real terminal: what is seen and asked for by keys, and the terminal that is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import nnrun
from nnrun.cli.terminal import panel
from nnrun.cli.terminal.watch_screen import WatchScreen
from nnrun.watching.folder import Folder
from tests.cli.conftest import NNRUN, Done, OnTerminal

OnTerminalFixture = Callable[..., OnTerminal]
Start = Callable[..., "subprocess.Popen[str]"]

LIVE = "name: live\nnetwork: {hidden: [64, 64]}\ntraining: {epochs: 1000000}\n"
KEYS = r"\? help  q end"
SEEN = termios.ICANON | termios.ECHO


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs and a broken one; nobody writes to them."""
    root = tmp_path_factory.mktemp("watched") / "runs"
    for name in ("first", "second"):
        nnrun.train({"name": name, "data": {"source": "iris"}, "training": {"epochs": 20}}, root)
    broken = root / "20200101-000000-broken-dead"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    return root


def is_as_before(screen: OnTerminal) -> bool:
    """No other screen, no hidden cursor, and keys are seen again."""
    return screen.terminal.other is None and screen.terminal.cursor_shown and screen.modes()[3] & SEEN == SEEN


def test_runs_are_chosen_filtered_and_told_in_full(on_terminal: OnTerminalFixture, trained: Path) -> None:
    screen = on_terminal("watch", "--text", "--runs", str(trained), width=100)
    screen.wait_for(r"> \w{4} second +done(.*\n)+.*" + KEYS)
    assert screen.terminal.other is not None and not screen.terminal.cursor_shown
    assert not screen.modes()[3] & SEEN
    screen.wait_for(r"\n  dead broken +unreadable")
    screen.wait_for(r"[⠀-⣿]{3}")
    screen.type("j")
    screen.wait_for(r"> \w{4} first ")
    screen.type("/")
    screen.wait_for("filter   _")
    screen.type("statu=done\r")
    screen.wait_for("refused  no run has a 'statu', did you mean status[?]")
    screen.type("\x15name=second\r")
    screen.wait_for(r"1 of 3 runs, 0 training")
    screen.type("\r")
    screen.wait_for(r"to type next\n(.*\n)*.* diagnose \d")
    screen.type("\r")
    screen.wait_for(r"> \w{4} second ")
    screen.type("q")
    assert screen.finish() == 0
    assert is_as_before(screen) and screen.terminal.text == ""


def test_a_run_is_steered_from_another_terminal(on_terminal: OnTerminalFixture, start: Start) -> None:
    Path("live.yaml").write_text(LIVE)
    training = start("train", "-q", "live.yaml")
    screen = on_terminal("watch", "--text")
    screen.wait_for(r"> \w{4} live +running")
    screen.type("p")
    screen.wait_for(r"\npaused after epoch \d+")
    screen.wait_for(r"> \w{4} live +paused")
    screen.type("n")
    screen.wait_for("change   _")
    screen.type("regularization.l3=1\r")
    screen.wait_for("refused  --set regularization.l3=1: unknown key")
    screen.type("\x7f\x7f\x7f2=0.5\r")
    screen.wait_for(r"change   from epoch \d+: regularization.l2 0.0 → 0.5")
    screen.type("r")
    screen.wait_for(r"change   from epoch \d+: optimizer.learning_rate 0.001 → 0.000333")
    screen.type("p")
    screen.wait_for(r"> \w{4} live +running")
    screen.type("s")
    assert training.wait(60) == 130
    screen.wait_for(r"> \w{4} live +interrupted")
    screen.type("p")
    screen.wait_for("refused  .* is not being trained")
    screen.type("q")
    assert screen.finish() == 0 and is_as_before(screen)
    (file,) = Path("runs").glob("[!.]*/events.jsonl")
    changed = [event for event in map(json.loads, file.read_text().splitlines()) if event["event"] == "changed"]
    assert [event["key"] for event in changed] == ["regularization.l2", "optimizer.learning_rate"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be asked of a run."""
    asked: list[str] = []

    def ask(run: object, do: str, settings: Sequence[str] = ()) -> str:
        asked.append(do)
        return str(len(asked))

    monkeypatch.setattr(panel, "ask", ask)
    return asked


@pytest.mark.parametrize(
    ("read_only", "typed", "does"),
    [
        (False, "p", ["pause"]),
        (False, "s", ["stop"]),
        (False, "nnrun stop latest\r", []),  # pasted
        (False, "\x1b[Bj", []),
        (True, "p", []),
        (True, "s", []),
        (True, "r", []),
        (True, "n", []),
    ],
)
def test_what_keys_ask_for(trained: Path, asked: list[str], read_only: bool, typed: str, does: list[str]) -> None:
    screen = WatchScreen(Folder(trained), read_only)
    screen.look()
    screen.hear(typed)
    screen.hear("regularization.l2=1")  # a change, if one were being typed
    assert (asked, screen.over) == (does, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_window_may_change(
    on_terminal: OnTerminalFixture, trained: Path, number: signal.Signals
) -> None:
    screen = on_terminal("watch", "--text", "--runs", str(trained), NO_COLOR="1")
    screen.wait_for(KEYS)
    screen.terminal.width = 50
    screen.resize(50)
    screen.wait_for(r"> \w{4} second +done +20 .*\n(.*\n)+error over epochs")  # below each other
    if number == signal.SIGINT:
        screen.type("\x03")
    else:
        screen.process.send_signal(number)
    assert screen.finish() == (0 if number == signal.SIGINT else 143)
    assert is_as_before(screen)
    assert "\x1b[3" not in screen.written  # no colour


def test_without_letters_of_dots(on_terminal: OnTerminalFixture, trained: Path) -> None:
    screen = on_terminal("watch", "--text", "--runs", str(trained), PYTHONIOENCODING="ascii")
    screen.wait_for(KEYS)
    screen.wait_for(r"\|[ .':]*[.':]{2}")
    assert screen.terminal.text.isascii()


def test_ctrl_z_gives_the_shell_its_screen_and_fg_comes_back(on_terminal: OnTerminalFixture, trained: Path) -> None:
    shell = on_terminal(shell=True, PS1="$ ")
    shell.wait_for(r"\$$")
    before = shell.modes()
    shell.type(" ".join([*NNRUN, "watch", "--text", "--runs", str(trained)]) + "\r")
    shell.wait_for(KEYS)
    shell.type("\x1a")
    shell.wait_for(r"\[1\]\+  Stopped (.*\n)+\$ ?$")
    assert shell.terminal.other is None and shell.terminal.cursor_shown and shell.modes() == before
    shell.type("fg\r")
    shell.wait_for(r"> \w{4} second +done(.*\n)+.*" + KEYS)
    assert shell.terminal.other is not None
    shell.type("q")
    shell.wait_for(r"\$ ?$")
    assert shell.modes() == before
    shell.type("exit\r")
    shell.finish()


def test_it_needs_a_terminal(nnrun: Callable[..., Done]) -> None:
    done = nnrun("watch", "--text")
    assert (done.code, "--text needs a terminal" in done.err) == (2, True)
    assert nnrun("watch", "--text", "--open").err == "nnrun: --text and --open: only one of them\n"
