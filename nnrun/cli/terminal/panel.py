"""Below the curves of a run: what is wrong with the command that answers it, and what keys ask for.

Keys ask by the same requests as the commands; what became of them is read where any other process would read it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from nnrun.cli.terminal.screen import HEAD, drawable, fitting_words, folded
from nnrun.errors import NnrunError
from nnrun.installation import called, typed_here
from nnrun.runs.records import FoundSymptom
from nnrun.runs.requests import Do, answer_lines, ask, changes_asked, pending
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import symptom_lines
from nnrun.text import by_hand

if TYPE_CHECKING:
    from rich.text import Text

    from nnrun.runs.rundir import RunDir

RATE = "optimizer.learning_rate"
ESCAPE, ENTER, ERASE, ERASE_ALL = "\x1b", "\r\n", "\x7f\b", "\x15"
SEQUENCE = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]")  # of an arrow and the like
INDENT = " " * HEAD
TYPING = ("Enter asks for it, Esc leaves", "Enter asks, Esc leaves", "Enter, Esc")
HELP = (
    "p        pause at the end of this epoch; once more goes on",
    "s        stop there; `nnrun resume` goes on",
    "r        a third of the learning rate, from the next epoch on",
    "n        type another change: regularization.l2=1",
    "Ctrl-C   stop now, at the epoch before",
)


class Panel:
    """The symptoms of the moment, and the state of the keys; `rate` is the one that holds now."""

    def __init__(self, run: RunDir, rate: float) -> None:
        self.run, self.rate = run, rate
        self.symptoms: Sequence[FoundSymptom] = ()
        self.paused = False
        self._typed: str | None = None  # a change, as far as it is typed
        self._explained = False
        self._asked: dict[str, str] = {}  # what is not yet answered, in words, by the name of its request
        self._refused = ""

    def press(self, typed: str) -> bool:
        """Take in some keys, perhaps none; whether anything looks other than before.

        What comes as several letters at once was pasted, for a shell perhaps, unless a change is being typed.
        """
        before, letters = self._state(), SEQUENCE.sub("", typed)
        if self._typed is None:
            letters = letters.strip(ESCAPE)
        for letter in letters if self._typed is not None or len(set(letters)) == 1 else "":
            try:
                self._press(letter) if self._typed is None else self._type(letter)
            except (NnrunError, OSError) as error:
                self._refused = str(error)
        self._look()
        return self._state() != before

    @property
    def typing(self) -> bool:
        """Whether letters are those of a change."""
        return self._typed is not None

    def _state(self) -> object:
        return self.paused, self._typed, self._explained, dict(self._asked), self._refused

    def _look(self) -> None:
        """What became of what was asked for; others may have paused the run as well."""
        try:
            if self._asked:
                waiting = {asked.name for asked in pending(self.run)}
                self._asked = {name: words for name, words in self._asked.items() if name in waiting}
            self.paused = self.run.read_record().get("status") == "paused"
        except (NnrunError, OSError):  # others meddle with it
            return

    def _press(self, key: str) -> None:
        self._refused = ""
        if key == "p":
            self._ask("resume" if self.paused else "pause")
        elif key == "s":
            self._ask("stop")
        elif key == "r":
            self._ask("change", f"{RATE}={by_hand(self._rate_to_come() / 3):g}")
        elif key == "n":
            self._typed = ""
        elif key in "?h":
            self._explained = not self._explained

    def _type(self, letter: str) -> None:
        """Into the change; what is refused stays there to be mended."""
        assert self._typed is not None
        self._refused = "" if letter not in ENTER else self._refused
        if letter == ESCAPE:
            self._typed = None
        elif letter in ENTER:
            if setting := self._typed.strip().removeprefix("--set").strip():
                self._ask("change", setting)
            self._typed = None
        else:
            self._typed = edited(self._typed, letter)

    def _ask(self, do: Do, *settings: str) -> None:
        name = ask(self.run, do, settings)
        words = " ".join([{"change": "for", "resume": "to go on"}.get(do, f"to {do}"), *settings])
        self._asked = {**self._asked, name: words}  # anew, as another thread may be drawing the one before

    def _rate_to_come(self) -> float:
        """When all is taken up that was asked for."""
        asked = (changes_asked(one.request) for one in pending(self.run) if one.request)
        return [self.rate, *(float(settings[RATE]) for settings in asked if RATE in settings)][-1]

    # what is seen

    def lines(self, width: int) -> list[Text]:
        """What is wrong, what was asked for, and what is typed."""
        lines = [*self._symptoms(width), *map(drawable, self._asked_for(width)), *map(drawable, self._line(width))]
        return [drawable(""), *lines] if lines else []

    def _symptoms(self, width: int) -> Iterator[Text]:
        for symptom in self.symptoms:
            said, answer = symptom_lines(symptom, called(self.run.path), typed_here)
            yield from (drawable(line, "yellow") for line in folded(said, width))
            yield from (drawable(line) for line in over_lines(answer.strip(), width))

    def _asked_for(self, width: int) -> list[str]:
        when = "now" if self.paused else "at the end of this epoch"
        told = [f"asked    {words}; {when}" for words in self._asked.values()]
        told += [f"refused  {line}" for line in self._refused.split("\n") if line]
        return [part for line in told for part in folded(line, width)]

    def _line(self, width: int) -> Iterator[str]:
        if self._typed is not None:
            yield typed_line("change", self._typed, width)
            yield INDENT + fitting_words(TYPING, width - len(INDENT))

    def help(self, width: int) -> list[Text]:
        """What the keys do, in a line, or in one each."""
        go = "p go on" if self.paused else "p pause"
        less = "? less" if self._explained else "? help"
        keys = [f"{go}  s stop  r rate/3  n change  {less}", f"{go}  s stop  r rate/3  n change  ?", "keys p s r n ?"]
        short = fitting_words([f"keys     {keys[0]}", *keys, "?"], width)
        long = [part for line in HELP if self._explained for part in folded(line, width)]
        return [drawable(line, "dim") for line in (*long, short)]


class Steered(Panel):
    """What keys ask of a run that another process trains, and what became of it as its events tell."""

    def __init__(self, run: RunDir) -> None:
        super().__init__(run, 0.0)
        self._told: list[str] = []

    def press(self, typed: str) -> bool:
        """Take keys as in the view of the run itself; the rate that is lowered is the one that holds now."""
        if typed[:1] == "r" and not self.typing:
            with suppress(NnrunError, OSError):
                self.rate = StoredRun(self.run).latest.optimizer.learning_rate
        return super().press(typed)

    def clear(self) -> None:
        """The answers so far were read."""
        self._told, self._refused = [], ""

    def _state(self) -> object:
        return super()._state(), self._told

    def _look(self) -> None:
        asked = set(self._asked)
        super()._look()
        if struck := asked - set(self._asked):
            events = [event for event in self.run.events() if event.get("request") in struck]
            refused = [f"refused  {event.get('why')}" for event in events if event["event"] == "refused"]
            self._told = refused or (answer_lines(events) if events else [])

    def _asked_for(self, width: int) -> list[str]:
        return [*super()._asked_for(width), *self._told]


def edited(typed: str, letter: str) -> str:
    """A line as it is after one more key."""
    if letter in ERASE:
        return typed[:-1]
    if letter == ERASE_ALL:
        return ""
    return typed + letter if letter.isprintable() else typed


def typed_line(head: str, typed: str, width: int) -> str:
    """Behind a word what is typed so far, the end of it where all is too wide."""
    room = width - len(INDENT) - 1
    return f"{head:<{HEAD}}{typed[-room:] if len(typed) > room else typed}_"


def over_lines(command: str, width: int) -> list[str]:
    """A command that a shell takes as it is copied from the screen: a line that goes on ends with a backslash."""
    lines: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        if lines and len(lines[-1]) + len(word) + len("  \\") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{'    ' if lines else '  '}{word}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
