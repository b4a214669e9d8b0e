"""What is below the curves of a live view: symptoms with their commands, and what each key asks for and shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from nnrun.cli.terminal import panel
from nnrun.cli.terminal.panel import ENTER, ESCAPE, Panel, over_lines
from nnrun.errors import UsageError
from nnrun.runs.requests import Asked
from nnrun.runs.rundir import RunDir

RATE = "optimizer.learning_rate"


class Trained:
    """A run that somebody trains, as far as keys see it: what was asked for, and its status."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.status = Path("runs/20261127-digits-0997"), "running"
        self.asked: list[tuple[str, list[str]]] = []
        self.waiting: list[Asked] = []
        monkeypatch.setattr(panel, "ask", self._ask)
        monkeypatch.setattr(panel, "pending", lambda run: self.waiting)

    def read_record(self) -> dict[str, Any]:
        return {"status": self.status}

    def _ask(self, run: object, do: str, settings: Sequence[str] = ()) -> str:
        if any("l3" in setting for setting in settings):
            raise UsageError("unknown key; did you mean l2?")
        self.asked.append((do, list(settings)))
        name = f"{len(self.asked):04d}"
        self.waiting.append(Asked(name, cast(Any, {"do": do, "settings": list(settings)})))
        return name


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    return Trained(monkeypatch)


@pytest.fixture
def keys(trained: Trained) -> Panel:
    return Panel(cast(RunDir, trained), rate=0.001)


def seen(keys: Panel, width: int = 80) -> list[str]:
    return [str(line) for line in keys.lines(width)][1:]


def help_line(keys: Panel, width: int = 80) -> str:
    return str(keys.help(width)[-1])


def test_a_key_asks_and_says_so_until_it_is_taken_up(keys: Panel, trained: Trained) -> None:
    assert seen(keys) == [] and not keys.press("")
    assert keys.press("p")
    assert trained.asked == [("pause", [])]
    assert seen(keys) == ["asked    to pause; at the end of this epoch"]
    trained.waiting.clear()
    trained.status = "paused"
    assert keys.press("")
    assert seen(keys) == [] and keys.paused
    assert help_line(keys) == "keys     p go on  s stop  r rate/3  n change  ? help"
    keys.press("p")
    assert trained.asked[1:] == [("resume", [])]
    assert seen(keys) == ["asked    to go on; now"]
    keys.press("s")
    assert trained.asked[2:] == [("stop", [])]


def test_the_rate_is_lowered_from_where_it_will_be(keys: Panel, trained: Trained) -> None:
    keys.press("rr")
    assert trained.asked == [("change", [f"{RATE}=0.000333"]), ("change", [f"{RATE}=0.000111"])]
    trained.waiting.clear()
    keys.rate = 0.3  # somebody else raised it
    keys.press("r")
    assert trained.asked[2:] == [("change", [f"{RATE}=0.1"])]


def test_a_change_is_typed_mended_and_asked_for(keys: Panel, trained: Trained) -> None:
    keys.press("n")
    assert seen(keys) == ["change   _", "         Enter asks for it, Esc leaves"]
    keys.press("regularization.l3=1")
    keys.press("\x1b[D\x1b[A")  # arrows mean nothing here
    assert seen(keys)[0] == "change   regularization.l3=1_"
    keys.press(ENTER[1])
    assert seen(keys)[:2] == ["refused  unknown key; did you mean l2?", "change   regularization.l3=1_"]
    keys.press("\x7f\x7f\x7f2=1")
    assert seen(keys)[0] == "change   regularization.l2=1_"  # what was refused is no longer there
    keys.press(ENTER[0])
    assert trained.asked == [("change", ["regularization.l2=1"])]
    assert seen(keys) == ["asked    for regularization.l2=1; at the end of this epoch"]


@pytest.mark.parametrize("left", [ESCAPE, "abc" + ESCAPE, "\n", "  \n", "abc\x15\n"])
def test_a_change_is_left_without_asking(keys: Panel, trained: Trained, left: str) -> None:
    keys.press("n")
    keys.press(left)
    assert trained.asked == [] and seen(keys) == []


def test_of_a_long_change_its_end_is_seen(keys: Panel) -> None:
    keys.press("n")
    keys.press("optimizer.schedule={name: cosine}")
    assert seen(keys, 40)[0] == "change   imizer.schedule={name: cosine}_"
    assert max(map(len, seen(keys, 40))) <= 40


def test_other_keys_mean_nothing_and_help_comes_and_goes(keys: Panel, trained: Trained) -> None:
    for typed in ("x", " ", "\t", "\x04", "\x1b[A", "nnrun stop latest\n"):  # the last one is pasted
        keys.press(typed)
    assert trained.asked == [] and seen(keys) == []
    keys.press("?")
    assert [str(line)[:8].strip() for line in keys.help(80)] == ["p", "s", "r", "n", "Ctrl-C", "keys"]
    keys.press("?")
    assert len(keys.help(80)) == 1


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (60, "keys     p pause  s stop  r rate/3  n change  ? help"),
        (45, "p pause  s stop  r rate/3  n change  ? help"),
        (40, "p pause  s stop  r rate/3  n change  ?"),
        (20, "keys p s r n ?"),
    ],
)
def test_the_keys_fit_the_width(keys: Panel, width: int, line: str) -> None:
    assert help_line(keys, width) == line


def test_a_run_that_ended_meanwhile_is_said_to_have(
    keys: Panel, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise UsageError("digits is not being trained: it is done")

    monkeypatch.setattr(panel, "ask", refuse)
    keys.press("p")
    assert seen(keys) == ["refused  digits is not being trained: it is done"]
    keys.press("x")  # the next key
    assert seen(keys) == []


def test_a_symptom_has_the_command_that_answers_it(keys: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "typed_here", str)
    dead = {"name": "dead_units", "epoch": 4, "layer": "relu2", "why": "94% of its units are 0", "cure": [RATE + "=1"]}
    keys.symptoms = [cast(Any, dead | {"nudge": [f"{RATE}=0.0001"]})]
    assert seen(keys) == [
        "symptom  dead units in relu2, epoch 4: 94% of its units are 0",
        f"  nnrun nudge 20261127-digits-0997 --set {RATE}=0.0001",
    ]
    keys.symptoms = [cast(Any, dead | {"nudge": []})]
    assert seen(keys)[1] == f"  try --set {RATE}=1 in a new run"
    keys.symptoms = []
    assert seen(keys) == []


@pytest.mark.parametrize("width", [100, 60, 50, 40])
def test_a_command_over_several_lines_is_one_for_a_shell(width: int) -> None:
    command = shlex.join(["nnrun", "nudge", "20261127-digits-0997", "--set", "optimizer.schedule={name: cosine}"])
    lines = over_lines(command, width)
    assert max(map(len, lines)) <= width
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(command)
    assert (len(lines) == 1) == (width == 100)
