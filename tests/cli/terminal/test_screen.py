"""The live view, on pseudo-terminals."""

from __future__ import annotations

import re
import signal
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import EITHER_SECOND, REMAINING, OnTerminal, send_both

OnTerminalFixture = Callable[..., OnTerminal]

LIVE = "name: live\nnetwork: {hidden: [64, 64]}\ntraining: {epochs: 40}\n"
ENDLESS = ("--set", "training.epochs=1000000")
PROGRESS = r"\d+/1000000 epochs, about .* left"


def check_whole(screen: OnTerminal) -> None:
    """Nothing is broken, left over or out of place."""
    text = screen.terminal.text
    assert "Error" not in text
    assert "Traceback" not in text
    titles = re.findall(r"^epoch .*train error", text, re.MULTILINE)
    assert len(titles) == 1, f"a title is left from an earlier view:\n{text}"
    assert screen.terminal.cursor_shown
    table = text[text.index("epoch  ") : text.index("\n\n", text.index("epoch  "))].splitlines()
    epochs = [int(line.split()[0]) for line in table[1:]]
    assert epochs == sorted(set(epochs)), text
    assert sum(line.endswith("best") for line in table) == 1
    assert len({len(line.removesuffix("  best")) for line in table}) == 1, f"columns are not under each other:\n{text}"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NO_COLOR": "1"},
        pytest.param({"TERM": "xterm"}, marks=pytest.mark.soak),
        pytest.param({"FORCE_COLOR": "1"}, marks=pytest.mark.soak),
    ],
)
def test_a_whole_run(on_terminal: OnTerminalFixture, config: Callable[..., Path], variables: dict[str, str]) -> None:
    config(LIVE)
    screen = on_terminal("train", **variables)
    assert screen.finish() == 0
    check_whole(screen)
    assert "\nnext     nnrun show " in screen.terminal.text
    colours = re.findall(r"\x1b\[[\d;]*3[0-7][\d;]*m", screen.written)
    assert not (colours and "NO_COLOR" in variables)


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, "epoch     cost  train error  train loss  dev error  dev loss   rate"),
        pytest.param(64, "epoch     cost  train error  dev error  dev loss   rate", marks=pytest.mark.soak),
        (40, "epoch  train error  dev error"),
        (20, "epoch"),
    ],
)
def test_the_view_fits_the_width(
    on_terminal: OnTerminalFixture, config: Callable[..., Path], width: int, titles: str
) -> None:
    config(LIVE)
    screen = on_terminal("train", *ENDLESS, width=width)
    screen.wait_for(r"\b[1-9]\d*/1000000" + ("" if width == 20 else rf".*, .*{REMAINING} left"))
    lines = screen.terminal.text.splitlines()
    shown = lines[next(i for i, line in enumerate(lines) if line.startswith("epoch")) :]
    assert re.sub(" +", " ", shown[0]) == re.sub(" +", " ", titles)
    assert max(map(len, shown)) <= width
    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130
    if width > 20:
        check_whole(screen)
    assert "\nnext     nnrun resume " in screen.terminal.text or width < 40


def test_ctrl_c_typed_on_the_terminal(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(LIVE)
    screen = on_terminal("train", *ENDLESS)
    screen.wait_for(PROGRESS)
    screen.terminal.feed("^C")  # the terminal's echo
    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130
    assert "stopping; once more to stop at once" in screen.written
    assert "stopping" not in screen.terminal.text
    check_whole(screen)


def test_a_second_signal_leaves_a_usable_terminal(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(LIVE)
    screen = on_terminal("train", *ENDLESS)
    screen.wait_for(PROGRESS)
    send_both(screen.process)
    assert screen.finish() in EITHER_SECOND
    assert screen.terminal.cursor_shown
    assert screen.modes()[3] & termios.ECHO and screen.modes()[3] & termios.ICANON


def test_ascii_only(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config("data: {source: diabetes}\nnetwork: {hidden: [64, 64]}\ntraining: {epochs: 40}\n")
    screen = on_terminal("train", PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C")
    assert screen.finish() == 0
    assert screen.written.isascii()
    check_whole(screen)
    assert "\n1 - R^2 " in screen.terminal.text


def test_a_resize(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(LIVE)
    screen = on_terminal("train", *ENDLESS)
    screen.wait_for(PROGRESS)
    screen.resize(40)
    screen.wait_for("epoch  train error  dev error\n")
    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130
    assert "Error" not in screen.terminal.text


def test_a_resumed_run_goes_on_where_it_stood(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(LIVE)
    assert on_terminal("train", "-q").finish() == 0
    screen = on_terminal("resume", "--epochs", "60")
    assert screen.finish() == 0
    check_whole(screen)
    assert re.search(r"^ +60 ", screen.terminal.text, re.MULTILINE)


def test_a_dumb_terminal_gets_plain_lines(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config()
    screen = on_terminal("train", TERM="dumb")
    assert screen.finish() == 0
    assert "\x1b" not in screen.written
    assert "epoch 3/3  cost" in screen.terminal.text


def test_quiet_on_a_terminal(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config()
    screen = on_terminal("train", "-q")
    assert screen.finish() == 0
    assert screen.written.startswith("done after 3 epochs in ")


def test_an_error_ends_the_live_view(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config("data: {source: nowhere.csv, target: y}\n")
    screen = on_terminal("train")
    assert screen.finish() == 4
    assert screen.terminal.cursor_shown
    assert "nowhere.csv: no such file" in screen.written


@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}])
def test_the_learning_curves_grow(
    on_terminal: OnTerminalFixture, config: Callable[..., Path], variables: dict[str, str]
) -> None:
    config(LIVE)
    screen = on_terminal("train", **variables)
    assert screen.finish() == 0
    bars = "[1-8]" if variables else "[▁-█]"
    curves = re.findall(rf"^(train|dev) error +({bars}+)  \d+\.\d%$", screen.terminal.text, re.MULTILINE)
    assert [(name, len(line)) for name, line in curves] == [("train", 40), ("dev", 40)]  # a bar an epoch
    (_, train), (_, dev) = curves
    assert train[0] in "█8"  # nothing is learned yet
    assert train[-1] in "▁1"  # the lowest error of all is that of the training part
    assert dev[-1] > train[-1]
