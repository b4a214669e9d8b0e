"""Keys typed on a real terminal while a run trains, and the terminal that is left behind."""

from __future__ import annotations

import json
import re
import signal
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.cli.terminal import training_screen
from nnrun.cli.terminal.training_screen import console
from tests.cli.conftest import NNRUN, Done, OnTerminal

OnTerminalFixture = Callable[..., OnTerminal]
Config = Callable[..., Path]

LIVE = "name: live\nnetwork: {hidden: [64, 64]}\ntraining: {epochs: 1000000}\n"
KEYS = "keys     p pause"
STOPPED = r"\n\n\[1\]\+  Stopped .*train\n\$ ?"
SEEN = termios.ICANON | termios.ECHO


def events(kind: str) -> list[dict[str, Any]]:
    (file,) = Path("runs").glob("[!.]*/events.jsonl")
    return [event for event in map(json.loads, file.read_text().splitlines()) if event["event"] == kind]


def test_a_run_is_steered_by_keys(on_terminal: OnTerminalFixture, config: Config) -> None:
    config(LIVE)
    screen = on_terminal("train")
    before = screen.modes()
    screen.wait_for(KEYS)
    assert not screen.modes()[3] & SEEN
    screen.type("r")
    screen.wait_for(r"change   from epoch \d+: optimizer.learning_rate 0.001 → 0.000333")
    screen.type("p")
    screen.wait_for(r"epochs, paused[^\n]*\nkeys     p go on")
    screen.type("n")
    screen.wait_for("change   _")
    screen.type("regularization.l3=1\r")
    screen.wait_for("refused  --set regularization.l3=1: unknown key")
    screen.type("\x7f\x7f\x7f2=0.5\r")
    screen.wait_for(r"change   from epoch \d+: regularization.l2 0.0 → 0.5")
    screen.type("p")
    screen.wait_for(r"\nresumed  training goes on\n(.*\n)*" + KEYS)
    screen.type("s")
    assert screen.finish() == 130
    assert screen.modes() == before
    assert "p go on" not in screen.terminal.text and screen.terminal.cursor_shown
    assert [(event["key"], event["new"]) for event in events("changed")] == [
        ("optimizer.learning_rate", 0.000333),
        ("regularization.l2", 0.5),
    ]
    assert len(events("paused")) == len(events("continued")) == len(events("told to stop")) == 1


def test_a_key_is_answered_while_an_epoch_takes_long(on_terminal: OnTerminalFixture, config: Config) -> None:
    config(LIVE)
    screen = on_terminal("train", held_after=2)  # the third epoch never ends
    screen.wait_for(KEYS)
    screen.type("p")
    screen.wait_for("\nasked    to pause; at the end of this epoch\n")
    screen.type("?")
    screen.wait_for("\nn        type another change: ")
    screen.process.send_signal(signal.SIGTERM)
    assert screen.finish() == 143
    assert screen.modes()[3] & SEEN == SEEN


def test_ctrl_z_the_background_and_back(on_terminal: OnTerminalFixture, config: Config) -> None:
    """In the background it reads no keys, is not stopped by any, and leaves the shell its terminal."""
    config(LIVE)
    shell = on_terminal(shell=True, PS1="$ ")
    shell.wait_for(r"\$$")
    before = shell.modes()
    shell.type(" ".join([*NNRUN, "train"]) + "\r")
    shell.wait_for(KEYS)
    shell.type("\x1a")
    shell.wait_for(STOPPED)
    assert shell.modes() == before and shell.terminal.cursor_shown
    shell.type("fg\r")
    shell.wait_for(STOPPED + r"fg\n.*train\nepoch (.*\n)+" + KEYS)  # below what the shell has written
    shell.type("\x1a")
    shell.wait_for(STOPPED + r"$")
    shell.type("bg\r")
    shell.wait_for(STOPPED + r"bg\n\[1\]\+ .*train &\n(\$ )?epoch (.*\n)+\d+/1000000 epochs")
    shell.type("echo p$((1 + 1))\r")
    while "p2" not in shell.written:
        assert shell.read()
    assert shell.modes() == before
    shell.type("fg\r")
    shell.wait_for(KEYS + r".*$")
    shell.type("s")
    shell.wait_for(r"next     .*resume [^$]*\$$")
    assert shell.modes() == before
    shell.type("exit\r")
    shell.finish()
    assert events("paused") == [] and len(events("told to stop")) == 1


def test_the_command_below_a_symptom_is_taken_up(
    on_terminal: OnTerminalFixture, config: Config, shell: Callable[[str], Done]
) -> None:
    """Copied as it stands, over several lines, and run by a shell."""
    config(LIVE + "optimizer: {learning_rate: 0.3}\n")
    screen = on_terminal("train", width=60)
    screen.wait_for(r"\nsymptom  dead units in relu\d, epoch (.*\n)+ .* nudge (.*\n)*\n" + r"\d+/1000000 epochs")
    found = re.findall(r"^  [^\d\s](?:.*\\\n)*.*$", screen.terminal.text, re.MULTILINE)
    command = found[0]  # below the first symptom, if there are two
    assert re.match(r"(change|asked)   ", shell(command).out)  # asked: where nobody reads what the run draws meanwhile
    screen.wait_for(r"change   from epoch \d+: optimizer.learning_rate 0.3 → 0.03")
    screen.type("s")
    assert screen.finish() == 130


@pytest.mark.parametrize("terminal", [True, False])
def test_without_a_view_keys_are_left_to_whoever_reads_next(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr(training_screen, "is_terminal", lambda: terminal)
    quiet, usual = console(quiet=True, verbose=False), console(quiet=False, verbose=False)
    assert (hasattr(quiet, "keyboard"), hasattr(usual, "keyboard")) == (False, terminal)
