"""The live view of a search, on pseudo-terminals: fifteen quick trials, then one that never ends."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nnrun.cli.terminal import search_screen
from nnrun.cli.terminal.screen import SECONDS_BETWEEN_REFRESHES
from nnrun.cli.terminal.search_screen import INDENT, LiveSearchConsole, SearchConsole
from nnrun.cli.terminal.trial_columns import TrialColumns
from nnrun.config.space.space import Space
from nnrun.search.ledger import Ledger
from nnrun.search.plan import Plan
from nnrun.search.record import rank
from nnrun.search.state import Options
from tests.cli.conftest import REMAINING, OnTerminal, send_both

OnTerminalFixture = Callable[..., OnTerminal]

STUCK = """\
name: stuck
data: {source: iris}
network: {hidden: [8]}
optimizer: {name: sgd}
training: {epochs: 3}
search:
  trials: 30
  space:
    network.width: {choice: [4, 8]}
    optimizer.clip_norm: {log: [1, 10]}
    optimizer.learning_rate: {choice: [1e-3, 1e-2, 1e-1, 1e+30]}
    regularization.l2: {log: [1e-4, 1]}
    training.epochs: {choice: [3, 4, 5, 6, 7, 10000000]}
"""
SEARCH = ("search", "--workers", "1", "--stack", "1")
ALL = "trial dev_error width clip_norm learning_rate l2 epochs"
COUNTS = "1 running, 11 done, 4 diverged, 0 failed"


def best_trials() -> list[dict[str, Any]]:
    (path,) = Path("runs").glob("*/trials.jsonl")
    return sorted(Ledger(path).read()[0], key=rank)


def shown(screen: OnTerminal) -> list[str]:
    """The lines from the titles above the first trial on."""
    lines = screen.terminal.text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("trial  dev_error")) :]


AT_LENGTH = r"15/30 trials, \d+ trials a minute, about .+ left"
WIDTHS = {  # the titles of the table and the pace that fit
    120: (ALL, AT_LENGTH),
    80: (ALL, AT_LENGTH),
    40: ("trial dev_error width clip_norm", r"15/30, .+ left"),
    20: ("trial dev_error", r"15/30, .+ left|15/30 trials|15/30"),
}
RUNNING = rf"running  trial 15  epoch \d+/10000000  +(\d+\.\d%|–)(  {REMAINING} left  .*)?$"
VARIABLES = {"plain": {}, "bare": {"NO_COLOR": "1"}, "ascii": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}}
EACH_ONCE = [(120, "ascii"), (40, "plain"), (20, "ascii")]


@pytest.mark.parametrize(
    ("width", "screen_of"),
    [
        pytest.param(width, name, marks=[] if (width, name) in EACH_ONCE else pytest.mark.soak)
        for width in WIDTHS
        for name in VARIABLES
    ],
)
def test_the_view_fits_the_width(
    on_terminal: OnTerminalFixture, config: Callable[..., Path], width: int, screen_of: str
) -> None:
    (titles, pace), variables = WIDTHS[width], VARIABLES[screen_of]
    config(STUCK)
    screen = on_terminal(*SEARCH, width=width, **variables)
    screen.wait_for("running  trial 15.*\n" + re.escape(COUNTS[:width].rstrip()) + "\n15/30.*")
    lines = shown(screen)
    (first_titles, *trials), (_, table_titles, *table) = lines[: lines.index("")], lines[lines.index("") :]
    first, second, third, fourth, fifth, best, *more_of_the_best, running, counts, progress = table
    assert [line.split()[0] for line in trials] == [str(number) for number in range(15)], "a line each"
    assert first_titles == table_titles
    assert max(len(line) for line in shown(screen)) <= width
    assert running.startswith("running  trial 15"), running
    assert width < 80 or re.match(RUNNING, running), running
    assert all(line.startswith(INDENT) for line in more_of_the_best)
    told = "".join("".join([table_titles, best, *more_of_the_best]).split())
    keys = ("width", "clip_norm", "learning_rate", "epochs")
    assert [told.count(key) for key in keys] == [1] * 4, "each setting once, in the table or beside it"
    assert table_titles.split() == titles.split()
    numbers = [int(line.split()[0]) for line in (first, second, third, fourth, fifth)]
    assert numbers == [record["number"] for record in best_trials()[:5]]
    assert best.startswith(f"best     trial {numbers[0]}:")
    assert counts == COUNTS[:width].rstrip()
    assert re.fullmatch(rf"({pace})(  [━╸╺ -]{{5,30}})?", progress), progress
    assert width < 80 or len(progress) > len(progress.rstrip("━╸╺ -")), "there is a bar"
    assert screen.written.isascii() or "PYTHONIOENCODING" not in variables
    assert not ("NO_COLOR" in variables and re.search(r"\x1b\[[\d;]*3[0-7][\d;]*m", screen.written))

    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130
    text = screen.terminal.text
    assert "running" not in text
    assert "best     none" not in text
    assert screen.terminal.cursor_shown
    assert "interrupted after 15" in text
    assert "Traceback" not in text


def test_a_resize(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK)
    screen = on_terminal(*SEARCH, width=120)
    screen.wait_for(COUNTS)
    screen.resize(40)
    screen.wait_for(rf"\n15/30, {REMAINING} left")
    assert "trial  dev_error  width  clip_norm\n" in screen.terminal.text
    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130


@pytest.mark.long
def test_every_trial_has_its_line(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK.replace(", 10000000", "").replace("1e+30", "1"))
    screen = on_terminal(*SEARCH, "--trials", "200")
    assert screen.finish() == 0
    trials = screen.terminal.text.partition("trial  dev_error")[2].partition("finished 200 trials")[0].splitlines()[1:]
    assert sorted(int(line.split()[0]) for line in trials) == list(range(200))


def test_drawn_a_few_times_a_second_however_fast_trials_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing costs more than bookkeeping. By the clock of this test a trial takes 10 ms, 200 of them 2 s."""
    clock, drawn = [100.0], list[float]()
    monkeypatch.setattr(search_screen, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    draw = LiveSearchConsole._draw
    monkeypatch.setattr(LiveSearchConsole, "_draw", lambda self: (drawn.append(clock[0]), draw(self)))
    screen = LiveSearchConsole(Options(), verbose=False)
    screen.plan = Plan([200], {}, None, "random", "dev_error", 0, 1, Space(()), [])
    screen.columns = TrialColumns(screen.plan, [])
    for number in range(200):
        clock[0] += 0.01
        ended = {"status": "done", "curve": [0.5], "final": {"dev_error": 0.5}, "metric": 0.5}
        record = {"number": number, "values": {}, **ended}
        screen.trial(record, record, number + 1)
        screen.waiting(1)
    assert len(drawn) == pytest.approx(2.0 / SECONDS_BETWEEN_REFRESHES, abs=3)
    assert len(screen.unsaid) < 20, "what was told since then"


def test_the_pace_knows_of_pauses_and_of_trials_that_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config for 50 epochs; then 9 trials until 6, 3 from there until 17, 1 from there until 50."""
    clock = [100.0]
    monkeypatch.setattr(search_screen, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    screen = SearchConsole(Options())
    screen.plan = Plan([14], {}, None, "halving", "dev_error", 0, 50, Space(()), [])
    screen.ahead = screen.plan.epochs_of_all
    for number in range(13):
        clock[0] += screen.plan.epochs_of(number)  # a second an epoch
        if number == 5:
            clock[0] += 3600
            screen.stood(3600)
        ended = {"status": "done", "curve": [0.5], "final": {"dev_error": 0.5}, "metric": 0.5}
        screen.trial({"number": number, "values": {}, **ended}, {"number": 0, **ended}, number + 1)
    assert screen.pace() == "6 trials a minute, about 33 s left"


def test_a_resumed_search_counts_what_was_there(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK)
    assert on_terminal(*SEARCH, "--trials", "12", "-q").finish() == 0
    screen = on_terminal("resume", "--trials", "30", "--workers", "1")
    screen.wait_for(COUNTS)  # `--stack 1` is kept
    assert shown(screen)[1].split()[0] == "12"
    best = best_trials()[0]["number"]
    assert re.search(rf"^best     trial {best}: ", screen.terminal.text, re.MULTILINE)
    screen.process.send_signal(signal.SIGINT)
    assert screen.finish() == 130


def test_ctrl_c_typed_on_the_terminal(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK)
    screen = on_terminal(*SEARCH)
    screen.wait_for(COUNTS)
    screen.terminal.feed("^C")  # the terminal's echo
    os.killpg(screen.process.pid, signal.SIGINT)
    assert screen.finish() == 130
    assert "stopping; once more to stop at once" in screen.written
    assert "Traceback" not in screen.written
    assert screen.terminal.cursor_shown


def test_a_second_signal_leaves_a_usable_terminal(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK)
    screen = on_terminal(*SEARCH)
    screen.wait_for(COUNTS)
    send_both(screen.process)
    screen.finish()
    assert screen.terminal.cursor_shown


def test_a_dumb_terminal_gets_plain_lines(on_terminal: OnTerminalFixture, config: Callable[..., Path]) -> None:
    config(STUCK)
    screen = on_terminal(*SEARCH, "--trials", "10", TERM="dumb")
    assert screen.finish() == 0
    assert "\x1b" not in screen.written
    assert "10/30" not in screen.written
    assert re.search(r"^10/10  trial  9 ", screen.terminal.text, re.MULTILINE)
